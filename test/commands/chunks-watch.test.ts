import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { growingSession } from "../helpers/growing-session.ts";
import { tempFolder } from "../helpers/pictures.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";
import { bucketEnvironment, startCli, type RunningCli } from "../helpers/start-cli.ts";

let r2: LocalR2;
/** Each test has a scene of its own. */
let scene = "scene-0";
let scenes = 0;
let dir: string;

beforeAll(async () => {
  r2 = await startR2();
});
afterAll(async () => {
  await r2.close();
});
beforeEach(async () => {
  scene = `scene-${++scenes}`;
  dir = await tempFolder();
});

function watch(flags: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCli {
  const args = ["chunks", "watch", "-o", "out", "--scene", scene, ...flags];
  return startCli(args, { cwd: dir, env: { ...bucketEnvironment(r2.settings()), ...env } });
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

function eventsOf({ stdout }: RunningCli): Record<string, unknown>[] {
  return linesOf(stdout()).map((line) => JSON.parse(line) as Record<string, unknown>);
}

it("prints the path of each chunk as it lands, and ends with the session", async () => {
  const session = growingSession(r2, "s1", scene);
  await session.grow(Buffer.from("one"));
  const watching = watch([]);
  await watching.saying(/chunk_0001\.ply\n/);
  await session.chunk(Buffer.from("two"));
  await session.publish("complete");
  expect(await watching.ended).toBe(0);
  const paths = [1, 2].map((index) => join("out", scene, "s1", `chunk_000${index}.ply`));
  expect(linesOf(watching.stdout())).toEqual(paths);
  expect(await Promise.all(paths.map((path) => readFile(join(dir, path), "utf8")))).toEqual(["one", "two"]);
  expect(watching.stderr()).toContain("session s1: 1 chunk so far");
  expect(watching.stderr()).toContain("session s1 is complete");
  expect(watching.stderr()).toContain("2 chunks downloaded");
});

it("downloads nothing twice: a second watch tells of what is there", async () => {
  const session = growingSession(r2, "s1", scene);
  await session.chunk();
  await session.grow();
  await session.publish("complete");
  expect(await watch([]).ended).toBe(0);
  const again = watch(["--json"]);
  expect(await again.ended).toBe(0);
  expect(eventsOf(again)).toMatchObject([
    { event: "session", session_id: "s1", previous: null, state: "complete", complete: true, chunks: 2 },
    { event: "chunk", outcome: "already", name: "chunk_0001.ply" },
    {
      event: "chunk",
      outcome: "already",
      name: "chunk_0002.ply",
      key: session.chunks[1].key,
      scene,
      session_id: "s1",
      index: 2,
      first_frame: 51,
      last_frame: 100,
      gaussian_count: 2000,
      bytes: session.chunks[1].bytes,
      sha256: session.chunks[1].sha256,
      path: join("out", scene, "s1", "chunk_0002.ply"),
    },
    { event: "complete", scene, session_id: "s1" },
    {
      event: "end",
      success: true,
      complete: true,
      sessions: ["s1"],
      downloaded: 0,
      already: 2,
      failed: [],
      commands_failed: 0,
    },
  ]);
});

it("--latest-only begins with the newest chunk", async () => {
  const session = growingSession(r2, "s1", scene);
  for (let n = 1; n <= 3; n++) await session.chunk();
  await session.publish("complete");
  const watching = watch(["--latest-only"]);
  expect(await watching.ended).toBe(0);
  expect(linesOf(watching.stdout())).toEqual([join("out", scene, "s1", "chunk_0003.ply")]);
});

it("--public needs no keys", async () => {
  const session = growingSession(r2, "s1", scene);
  await session.grow();
  await session.publish("complete");
  const { publicUrl } = r2.settings();
  const watching = startCli(["chunks", "watch", "-o", "out", "--scene", scene, "--public"], {
    cwd: dir,
    env: { R2_PUBLIC_URL: publicUrl ?? "" },
  });
  expect(await watching.ended).toBe(0);
  expect(linesOf(watching.stdout())).toHaveLength(1);
});

const SHOW = `node -e 'const e = process.env; console.log(JSON.stringify(e))'`;

it("--exec learns of the chunk by variables, and nothing of the keys", async () => {
  const session = growingSession(r2, "s1", scene);
  await session.grow();
  await session.publish("complete");
  const watching = watch(["--exec", SHOW], {
    SPLAT_API_TOKEN: "swordfish",
    SPLAT_PROXY_KEY: "swordfish",
    SPLAT_PROXY_SECRET: "swordfish",
    AWS_CONTAINER_AUTHORIZATION_TOKEN: "swordfish",
    SPLAT_SPOOL_DIR: "spool",
  });
  expect(await watching.ended).toBe(0);
  expect(linesOf(watching.stdout())).toEqual([join("out", scene, "s1", "chunk_0001.ply")]);
  const printed = linesOf(watching.stderr()).find((line) => line.startsWith("{"));
  const seen = JSON.parse(printed ?? "") as Record<string, string>;
  expect(seen).toMatchObject({
    SPLAT_CHUNK_PATH: join(dir, "out", scene, "s1", "chunk_0001.ply"),
    SPLAT_CHUNK_NAME: "chunk_0001.ply",
    SPLAT_CHUNK_INDEX: "1",
    SPLAT_CHUNK_LAST_FRAME: "50",
    SPLAT_SESSION_ID: "s1",
    SPLAT_SCENE: scene,
    SPLAT_SPOOL_DIR: "spool",
  });
  expect(Object.keys(seen).filter((name) => /^(?:AWS|R2)_|TOKEN|SECRET/.test(name))).toEqual([]);
  const { accessKeyId, secretAccessKey } = r2.settings();
  for (const secret of ["swordfish", accessKeyId, secretAccessKey]) {
    expect(Object.values(seen)).not.toContain(secret);
  }
});

it("--exec gets hostile names as they are, and they do nothing", async () => {
  const session = growingSession(r2, "s $(touch a) `touch b`", scene);
  const names = ["$(touch c).ply", "; touch d;.ply", "'quoted' & touch e.ply", "%PATH% ~.ply"];
  for (const name of names) {
    await session.chunk(undefined, { name, key: `scenes/${scene}/${session.id}/${name}` });
  }
  await session.publish("complete");
  const command = 'printf "%s\\n" "$SPLAT_CHUNK_NAME" >> names; cat "$SPLAT_CHUNK_PATH" >> contents';
  const watching = watch(["--exec", command]);
  expect(await watching.ended).toBe(0);
  expect(linesOf(await readFile(join(dir, "names"), "utf8"))).toEqual(names);
  expect(await readFile(join(dir, "contents"), "utf8")).toContain(`chunk 4 of ${session.id}`);
  for (const name of ["a", "b", "c", "d", "e"]) expect(existsSync(join(dir, name))).toBe(false);
});

it("a command that fails is told and counts, and the next one runs all the same, in order", async () => {
  const session = growingSession(r2, "s1", scene);
  for (let n = 1; n <= 4; n++) await session.chunk();
  await session.publish("complete");
  const command =
    "echo $SPLAT_CHUNK_INDEX >> ran; [ $SPLAT_CHUNK_INDEX = 2 ] && exit 7; [ $SPLAT_CHUNK_INDEX = 3 ] && kill -9 $$; true";
  const watching = watch(["--json", "--exec", command]);
  expect(await watching.ended).toBe(5);
  expect(await readFile(join(dir, "ran"), "utf8")).toBe("1\n2\n3\n4\n");
  expect(watching.stderr()).toContain("the command after s1/chunk_0002.ply ended with exit code 7");
  expect(watching.stderr()).toContain("the command after s1/chunk_0003.ply ended with SIGKILL");
  const events = eventsOf(watching);
  expect(events.filter(({ event }) => event === "command")).toMatchObject([
    { code: 0, signal: null },
    { code: 7, signal: null },
    { code: null, signal: "SIGKILL" },
    { code: 0, signal: null },
  ]);
  expect(events.at(-1)).toMatchObject({ event: "end", success: false, failed: [], commands_failed: 2 });
});

it("what the command prints is not on stdout", async () => {
  const session = growingSession(r2, "s1", scene);
  await session.grow();
  await session.publish("complete");
  const watching = watch(["--exec", "echo from the command"]);
  expect(await watching.ended).toBe(0);
  expect(watching.stdout()).not.toContain("from the command");
  expect(watching.stderr()).toContain("from the command\n");
});

it.each(["SIGINT", "SIGTERM"] as const)("%s is its end while it waits, and no failure", async (signal) => {
  const session = growingSession(r2, "s1", scene);
  await session.grow();
  const watching = watch(["--json"]);
  await watching.saying(/chunk_0001\.ply/);
  watching.signal(signal);
  expect(await watching.ended).toBe(0);
  expect(eventsOf(watching).at(-1)).toMatchObject({
    event: "end",
    success: true,
    complete: false,
    downloaded: 1,
  });
});

it("Ctrl-C ends the command that runs, with all that it started, and starts no other", async () => {
  const session = growingSession(r2, "s1", scene);
  await session.chunk();
  await session.grow();
  await writeFile(
    join(dir, "child.mjs"),
    `process.on("SIGINT", () => { console.error("the child was told"); process.exit(0); });
     setInterval(() => {}, 1000); console.error("the child runs");`,
  );
  const watching = watch(["--exec", "node child.mjs; echo ended"]);
  await watching.saying(/the child runs/);
  await watching.saying(/chunk_0002\.ply/);
  watching.signal("SIGINT");
  expect(await watching.ended).toBe(0);
  expect(watching.stderr()).toContain("the child was told");
  expect(watching.stderr().match(/the child runs/g)).toHaveLength(1);
});

it("names what could not be downloaded at the end, and exits with 5", async () => {
  const session = growingSession(r2, "s1", scene);
  await session.chunk(Buffer.from("good"));
  await session.chunk(Buffer.from("not what it says"), { sha256: "0".repeat(64) });
  await session.chunk(Buffer.from("good too"));
  await session.publish("complete");
  const watching = watch(["--json"]);
  expect(await watching.ended).toBe(5);
  const events = eventsOf(watching);
  expect(events.filter(({ event }) => event === "chunk").map(({ index }) => index)).toEqual([1, 3]);
  expect(events.filter(({ event }) => event === "failed")).toMatchObject([{ name: "chunk_0002.ply" }]);
  expect(events.at(-1)).toMatchObject({
    event: "end",
    success: false,
    complete: true,
    downloaded: 2,
    failed: [{ key: session.chunks[1].key }],
  });
  expect(watching.stderr()).toContain("s1/chunk_0002.ply");
});

it("refuses a folder that cannot be written, and more than one session", async () => {
  await growingSession(r2, "s1", scene).grow();
  await writeFile(join(dir, "out"), "a file");
  const refused = watch([]);
  expect(await refused.ended).toBe(2);
  const all = watch(["--session", "all"]);
  expect(await all.ended).toBe(2);
  expect(all.stderr()).toContain("one session is followed at a time");
});

it("ends when nobody reads what it prints", async () => {
  const session = growingSession(r2, "s1", scene);
  await session.grow();
  const watching = watch([]);
  await watching.saying(/chunk_0001\.ply/);
  watching.stopReading();
  await session.grow();
  expect(await watching.ended).toBe(5);
});

it.each(["", " "])("refuses %j as a command, with --json by a line that has an event", async (command) => {
  const refused = watch(["--exec", command]);
  expect(await refused.ended).toBe(2);
  expect(refused.stderr()).toBe("error: --exec is empty\n  Give the command to run after each chunk.\n");
  const asJson = watch(["--json", "--exec", command]);
  expect(await asJson.ended).toBe(2);
  expect(eventsOf(asJson)).toMatchObject([{ event: "end", success: false, error: { code: "usage" } }]);
});

it("says that a session is complete since long ago, and with --wait leaves it", async () => {
  const [old, next] = [growingSession(r2, "old", scene), growingSession(r2, "next", scene)];
  await old.chunk();
  await old.publish("complete", undefined, undefined, Date.now() / 1000 - 7200);
  const ending = watch([]);
  expect(await ending.ended).toBe(0);
  expect(ending.stderr()).toMatch(/session old: 1 chunk, complete since 2 h.* \(--wait leaves it/);
  const waiting = watch(["--wait", "--json"]);
  await waiting.saying(/session old is complete since 2 h.*: waiting for the next one/);
  await next.chunk();
  await next.publish("complete");
  expect(await waiting.ended).toBe(0);
  const told = eventsOf(waiting);
  expect(told.map(({ event }) => event)).toEqual(["skipped", "session", "chunk", "complete", "end"]);
  expect(told.at(-1)).toMatchObject({ sessions: ["next"], downloaded: 1, session_failed: false });
});
