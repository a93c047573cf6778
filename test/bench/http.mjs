/**
 * How long HTTP answers take while the embedded backend trains at full load, beside how long they take when it
 * rests: the server must not wait for the trainer. Frames are simulated; the server is a process of its own.
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_CAMERA_MOUNT } from "../../dist/robot/so101.js";
import { writeSimulatedCapture } from "../../dist/sim/capture.js";
import { TABLETOP_BOUNDS } from "../../dist/sim/tabletop.js";
import { wristIntrinsics } from "../../dist/sim/wrist-camera.js";
import { startServe } from "../helpers/splatctl-process.mjs";

export const about = "latency of /health and /get-ply while training at full load (about 40 s)";

const FRAMES = 40;
const LENS = wristIntrinsics(320, 240);
const IDLE_S = 5;
const LOADED_S = 20;

/** Serve, upload, measure, and end what was started. */
export async function run(say) {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  let server = null;
  try {
    server = await startServe(join(folder, "data"));
    const { url } = server;
    say(`measuring at rest for ${IDLE_S} s ...`);
    const idle = await measure(url, IDLE_S);
    say(`uploading ${FRAMES} simulated frames ...`);
    await upload(url, join(folder, "frames"));
    await untilGaussians(url);
    say(`measuring under training for ${LOADED_S} s ...`);
    const before = await getJson(`${url}/status`);
    const loaded = await measure(url, LOADED_S);
    const after = await getJson(`${url}/status`);
    return {
      frames: after.frame_count,
      gaussians: after.gaussian_count,
      threads: after.engine.threads,
      steps_per_second: (after.step - before.step) / (after.updated_at - before.updated_at),
      health_requests: loaded.health.length,
      health_p50_ms: percentile(loaded.health, 0.5),
      health_p99_ms: percentile(loaded.health, 0.99),
      health_p99_idle_ms: percentile(idle.health, 0.99),
      ply_requests: loaded.ply.length,
      ply_bytes: loaded.plyBytes,
      ply_p50_ms: percentile(loaded.ply, 0.5),
      ply_p99_ms: percentile(loaded.ply, 0.99),
    };
  } finally {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function untilGaussians(url) {
  while ((await getJson(`${url}/status`)).gaussian_count === 0) await sleep(100);
}

async function getJson(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return await response.json();
}

/** A scan by the simulated arm, sent with the joints of each picture. */
async function upload(url, folder) {
  const { width: w, height: h, fx: fl_x, fy: fl_y, cx, cy } = LENS;
  const camera = { model: "PINHOLE", w, h, fl_x, fl_y, cx, cy };
  await send(`${url}/scene`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ camera, bounds: TABLETOP_BOUNDS }),
  });
  await mkdir(folder);
  await writeSimulatedCapture(folder, {
    frames: FRAMES,
    intrinsics: LENS,
    mount: DEFAULT_CAMERA_MOUNT,
    everyMs: 0,
  });
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".png")).sort()) {
    const { joint_angles } = JSON.parse(await readFile(join(folder, name.replace(".png", ".json")), "utf8"));
    const form = new FormData();
    form.set("file", new Blob([await readFile(join(folder, name))], { type: "image/png" }), name);
    form.set("meta", JSON.stringify({ frame_id: name, joint_angles }));
    await send(`${url}/upload-frame`, { method: "POST", body: form });
  }
}

/** Send, waiting as long as a full queue asks. */
async function send(url, init) {
  for (;;) {
    const response = await fetch(url, init);
    const text = await response.text();
    if (response.ok) return;
    if (response.status !== 429) throw new Error(`${url} answered ${response.status}: ${text}`);
    await sleep(Number(response.headers.get("retry-after") ?? 1) * 1000);
  }
}

/** Ask for `seconds`: /health all the time with 20 ms between, /get-ply once a second, both timed to the last byte. */
async function measure(url, seconds) {
  const end = performance.now() + seconds * 1000;
  const health = [];
  const ply = [];
  let plyBytes = 0;
  const askEvery = async (path, pauseMs, times, onBody) => {
    while (performance.now() < end) {
      const start = performance.now();
      const response = await fetch(url + path);
      const body = await response.arrayBuffer();
      if (!response.ok) throw new Error(`${path} answered ${response.status} under load`);
      times.push(performance.now() - start);
      onBody(body);
      await sleep(pauseMs);
    }
  };
  await Promise.all([
    askEvery("/health", 20, health, () => {}),
    askEvery("/get-ply", 1000, ply, (body) => (plyBytes = body.byteLength)),
  ]);
  return { health, ply, plyBytes };
}

function percentile(times, share) {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
