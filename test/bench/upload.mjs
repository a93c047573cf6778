/**
 * How many 640×480 JPEGs a second go from a folder to a backend, through the spool and without it, and how many the
 * spool takes by itself. The backend is a thread that reads each upload and answers at once, so that what is measured
 * is the way there. Both ways read the same folder through the same watcher and the same uploader.
 */
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { createClient } from "../../dist/api/client.js";
import { watchFolder } from "../../dist/capture/folder.js";
import { captureFrames } from "../../dist/daemon/capture-frames.js";
import { toUpload } from "../../dist/daemon/posing.js";
import { openSpool } from "../../dist/queue/open-spool.js";
import { uploadFrames } from "../../dist/queue/uploader.js";
import { DEFAULT_SETTINGS } from "../../dist/backend/settings.js";
import { makePictures } from "../helpers/noise-pictures.mjs";

export const about = "frames a second from a folder to a backend, with the spool and without (about 30 s)";

const FRAMES = 400;
const ROUNDS = 3;
const never = new AbortController().signal;

/** Make pictures, send them both ways in turn, and take the median of each. */
export async function run(say) {
  const root = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  const backend = new Worker(new URL(import.meta.url));
  try {
    const [url] = await once(backend, "message");
    const folder = join(root, "frames");
    await mkdir(folder);
    const frameBytes = await writePictures(folder);
    const rates = { direct: [], spool: [], put: [] };
    for (let round = 0; round < ROUNDS; round++) {
      say(`round ${round + 1} of ${ROUNDS}: ${FRAMES} frames of ${Math.round(frameBytes / 1000)} kB ...`);
      rates.direct.push(await direct(`${url}/direct-${round}`, folder));
      rates.spool.push(await throughSpool(`${url}/spool-${round}`, folder, join(root, `spool-${round}`)));
      rates.put.push(await putOnly(folder, join(root, `put-${round}`)));
    }
    return {
      frames: FRAMES,
      frame_bytes: Math.round(frameBytes),
      direct_frames_per_second: median(rates.direct),
      spool_frames_per_second: median(rates.spool),
      put_frames_per_second: median(rates.put),
      spool_over_direct: median(rates.spool) / median(rates.direct),
    };
  } finally {
    await backend.terminate();
    await rm(root, { recursive: true, force: true });
  }
}

/** Smooth noise compresses as a photograph does. Returns the mean size. */
async function writePictures(folder) {
  let total = 0;
  const [picture] = await makePictures(1);
  for (let n = 0; n < FRAMES; n++) {
    // What follows the end marker makes each file another frame.
    const bytes = Buffer.concat([picture, Buffer.from(String(n).padStart(8, "0"))]);
    total += bytes.length;
    await writeFile(join(folder, `${n}.jpg`), bytes);
  }
  return total / FRAMES;
}

/** Straight from the files to the backend. */
async function direct(url, folder) {
  const client = createClient({ url });
  let accepted = 0;
  const source = async function* (signal) {
    for await (const sample of watch(folder, signal)) yield toUpload(sample, undefined);
  };
  const options = { client, inFlight: 4, minIntervalMs: 0, giveUpAfterMs: 1000, drainMs: 1000 };
  const startMs = performance.now();
  const onEvent = (event) => (accepted += Number(event.kind === "accepted"));
  await uploadFrames(source, { ...options, onEvent }, never);
  return rate(accepted, startMs);
}

/** As `splatctl capture --once` does it. */
async function throughSpool(url, folder, spoolDir) {
  const listener = { onCounts: () => {}, onNote: () => {}, onWarning: () => {} };
  const startMs = performance.now();
  const { accepted } = await captureFrames(
    createClient({ url }),
    { folder, spoolDir, once: true },
    listener,
    never,
  );
  return rate(accepted, startMs);
}

/** Into the spool and no further. */
async function putOnly(folder, spoolFolder) {
  const purpose = { folder, backend: "none" };
  const options = { maxBytes: 1e10, giveUpAfterMs: 0, onWarning: () => {} };
  const spool = await openSpool(spoolFolder, purpose, options);
  let kept = 0;
  const startMs = performance.now();
  for await (const sample of watch(folder, never)) {
    await spool.put(toUpload(sample, undefined), sample.value.version, never);
    kept++;
  }
  const result = rate(kept, startMs);
  await spool.close();
  return result;
}

function watch(folder, signal) {
  const options = { once: true, accepts: () => true, onRejected: () => {}, onWarning: () => {} };
  return watchFolder(folder, options, signal);
}

function rate(frames, startMs) {
  if (frames !== FRAMES) throw new Error(`${frames} of ${FRAMES} frames arrived`);
  return (1000 * frames) / (performance.now() - startMs);
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Takes every upload; each path below the root is a backend of its own. */
function serveBackend() {
  const scenes = new Map();
  const identity = { session_id: "s", boot_id: "b" };
  const server = createServer(async (request, response) => {
    const [, scene, path] = request.url.split("/");
    const ids = scenes.get(scene) ?? new Set();
    scenes.set(scene, ids);
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const answer = { ...identity, success: true };
    if (path === "upload-frame") {
      const body = Buffer.concat(pieces);
      const meta = body.toString("latin1", body.lastIndexOf('{"frame_id"'));
      ids.add(/"frame_id":"([^"]+)"/.exec(meta)[1]);
      const frame = { frame_id: "x", duplicate: false, pose_source: "default" };
      Object.assign(answer, frame, { frame_count: ids.size, chunks_uploaded: 0 });
    } else if (path === "frames") Object.assign(answer, { frames: recordsOf(ids) });
    else Object.assign(answer, path === "scene" ? SCENE : statusOf(ids));
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  server.listen(0, "127.0.0.1", () => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, not a window
    parentPort.postMessage(`http://127.0.0.1:${server.address().port}`);
  });
}

const NOTHING_REFINED = {
  camera: null,
  camera_mount: null,
  joint_zero_offsets_rad: null,
  clock_offset_s: null,
};
const SCENE = { ...DEFAULT_SETTINGS, refined: NOTHING_REFINED };

function recordsOf(ids) {
  const frame = { captured_at: 0, pose_source: "default", camera_to_world: null, psnr: null, holdout: false };
  return [...ids].map((frame_id, i) => ({ ...frame, frame_id, index: i + 1, accepted: true, reason: null }));
}

function statusOf(ids) {
  const counts = {
    frame_count: ids.size,
    rejected_count: 0,
    gaussian_count: 0,
    step: 0,
    steps_per_second: 0,
  };
  const latency = { p50: null, p95: null };
  return {
    ...counts,
    state: "training",
    progress: 0,
    psnr_train: null,
    psnr_holdout: null,
    latency_ms: { accepted: latency, trained: latency },
    durable_through: ids.size,
    chunks_uploaded: 0,
    chunks: [],
    joint_angles: [0, 0, 0, 0, 0, 0],
    joints_age_s: 0,
    version: 0,
    engine: { name: "bench", device: "none", threads: 1 },
    memory_bytes: 0,
    warnings: [],
    last_error: null,
    updated_at: 0,
  };
}

if (!isMainThread) serveBackend();
