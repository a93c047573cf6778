/**
 * A whole session with real processes: a backend that trains and uploads, a capture that feeds it, a watch that follows,
 * and between all of them and the bucket a network where one request in five goes wrong.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { DEFAULT_CAMERA_MOUNT } from "../../src/robot/so101.ts";
import { writeSimulatedCapture } from "../../src/sim/capture.ts";
import { wristIntrinsics } from "../../src/sim/wrist-camera.ts";
import { sleep } from "../../src/time.ts";
import { startFaultProxy, type Fault, type FaultPlan } from "../helpers/fault-proxy.ts";
import { tempFolder } from "../helpers/pictures.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";
import { runCli } from "../helpers/run-cli.ts";
import { seededRandom } from "../helpers/random.ts";
import { bucketEnvironment, startCli } from "../helpers/start-cli.ts";

const FRAMES = 72;
const FRAMES_PER_CHUNK = 4;
const FAULTS: readonly Fault[] = [
  { kind: "answer", status: 503 },
  { kind: "answer", status: 429, retryAfterS: 0 },
  { kind: "reset", side: "response", atByte: 300 },
  { kind: "reset", side: "request", atByte: 2000 },
  { kind: "truncate", atByte: 200 },
  { kind: "corrupt", side: "response", atByte: 150 },
];
const BACKEND = ["--threads", "1", "--max-gaussians", "1500", "--max-pixels", "1200"];

interface Listed {
  readonly sessions: readonly {
    readonly chunks: readonly { readonly key: string; readonly bytes: number; readonly sha256: string }[];
  }[];
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

it("brings every chunk of a live session home through a bad network", async () => {
  const dir = await tempFolder();
  const r2 = await startR2();
  onTestFinished(() => r2.close());
  const proxy = await startFaultProxy(r2.origin, faultsInTurn(26, 0.2));
  onTestFinished(() => proxy.close());
  const throughFaults = { cwd: dir, env: bucketEnvironment(r2.settings(proxy.url)) };
  const direct = { cwd: dir, env: bucketEnvironment(r2.settings()) };

  const serving = startCli(["serve", "--port", "0", "--data", "data", ...BACKEND], throughFaults);
  const [, url] = await serving.saying(/listening on (http:\S+)/);
  const client = createClient({ url });
  await client.putScene({ chunk_every: FRAMES_PER_CHUNK, finish_seconds: 1 });

  const command = 'printf "%s %s\\n" "$SPLAT_CHUNK_INDEX" "$SPLAT_CHUNK_PATH" >> landed';
  const watching = startCli(["chunks", "watch", "-o", "home", "--json", "--exec", command], throughFaults);
  await mkdir(join(dir, "frames"));
  const capture = ["capture", "frames", "--no-relay", "--url", url, "--spool", "spool"];
  const capturing = startCli(capture, { cwd: dir });
  await writeSimulatedCapture(join(dir, "frames"), {
    frames: FRAMES,
    intrinsics: wristIntrinsics(40, 30),
    mount: DEFAULT_CAMERA_MOUNT,
    everyMs: 30,
  });
  while ((await client.status()).frame_count < FRAMES) await sleep(50);
  capturing.signal("SIGINT");
  expect(await capturing.ended).toBe(0);
  const stopped = await runCli(["stop", "--json", "--url", url], { cwd: dir });
  expect(stopped.code, stopped.stderr).toBe(0);
  expect(await watching.ended, watching.stderr()).toBe(0);
  serving.signal("SIGINT");
  expect(await serving.ended).toBe(0);
  const met = new Set(proxy.seen.flatMap(({ fault }) => (fault === null ? [] : [JSON.stringify(fault)])));
  expect(met.size).toBe(FAULTS.length);

  // As somebody else's S3 client reads the bucket.
  const { session_id: id } = await statusIn(r2);
  const place = `scenes/main/${id}`;
  const sums = await r2.sums();
  const keys = [...sums.keys()].filter((key) => key.startsWith(`${place}/chunk_`)).toSorted();
  expect(keys.length).toBeGreaterThanOrEqual(FRAMES / FRAMES_PER_CHUNK);

  const home = join(dir, "home", "main", id);
  const names = keys.map((key) => key.slice(place.length + 1));
  const there = (await readdir(home)).filter((name) => name.endsWith(".ply"));
  expect(there.toSorted()).toEqual(names);
  for (const name of names) {
    expect(sha256(await readFile(join(home, name)))).toBe(sums.get(`${place}/${name}`));
  }
  const checked = spawnSync("sha256sum", ["-c", "--strict", "--quiet", "SHA256SUMS"], { cwd: home });
  // Not every system has the program.
  if (checked.error === undefined) expect(checked.status, checked.stderr.toString()).toBe(0);

  // A chunk whose upload was delayed lands after younger ones.
  const told = eventsOf(watching.stdout());
  const landed = told.filter(({ event }) => event === "chunk");
  expect(landed.map(({ name }) => name).toSorted()).toEqual(names);
  const lines = landed.map(({ index, path }) => `${index} ${join(dir, path)}`);
  expect((await readFile(join(dir, "landed"), "utf8")).trimEnd().split("\n")).toEqual(lines);
  expect(told.at(-1)).toMatchObject({ event: "end", success: true, complete: true, sessions: [id] });

  expect((await runCli(["chunks", "verify", "home"], direct)).code).toBe(0);
  const listed = await runCli(["chunks", "ls", "--json"], direct);
  expect(listed.code).toBe(0);
  const { sessions } = JSON.parse(listed.stdout.toString()) as Listed;
  const chunks = sessions.flatMap((session) => session.chunks);
  expect(chunks.map(({ key }) => key).toSorted()).toEqual(keys);
  for (const chunk of chunks) {
    expect(chunk.sha256).toBe(sums.get(chunk.key));
    expect(chunk.bytes).toBe((await r2.get(chunk.key))?.length);
  }
}, 60_000);

/** So that each of them comes, however few requests there are. */
function faultsInTurn(seed: number, rate: number): FaultPlan {
  const random = seededRandom(seed);
  let next = 0;
  return () => (random() < rate ? FAULTS[next++ % FAULTS.length] : null);
}

interface Told {
  readonly event: string;
  readonly index: number;
  readonly name: string;
  readonly path: string;
}

function eventsOf(lines: string): Told[] {
  return lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Told);
}

async function statusIn(r2: LocalR2): Promise<{ session_id: string }> {
  const text = (await r2.get("scenes/main/status.json"))?.toString() ?? "";
  return JSON.parse(text) as { session_id: string };
}
