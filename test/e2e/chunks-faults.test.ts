/**
 * What a person sees of `splatctl chunks get` when something goes wrong: the message, the exit code, what lies on the
 * disk afterwards, and that the next run finishes. The whole program, Cloudflare's simulator, faults in between.
 * `SPLATCTL_SHOW_FAULTS=1` prints the table.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { putSession } from "../helpers/bucket-session.ts";
import { startFaultProxy, type Asked, type Fault, type FaultProxy } from "../helpers/fault-proxy.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";
import { bucketEnv, runCli, type Ran } from "../helpers/run-cli.ts";
import { smallDisk } from "../helpers/small-disk.ts";

const SESSION = "5f0c0f3e-0000-4000-8000-000000000001";
const PLACE = `scenes/main/${SESSION}`;
const SMALL = 60_000;
/** In several parts. */
const LARGE = 36 * 2 ** 20;
const SECOND = `${PLACE}/chunk_0002.ply`;

let r2: LocalR2;
let proxy: FaultProxy;
let stored: Map<string, Buffer>;
let folder: string;
const shown: string[][] = [];

beforeAll(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  stored = await putSession(r2, { sessionId: SESSION, sizes: [SMALL, LARGE, SMALL] });
}, 60_000);

beforeEach(async () => {
  proxy.plan = () => null;
  folder = await mkdtemp(join(tmpdir(), "splatctl-faults-"));
  return () => rm(folder, { recursive: true, force: true });
});

afterAll(async () => {
  await proxy.close();
  await r2.close();
  if (process.env["SPLATCTL_SHOW_FAULTS"] !== undefined) {
    for (const row of shown) process.stdout.write(`| ${row.join(" | ")} |\n`);
  }
});

function get(into = folder, more: readonly string[] = []): Promise<Ran> {
  return runCli(["chunks", "get", "--all", "-o", into, ...more], {
    env: bucketEnv(r2.settings(proxy.url)),
  });
}

/** What lies under a final name is whole. Answers all names, those of half files included. */
async function expectNothingTorn(into: string): Promise<string[]> {
  const names = await readdir(join(into, "main", SESSION)).catch(() => []);
  for (const name of names.filter((each) => /^chunk_\d+\.ply$/.test(each))) {
    const there = await readFile(join(into, "main", SESSION, name));
    expect(there.equals(stored.get(`${PLACE}/${name}`) ?? Buffer.alloc(0)), name).toBe(true);
  }
  return names.toSorted((a, b) => a.localeCompare(b));
}

async function expectAllThere(into: string): Promise<void> {
  const names = await expectNothingTorn(into);
  expect(names).toEqual(["chunk_0001.ply", "chunk_0002.ply", "chunk_0003.ply", "SHA256SUMS"]);
}

function show(fault: string, ran: Pick<Ran, "code" | "stderr">, left: readonly string[]): void {
  const said = ran.stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /error|failed|chunk_0002|retry|again/i.test(line));
  shown.push([fault, said.join(" ⏎ "), String(ran.code), left.join(" ")]);
}

/** Befalls requests for the second chunk only, `times` of them. */
function second(fault: Fault, times = Infinity): (asked: Asked) => Fault | null {
  let left = times;
  return ({ path }) => (path.includes("chunk_0002") && left-- > 0 ? fault : null);
}

function error(status: number, code: string): Fault {
  return { kind: "answer", status, body: `<Error><Code>${code}</Code><Message>x</Message></Error>` };
}

describe("what passes by itself costs nothing", () => {
  it.each<[string, (asked: Asked) => Fault | null]>([
    ["429 three times", second({ kind: "answer", status: 429, retryAfterS: 0 }, 3)],
    ["500 three times", second(error(500, "InternalError"), 3)],
    ["a body cut three times", second({ kind: "reset", side: "response", atByte: 1_000_000 }, 3)],
    ["a byte changed on its way", second({ kind: "corrupt", side: "response", atByte: 1_000_000 }, 1)],
    ["refused connections", second({ kind: "refuse" }, 3)],
  ])("%s", async (name, plan) => {
    proxy.plan = plan;
    const ran = await get();
    expect(ran.stderr).not.toMatch(/error:/);
    expect(ran.code).toBe(0);
    show(name, ran, await expectNothingTorn(folder));
    await expectAllThere(folder);
  });
});

describe("one file that cannot be had: the others come, exit 5, and the next run brings it", () => {
  it.each<[string, (asked: Asked) => Fault | null, RegExp]>([
    ["damaged whenever it comes", second({ kind: "corrupt", side: "response", atByte: 5 }), /damaged/],
    ["500 without end", second({ kind: "answer", status: 500, retryAfterS: 0 }), /500/],
  ])("%s", async (name, plan, words) => {
    proxy.plan = plan;
    const ran = await get();
    expect(ran.stderr).toMatch(words);
    expect(ran.code).toBe(5);
    const left = await expectNothingTorn(folder);
    show(name, ran, left);
    expect(left).toEqual(expect.arrayContaining(["chunk_0001.ply", "chunk_0003.ply"]));
    expect(left).not.toContain("chunk_0002.ply");
    proxy.plan = () => null;
    expect((await get()).code).toBe(0);
    await expectAllThere(folder);
  });

  it("deleted in the bucket", async () => {
    await r2.remove(SECOND);
    const ran = await get();
    await r2.put(SECOND, stored.get(SECOND) ?? Buffer.alloc(0));
    show("deleted object", ran, await expectNothingTorn(folder));
    expect(ran.stderr).toMatch(/chunk_0002.*no longer in the bucket/);
    expect(ran.code).toBe(5);
    expect((await get()).code).toBe(0);
    await expectAllThere(folder);
  });

  it("overwritten in mid-download", async () => {
    const other = Buffer.alloc(LARGE, 1);
    let changed: Promise<void> | undefined;
    let isChanged = false;
    proxy.plan = ({ path }) => {
      if (!path.includes("chunk_0002")) return null;
      const isFirst = changed === undefined;
      changed ??= r2.put(SECOND, other).then(() => void (isChanged = true));
      // The first part is of the old one, or of the new one; the rest comes when it has changed.
      return isFirst || isChanged ? null : { kind: "answer", status: 503, retryAfterS: 1 };
    };
    const ran = await get();
    await changed;
    await r2.put(SECOND, stored.get(SECOND) ?? Buffer.alloc(0));
    show("changed object", ran, await expectNothingTorn(folder));
    expect(ran.code).toBe(5);
    expect((await get()).code).toBe(0);
    await expectAllThere(folder);
  });
});

describe("what only the user can mend ends it at once, told once", () => {
  it.each<[string, Fault, number, RegExp]>([
    ["unknown key", error(401, "Unauthorized"), 3, /access key/],
    ["wrong secret", error(403, "SignatureDoesNotMatch"), 3, /secret/],
    ["clock skew", error(403, "RequestTimeTooSkewed"), 3, /clock/],
    ["no access", error(403, "AccessDenied"), 3, /denied/],
    ["no bucket", error(404, "NoSuchBucket"), 3, /no such bucket/],
  ])("%s, from the first", async (name, fault, code, words) => {
    proxy.plan = () => fault;
    const ran = await get();
    expect(ran.stderr).toMatch(words);
    expect(ran.stderr.match(/error:/g)).toHaveLength(1);
    expect(ran.code).toBe(code);
    show(name, ran, await expectNothingTorn(folder));
  });

  it.each<[string, Fault, number, RegExp]>([
    ["a token that expires", error(400, "ExpiredToken"), 3, /expired/],
    // Rules and keys may be about some objects only.
    ["one object that may not be read", error(403, "AccessDenied"), 5, /denied/],
  ])("%s, in the midst", async (name, fault, code, words) => {
    proxy.plan = second(fault);
    const midst = await get();
    expect(midst.stderr).toMatch(words);
    expect(midst.stderr.match(/error:/g)).toHaveLength(1);
    expect(midst.code).toBe(code);
    show(name, midst, await expectNothingTorn(folder));
    proxy.plan = () => null;
    expect((await get()).code).toBe(0);
    await expectAllThere(folder);
  });

  it("a bucket that does not answer", async () => {
    await proxy.down();
    const ran = await get();
    await proxy.up();
    show("no answer", ran, await expectNothingTorn(folder));
    expect(ran.code).toBe(4);
    expect((await get()).code).toBe(0);
    await expectAllThere(folder);
  });

  it("a full disk", async (context) => {
    const disk = await smallDisk(20 * 2 ** 20);
    context.onTestFinished(() => disk.close());
    context.skip(disk.kind !== "tmpfs", "no small file system can be mounted here");
    const ran = await get(disk.folder);
    show("full disk", ran, await expectNothingTorn(disk.folder));
    expect(ran.stderr).toMatch(/room|space|full/i);
    expect(ran.code).toBe(2);
  });

  it("a folder that cannot be made", async () => {
    await writeFile(join(folder, "main"), "");
    const ran = await get();
    show("no folder", ran, await readdir(folder));
    expect(ran.stderr).toContain(folder);
    expect(ran.code).toBe(2);
  });
});

describe("a run that is ended", () => {
  it.each<[NodeJS.Signals, number | null]>([
    ["SIGINT", 130],
    ["SIGTERM", 130],
    ["SIGKILL", null],
  ])("by %s leaves half files that the next run goes on with", async (signal, code) => {
    proxy.plan = ({ path }) =>
      path.includes("chunk_0002") ? { kind: "slow", side: "response", bytesPerS: 8_000_000 } : null;
    const child = spawnGet();
    await untilHalf();
    child.kill(signal);
    const [ended] = (await once(child, "close")) as [number | null];
    expect(ended).toBe(code);
    const left = await expectNothingTorn(folder);
    show(signal, { code: ended, stderr: "" }, left);
    expect(left).not.toContain("chunk_0002.ply");
    const from = proxy.seen.length;
    proxy.plan = () => null;
    const again = await get(folder, ["--json"]);
    expect(again.code).toBe(0);
    await expectAllThere(folder);
    const { files } = JSON.parse(again.stdout.toString()) as {
      files: { key: string; resumed_bytes: number }[];
    };
    expect(files.find(({ key }) => key === SECOND)?.resumed_bytes).toBeGreaterThan(1_000_000);
    expect(proxy.seen.length).toBeGreaterThan(from);
  });

  function spawnGet(): ReturnType<typeof spawn> {
    const bin = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
    const env = { ...process.env, ...bucketEnv(r2.settings(proxy.url)) };
    return spawn(process.execPath, [bin, "chunks", "get", "--all", "-o", folder], { env, stdio: "ignore" });
  }

  /** Some of the second chunk is noted as being on the disk. */
  async function untilHalf(): Promise<void> {
    for (;;) {
      const note = await readFile(join(folder, "main", SESSION, ".chunk_0002.ply.part.json"), "utf8").catch(
        () => "",
      );
      if (/[1-9]\d{6}/.test(note)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});
