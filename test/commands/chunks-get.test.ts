import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { bucketScenes, type BucketScenes } from "../helpers/bucket-scenes.ts";
import { startFaultProxy, type FaultProxy } from "../helpers/fault-proxy.ts";
import { tempFolder } from "../helpers/pictures.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";
import { runCli } from "../helpers/run-cli.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const CHUNKS = [1, 2, 3].map((value) => new Uint8Array(1000 * value).fill(value));
const NAMES = ["chunk_0001.ply", "chunk_0002.ply", "chunk_0003.ply"];

let configDir: string;
let r2: LocalR2;
let proxy: FaultProxy;
let scenes: BucketScenes;
let env: Record<string, string>;

beforeAll(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  const settings = r2.settings(proxy.url);
  scenes = await bucketScenes(r2.settings());
  configDir = await mkdtemp(join(tmpdir(), "splatctl-test-"));
  env = {
    SPLAT_CONFIG_DIR: configDir,
    R2_ENDPOINT_URL: settings.endpoint,
    R2_BUCKET_NAME: settings.bucket,
    AWS_ACCESS_KEY_ID: settings.accessKeyId,
    AWS_SECRET_ACCESS_KEY: settings.secretAccessKey,
  };
  await scenes.session("old", CHUNKS.slice(0, 1));
  await scenes.session("new", CHUNKS, { isNewest: true });
});

afterEach(() => {
  proxy.plan = () => null;
});

afterAll(async () => {
  scenes.close();
  await proxy.close();
  await r2.close();
  await rm(configDir, { recursive: true });
});

async function get(args: readonly string[], environment = env) {
  const dir = await tempFolder();
  const { code, stdout, stderr } = await runCli(["chunks", "get", ...args], { cwd: dir, env: environment });
  return { dir, code, stderr, lines: stdout.toString().split("\n").slice(0, -1) };
}

test("brings the newest chunk when nothing is named, says so, and checks it", async () => {
  const { dir, code, lines, stderr } = await get([]);
  expect(code).toBe(0);
  expect(lines).toEqual([join("splatctl-chunks", "main", "new", "chunk_0003.ply")]);
  expect((await readFile(join(dir, lines[0]))).equals(CHUNKS[2])).toBe(true);
  expect(stderr).toContain(
    "chunk_0003.ply is the newest and the whole scene; --all brings the 2 before it too\n",
  );
  expect(stderr).toMatch(/downloaded 1 file, 3\.0 kB, into splatctl-chunks in \d+\.\d s\n$/);
  const sums = await readFile(join(dir, "splatctl-chunks", "main", "new", "SHA256SUMS"), "utf8");
  expect(sums).toMatch(/^[0-9a-f]{64} [ *]chunk_0003\.ply\n$/);

  const again = await runCli(["chunks", "get", "--all", "--json"], { cwd: dir, env });
  expect(JSON.parse(again.stdout.toString())).toEqual({
    success: true,
    downloaded: 2,
    already: 1,
    failed: [],
    bytes: 3000,
    files: [0, 1, 2].map((i) => ({
      path: join("splatctl-chunks", "main", "new", NAMES[i]),
      key: `scenes/main/new/${NAMES[i]}`,
      bytes: CHUNKS[i].length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      outcome: i === 2 ? "already" : "downloaded",
      resumed_bytes: 0,
    })),
  });
  expect(again.stderr).toMatch(
    /downloaded 2 files, 3\.0 kB, into splatctl-chunks in .*; 1 file there already/,
  );
});

test("names, globs and filters choose; --dry-run only says what would come", async () => {
  const where = (id: string, i: number): string => join("there", "main", id, NAMES[i]);
  const plan = ["--dry-run", "-o", "there"];
  const { dir, code, lines, stderr } = await get([
    ...plan,
    "--session",
    "all",
    "chunk_*",
    "--exclude",
    "new/*2.ply",
  ]);
  expect(code).toBe(0);
  expect(lines.sort()).toEqual([where("new", 0), where("new", 2), where("old", 0)].sort());
  expect(stderr).toContain("would download 3 files, 5.0 kB, into there");
  await expect(readFile(join(dir, "there"))).rejects.toThrow("ENOENT");
  expect((await get([...plan, "2", "chunk_0001.ply"])).lines).toEqual([where("new", 0), where("new", 1)]);
  expect((await get([...plan, "--include", "*[23].ply"])).lines).toEqual([where("new", 1), where("new", 2)]);
  expect((await get([...plan, "--latest", "--exclude", "*3.ply"])).lines).toEqual([where("new", 1)]);
  const none = await get([...plan, "--exclude", "*"]);
  expect(none).toMatchObject({ code: 0, lines: [] });
  expect(none.stderr).toContain("nothing passes --include and --exclude");
  const empty = await get(["--scene", "empty", "--json"]);
  expect(empty.code).toBe(0);
  expect(JSON.parse(empty.lines[0])).toMatchObject({ success: true, downloaded: 0, files: [] });
});

test("a line that cannot be meant is refused", async () => {
  const unknown = await get(["chunk_0004.ply"]);
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toMatch(/nothing there is called chunk_0004\.ply\n.*There are chunk_000\d\.ply/);
  for (const args of [
    ["--all", "--latest"],
    ["--all", "1"],
    ["--parallel", "0"],
    ["--session", "a/b"],
  ]) {
    expect((await get(args)).code).toBe(2);
  }
});

test("some that fail leave the others, their reasons on stderr, and exit code 5", async () => {
  proxy.plan = ({ path }) =>
    path.includes("chunk_0002") ? { kind: "corrupt", side: "response", atByte: 5 } : null;
  const text = await get(["--all"]);
  expect(text.code).toBe(5);
  expect(text.lines.map((line) => line.slice(-14))).toEqual([NAMES[0], NAMES[2]]);
  expect(text.stderr).toMatch(/^error: "main\/new\/chunk_0002\.ply" .*SHA-256/m);
  expect(text.stderr).toMatch(/1 file failed; the same command again goes on\n$/);
  const json = await get(["--all", "--json"]);
  expect(json.code).toBe(5);
  expect(JSON.parse(json.lines[0])).toMatchObject({
    success: false,
    downloaded: 2,
    failed: [
      {
        key: "scenes/main/new/chunk_0002.ply",
        error: { message: expect.stringContaining("SHA-256") as string },
      },
    ],
    files: [{}, {}],
  });
});

test("when all fail for one reason, that is the error", async () => {
  const isChunk = (path: string): boolean => path.includes("chunk_");
  proxy.plan = ({ path }) =>
    isChunk(path) ? { kind: "answer", status: 404, body: "<Error><Code>NoSuchKey</Code></Error>" } : null;
  const gone = await get(["--all"]);
  expect(gone.lines).toEqual([]);
  expect(gone.stderr).toMatch(/error: none of 3 files came: /);
  const one = await get(["1"]);
  expect(one.code).toBe(gone.code);
  expect(one.stderr).not.toContain("none of");
  proxy.plan = ({ path }) =>
    isChunk(path) ? { kind: "answer", status: 403, body: "<Error><Code>AccessDenied</Code></Error>" } : null;
  const denied = await get(["--all", "--json"]);
  expect(denied.code).toBe(3);
  expect(JSON.parse(denied.lines[0])).toMatchObject({ success: false, error: { code: "not_configured" } });
});

test("a name that could leave the folder is refused, alone", async () => {
  await scenes.put("scenes/hostile/s/good.ply", "12345");
  await scenes.put("scenes/hostile/s/..\\..\\evil\u001b[2J.ply", "12345");
  for (const plan of [[], ["--dry-run"]]) {
    const { code, lines, stderr } = await get(["--scene", "hostile", "--all", "-o", "d", ...plan]);
    expect(code).toBe(5);
    expect(lines).toEqual([join("d", "hostile", "s", "good.ply")]);
    expect(stderr).toContain("cannot become a file here");
    expect(stderr).not.toContain("\u001b");
  }
});

test("--public brings chunks without keys", async () => {
  const publicEnv = { SPLAT_CONFIG_DIR: configDir, R2_PUBLIC_URL: r2.settings().publicUrl ?? "" };
  const { code, lines } = await get(["--public", "--all", "--quiet"], publicEnv);
  expect(code).toBe(0);
  expect(lines).toHaveLength(3);
});

test("a folder that cannot be one is the user's to mend", async () => {
  const dir = await tempFolder();
  await mkdir(join(dir, "d"));
  await writeFile(join(dir, "d", "main"), "a file");
  const { code, stderr } = await runCli(["chunks", "get", "-o", "d"], { cwd: dir, env });
  expect(code).toBe(2);
  expect(stderr).toContain("error: ");
});

test("Ctrl-C ends it with 130; the next run goes on where it was", async () => {
  const dir = await tempFolder();
  await scenes.session("large", [new Uint8Array(5_000_000).fill(9)], { scene: "large", isNewest: true });
  let stalled = (): void => undefined;
  const reached = new Promise<void>((resolve) => (stalled = resolve));
  proxy.plan = ({ path }) => {
    if (!path.includes("chunk_")) return null;
    stalled();
    return { kind: "stall", side: "response", atByte: 4_500_000 };
  };
  const args = ["chunks", "get", "--scene", "large", "-o", "d"];
  const child = spawn(process.execPath, [BIN, ...args], { cwd: dir, env: { ...process.env, ...env } });
  await reached;
  child.kill("SIGINT");
  expect((await once(child, "close"))[0]).toBe(130);
  proxy.plan = () => null;
  const { code, stdout } = await runCli(args, { cwd: dir, env });
  expect(code).toBe(0);
  expect((await readFile(join(dir, stdout.toString().trim()))).length).toBe(5_000_000);
});
