/** Downloads into folders that cannot take them, and programs that are ended in the midst of one. */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { bucketScenes } from "../helpers/bucket-scenes.ts";
import { KIB, MIB, openDownloads, sessionOf, sha256 } from "../helpers/downloads.ts";
import { startFaultProxy, type FaultProxy } from "../helpers/fault-proxy.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";
import { smallDisk } from "../helpers/small-disk.ts";
import { bucketEnvironment, startCli, type RunningCli } from "../helpers/start-cli.ts";

let r2: LocalR2;
beforeAll(async () => {
  r2 = await startR2();
});
afterAll(() => r2.close());

it.each([[undefined], ["injected" as const]])(
  "keeps what fits on a full disk, and goes on when there is room (%s)",
  async (kind) => {
    const disk = await smallDisk(16 * MIB, kind);
    onTestFinished(() => disk.close());
    const { store, run } = await openDownloads(r2);
    const stored = await store(100 * KIB, 10 * MIB);
    const filler = join(disk.folder, "filler");
    await writeFile(filler, Buffer.alloc(9 * MIB));
    await expect(run(stored, { folder: disk.folder, parallel: 1 })).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringMatching(
        /^.*splatctl-small-.* cannot be downloaded into: the disk is full \(ENOSPC\)$/,
      ),
      hint: expect.stringMatching(/Make room, or name another folder/),
    });
    await rm(filler);
    const { results } = await run(stored, { folder: disk.folder, parallel: 1 });
    expect(results.map(({ error }) => error)).toEqual([null, null]);
    expect(results[1].resumedBytes).toBeGreaterThan(MIB);
    expect(await readdir(sessionOf(disk.folder, stored))).toEqual([
      "SHA256SUMS",
      "chunk_0001.ply",
      "chunk_0002.ply",
    ]);
  },
);

it("says when the folder is read-only", async ({ skip }) => {
  const disk = await smallDisk(16 * MIB);
  onTestFinished(() => disk.close());
  const { store, run } = await openDownloads(r2);
  const stored = await store(1000);
  await mkdir(sessionOf(disk.folder, stored), { recursive: true });
  if (disk.kind === "tmpfs") execFileSync("mount", ["-o", "remount,ro", disk.folder]);
  else await chmod(sessionOf(disk.folder, stored), 0o555);
  if (disk.kind !== "tmpfs" && process.getuid?.() === 0)
    skip("root may write everywhere, and nothing can be mounted");
  await expect(run(stored, { folder: disk.folder })).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringMatching(
      /cannot be downloaded into: (its file system is read-only|it may not be written)/,
    ),
  });
});

it("says when a file lies where a folder has to be", async () => {
  const { folder, store, run } = await openDownloads(r2);
  const stored = await store(1000);
  await writeFile(join(folder, "main"), "");
  await expect(run(stored)).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringMatching(/there is a file where a folder has to be/),
  });
});

/** The program on its way to a chunk of three parts of 16 MiB, of which it has the first one; the others stall. */
async function midway(): Promise<{
  folder: string;
  session: string;
  proxy: FaultProxy;
  bytes: Buffer;
  start: () => RunningCli;
}> {
  const { folder } = await openDownloads(r2);
  const scenes = await bucketScenes(r2.settings());
  onTestFinished(() => scenes.close());
  const sessionId = `killed-${folder.slice(-6)}`;
  const bytes = Buffer.alloc(40 * MIB);
  for (let at = 0; at < bytes.length; at += MIB) bytes.writeUInt32LE(at, at);
  await scenes.session(sessionId, [bytes], { isNewest: true });
  const proxy = await startFaultProxy(r2.origin);
  onTestFinished(() => proxy.close());
  proxy.plan = ({ range }) =>
    range === undefined || range.startsWith("bytes=0-")
      ? null
      : { kind: "stall", side: "response", atByte: 2 * MIB };
  const start = (): RunningCli =>
    startCli(["chunks", "get", "--all", "-o", folder], { env: bucketEnvironment(r2.settings(proxy.url)) });
  return { folder, session: join(folder, "main", sessionId), proxy, bytes, start };
}

const RECORD = ".chunk_0001.ply.part.json";

it.each([
  ["SIGKILL" as const, null],
  ["SIGINT" as const, 130],
])("goes on from what a run left that %s ended", async (signal, code) => {
  const { session, proxy, bytes, start } = await midway();
  const first = start();
  await vi.waitFor(async () => expect((await stat(join(session, RECORD))).size).toBeGreaterThan(0), 20_000);
  first.signal(signal);
  expect(await first.ended).toBe(code);
  expect(await readdir(session)).not.toContain("chunk_0001.ply");
  const asked = proxy.seen.length;
  proxy.plan = () => null;
  const second = start();
  expect(await second.ended, second.stderr()).toBe(0);
  expect(await readdir(session)).toEqual(["SHA256SUMS", "chunk_0001.ply"]);
  const { readFile } = await import("node:fs/promises");
  expect(sha256(await readFile(join(session, "chunk_0001.ply")))).toBe(sha256(bytes));
  const ranges = proxy.seen
    .slice(asked)
    .flatMap(({ range }) => /bytes=(\d+)-(\d+)/.exec(range ?? "")?.slice(1) ?? []);
  const starts = ranges.filter((_, i) => i % 2 === 0).map(Number);
  // The first part does not come again.
  expect(Math.min(...starts)).toBeGreaterThanOrEqual(16 * MIB);
});

it("does not let two programs into one folder", async () => {
  const { session, proxy, start } = await midway();
  const first = start();
  await vi.waitFor(async () => await stat(join(session, RECORD)), 20_000);
  const second = start();
  expect(await second.ended).toBe(2);
  expect(second.stderr()).toMatch(/another splatctl \(process \d+ on .*\) is downloading into /);
  proxy.plan = () => null;
  first.signal("SIGINT");
  expect(await first.ended).toBe(130);
  const third = start();
  expect(await third.ended, third.stderr()).toBe(0);
});
