/** Downloads that nothing befalls: what lies there afterwards, and what is not fetched again. */
import { readFile, stat, symlink, truncate, utimes, writeFile, mkdir, lstat, rename } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { lockFile } from "../../src/files/lock.ts";
import { SplatError } from "../../src/errors.ts";
import { entryOf, KIB, MIB, openDownloads, PART_BYTES, sessionOf, sha256 } from "../helpers/downloads.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

let r2: LocalR2;
beforeAll(async () => {
  r2 = await startR2();
});
afterAll(() => r2.close());

it("brings small, large and empty files, with their times and their sums", async () => {
  const { folder, proxy, store, runToEnd } = await openDownloads(r2);
  const stored = await store(20 * KIB, 3 * MIB, 0, 2 * PART_BYTES, 10 * MIB);
  const { results, events } = await runToEnd(stored);
  expect(results.map(({ outcome }) => outcome)).toEqual(Array(5).fill("downloaded"));
  expect(results.map(({ sha256: sum }) => sum)).toEqual([...stored.values()].map(sha256));
  for (const { path } of results) {
    expect(Math.abs((await stat(path)).mtimeMs - Date.now())).toBeLessThan(60_000);
    expect((await stat(path)).mtimeMs % 1000).toBe(0);
  }
  const came = events.reduce((sum, event) => sum + (event.kind === "progress" ? event.bytes : 0), 0);
  expect(came).toBe([...stored.values()].reduce((sum, bytes) => sum + bytes.length, 0));
  // One request for each small file, and the large ones in parts.
  const ranges = proxy.seen.map(({ range }) => range);
  expect(ranges.filter((range) => range === undefined)).toHaveLength(3);
  expect(ranges.filter((range) => range !== undefined)).toHaveLength(12 + 40);
  expect(results[0].path).toBe(join(sessionOf(folder, stored), "chunk_0001.ply"));
});

it("fetches what is there and whole no second time, and notes it in SHA256SUMS again", async () => {
  const { folder, proxy, store, run, runToEnd } = await openDownloads(r2);
  const stored = await store(20 * KIB, 9 * MIB);
  await runToEnd(stored);
  await writeFile(join(sessionOf(folder, stored), "SHA256SUMS"), "");
  const asked = proxy.seen.length;
  const { results } = await runToEnd(stored);
  expect(results.map(({ outcome }) => outcome)).toEqual(["already", "already"]);
  expect(proxy.seen).toHaveLength(asked);

  // Known from a listing only: the ETag is the content's MD5.
  const [entry] = stored.keys();
  const listed = new Map([[{ ...entry, sha256: null, etag: await etagOf(entry.key) }, stored.get(entry)!]]);
  expect((await run(listed)).results[0].outcome).toBe("already");
  expect(proxy.seen).toHaveLength(asked);
  // And where even that is none, the file is ours and as old as the object.
  const { mtimeMs } = await stat(results[0].path);
  const barely = new Map([
    [{ ...entry, sha256: null, etag: '"x-2"', createdAtS: mtimeMs / 1000 }, stored.get(entry)!],
  ]);
  expect((await run(barely)).results[0].outcome).toBe("already");
  await utimes(results[0].path, 1, 1);
  expect((await run(barely)).results[0].outcome).toBe("downloaded");
});

it("replaces a file that differs, but only by a whole one", async () => {
  const { folder, proxy, store, run, runToEnd } = await openDownloads(r2);
  const stored = await store(40 * KIB, 40 * KIB);
  const paths = (await runToEnd(stored)).results.map(({ path }) => path);
  await truncate(paths[0], 100);
  await writeFile(paths[1], Buffer.alloc(40 * KIB));
  proxy.plan = () => ({ kind: "answer", status: 404, body: "<Error><Code>NoSuchKey</Code></Error>" });
  const failed = await run(new Map()).then(() => runQuietly(stored));
  expect(failed.map(({ error }) => error?.message)).toEqual([
    expect.stringMatching(/chunk_0001.ply" is no longer in the bucket/),
    expect.stringMatching(/chunk_0002.ply" is no longer in the bucket/),
  ]);
  expect((await stat(paths[0])).size).toBe(100);
  proxy.plan = () => null;
  await runToEnd(stored);

  async function runQuietly(all: typeof stored) {
    const { downloadEntries } = await import("../../src/chunks/download.ts");
    const { openSignedReader } = await import("../../src/remote/r2-signed.ts");
    const reader = openSignedReader(r2.settings(proxy.url));
    onTestFinished(() => reader.close());
    return await downloadEntries(reader, [...all.keys()], { folder }, new AbortController().signal);
  }
});

it("fails what cannot become a file, and brings the others", async () => {
  const { store, run } = await openDownloads(r2);
  const stored = await store(1000);
  const hostile = ["../../escape", "..", "con.ply", "a\u0000b", ""].map((name) =>
    entryOf({ name, sizeBytes: 5 }),
  );
  const { results } = await run(
    new Map([...hostile.map((entry) => [entry, Buffer.alloc(0)] as const), ...stored]),
  );
  expect(results.map(({ outcome, error }) => [outcome, error?.code])).toEqual([
    ...hostile.map(() => ["failed", "bad_input"]),
    ["downloaded", undefined],
  ]);
});

it("fails the second of two entries that would be one file", async () => {
  const { store, run } = await openDownloads(r2);
  const stored = await store(1000);
  const [[entry, bytes]] = stored;
  const { results } = await run(new Map([...stored, [{ ...entry }, bytes]]));
  expect(results.map(({ outcome }) => outcome)).toEqual(["downloaded", "failed"]);
  expect(results[1].error?.message).toMatch(/would be the same file here/);
});

it("fails an entry whose name a folder has", async () => {
  const { folder, store, run } = await openDownloads(r2);
  const stored = await store(1000, 1000);
  await mkdir(join(sessionOf(folder, stored), "chunk_0001.ply", "in it"), { recursive: true });
  const { results } = await run(stored);
  expect(results.map(({ outcome }) => outcome)).toEqual(["failed", "downloaded"]);
  expect(results[0].error?.message).toMatch(/cannot be written: a folder has that name/);
});

it("follows no link out of the folder", async () => {
  const { folder, store, run } = await openDownloads(r2);
  const elsewhere = await openDownloads(r2);
  const stored = await store(1000);
  await symlink(elsewhere.folder, join(folder, "main"));
  await expect(run(stored)).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringMatching(/is a link that leads out of the folder/),
  });
  await expect(stat(join(elsewhere.folder, "session-1"))).rejects.toThrow("ENOENT");
});

it("writes through no link that stands where a half file, the list or the file itself belongs", async () => {
  const { folder, store, runToEnd } = await openDownloads(r2);
  const stored = await store(1000);
  const session = sessionOf(folder, stored);
  const victim = join(folder, "victim");
  await writeFile(victim, "precious");
  await mkdir(session, { recursive: true });
  for (const name of [".chunk_0001.ply.part", "SHA256SUMS.part", "chunk_0001.ply"])
    await symlink(victim, join(session, name));
  await runToEnd(stored);
  expect(await readFile(victim, "utf8")).toBe("precious");
  expect((await lstat(join(session, "chunk_0001.ply"))).isFile()).toBe(true);
});

it("lets one download into a folder at a time, and says who does", async () => {
  const { folder, store, run, runToEnd } = await openDownloads(r2);
  const stored = await store(1000);
  const session = sessionOf(folder, stored);
  await mkdir(session, { recursive: true });
  const never = (): SplatError => new SplatError("internal", "not in this test");
  const lock = await lockFile(join(session, ".splatctl-lock"), { inUse: never, lost: never });
  await expect(run(stored)).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringMatching(
      new RegExp(`another splatctl \\(process ${process.pid} on .*\\) is downloading into `),
    ),
  });
  await lock.release();
  await runToEnd(stored);
});

it("keeps lines of SHA256SUMS that are not its own", async () => {
  const { folder, store, run } = await openDownloads(r2);
  const stored = await store(1000);
  const session = sessionOf(folder, stored);
  await mkdir(session, { recursive: true });
  await writeFile(
    join(session, "SHA256SUMS"),
    `# mine\n${"a".repeat(64)} *b.ply\nMD5 (c) = 0\n${"\0".repeat(9)}\n`,
  );
  await run(stored);
  const [bytes] = stored.values();
  expect(await readFile(join(session, "SHA256SUMS"), "utf8")).toBe(
    `# mine\nMD5 (c) = 0\n${"a".repeat(64)}  b.ply\n${sha256(bytes)}  chunk_0001.ply\n`,
  );
});

it("takes away what a crash left beside a whole file", async () => {
  const { folder, store, runToEnd } = await openDownloads(r2);
  const stored = await store(9 * MIB, 1000);
  await runToEnd(stored);
  const session = sessionOf(folder, stored);
  await writeFile(join(session, ".chunk_0001.ply.part.json"), "{}");
  const { results } = await runToEnd(stored);
  expect(results.map(({ outcome }) => outcome)).toEqual(["already", "already"]);
});

it("touches nothing any more in a folder that another has taken over", async () => {
  const { folder, proxy, store, run } = await openDownloads(r2, 60_000);
  const stored = await store(3 * MIB);
  const session = sessionOf(folder, stored);
  proxy.plan = ({ index }) => (index < 6 ? null : { kind: "stall", side: "response", atByte: 1000 });
  const running = run(stored);
  const part = join(session, ".chunk_0001.ply.part");
  await vi.waitFor(() => stat(part), 10_000);
  for (const name of [".splatctl-lock", ".chunk_0001.ply.part", "SHA256SUMS"]) {
    await writeFile(join(session, "new"), "another's");
    await rename(join(session, "new"), join(session, name));
  }
  await expect(running).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringMatching(/another splatctl has taken .* over/),
  });
  expect(await readFile(part, "utf8")).toBe("another's");
  expect(await readFile(join(session, "SHA256SUMS"), "utf8")).toBe("another's");
});

async function etagOf(key: string): Promise<string> {
  const { createHash } = await import("node:crypto");
  return `"${createHash("md5")
    .update((await r2.get(key))!)
    .digest("hex")}"`;
}
