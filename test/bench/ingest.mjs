/**
 * How fast pictures get from a folder into a backend that trains at the same time: at a camera's rate, how long from the
 * file being complete to the frame being accepted; and how many a second are taken when more come. Real program, real
 * folder, 640×480 JPEGs; backend and capture are processes of their own.
 */
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makePictures } from "../helpers/noise-pictures.mjs";
import { startCapture, startServe } from "../helpers/splatctl-process.mjs";

export const about = "from a folder to accepted by a backend that trains: latency and rate (about 70 s)";

/** What the folder watcher waits to see that a file does not grow any more (src/capture/folder.ts). */
const SETTLE_MS = 50;
const CAMERA = { hz: 30, seconds: 20 };
const FLOOD = { hz: 75, seconds: 20 };
/** Pictures differ in what follows the end marker, and a few truly, so that there is something to learn. */
const SCENES = 16;

/** Serve, capture at two rates, and end what was started. */
export async function run(say) {
  const root = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  const server = await startServe(join(root, "data"));
  try {
    const pictures = await makePictures(SCENES);
    const camera = await phase(server.url, join(root, "camera"), pictures, { ...CAMERA, say });
    const flood = await phase(server.url, join(root, "flood"), pictures, { ...FLOOD, say });
    return {
      frames_per_second: flood.framesPerSecond,
      accepted_ms: camera.acceptedMs,
      lost: camera.lost + flood.lost,
      settle_ms: SETTLE_MS,
      beyond_settle_ms: camera.acceptedMs.p50 - SETTLE_MS,
      flood_accepted_ms: flood.acceptedMs,
      frame_bytes: pictures[0].length,
      steps_per_second: camera.stepsPerSecond,
      steps_per_second_in_flood: flood.stepsPerSecond,
    };
  } finally {
    await server.close();
    await rm(root, { recursive: true, force: true });
  }
}

/** Write pictures at a rate for a while, and wait until the backend has all of them. */
async function phase(url, folder, pictures, { hz, seconds, say }) {
  await mkdir(folder);
  const capture = startCapture(folder, url, ["--spool", `${folder}-spool`]);
  try {
    say(`${hz} pictures a second for ${seconds} s ...`);
    await write(folder, pictures, 0, SCENES, hz); // it trains from here on
    await until(url, ({ frame_count, step }) => frame_count === SCENES && step > 0);
    await send(`${url}/reset`);
    const before = await status(url);
    const startMs = performance.now();
    const total = Math.round(hz * seconds);
    await write(folder, pictures, SCENES, total, hz);
    const end = await until(url, ({ frame_count, rejected_count }) => frame_count + rejected_count >= total);
    const tookS = (performance.now() - startMs) / 1000;
    const frames = (await getJson(`${url}/frames`)).frames.filter(({ accepted }) => accepted);
    const stepsPerSecond = (end.step - before.step) / (end.updated_at - before.updated_at);
    await send(`${url}/reset`);
    return {
      framesPerSecond: total / tookS,
      acceptedMs: end.latency_ms.accepted,
      lost: total - new Set(frames.map(({ frame_id }) => frame_id)).size,
      stepsPerSecond,
    };
  } finally {
    await capture.close();
  }
}

/** Joints in a sidecar, so that each is placed; then the picture under its final name. */
async function write(folder, pictures, from, count, hz) {
  const startMs = performance.now();
  const writing = new Set();
  for (let i = 0; i < count; i++) {
    const waitMs = startMs + (i * 1000) / hz - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    const one = writeOne(folder, pictures[i % pictures.length], from + i).finally(() => writing.delete(one));
    writing.add(one);
  }
  await Promise.all(writing);
}

async function writeOne(folder, picture, n) {
  const path = join(folder, `frame_${String(n).padStart(5, "0")}`);
  const angle = 0.4 * Math.sin(n / 20);
  await writeFile(`${path}.json`, JSON.stringify({ joint_angles: [angle, -0.6, 0.6, 0.9, 0, 0.3] }));
  await writeFile(`${path}.part`, Buffer.concat([picture, Buffer.from(String(n).padStart(8, "0"))]));
  await rename(`${path}.part`, `${path}.jpg`);
}

async function until(url, isReached) {
  for (;;) {
    const now = await status(url);
    if (isReached(now)) return now;
    await sleep(50);
  }
}

const status = (url) => getJson(`${url}/status`);

async function getJson(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return await response.json();
}

async function send(url) {
  const response = await fetch(url, { method: "POST" });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}
