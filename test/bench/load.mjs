/**
 * A backend under a steady stream of uploads: 60 pictures of 640×480 a second, by a sender that waits for nobody, while
 * it trains; how long /health takes meanwhile (the server's event loop must not wait for anything), and how its memory
 * grows. `--engine gsplat` asks for the backend in Python (SPLAT_PYTHON names an interpreter that has its packages).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { makePictures } from "../helpers/noise-pictures.mjs";
import { startServe } from "../helpers/splatctl-process.mjs";

export const about = "60 uploads a second into a backend: latency of /health, memory (about 90 s)";

const HZ = 60;
const HEALTH_EVERY_MS = 50;
const PICTURES = 16;
/** Of its own, so that a health check never waits behind an upload in a queue of ours. */
const senders = new Agent({ connections: 16, pipelining: 1 });

export async function run(say, { seconds = "60", engine = "splatctl" }) {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  const python = process.env["SPLAT_PYTHON"];
  const env = python === undefined ? {} : { SPLAT_PYTHON: python };
  const server = await startServe(
    join(folder, "data"),
    engine === "splatctl" ? [] : ["--engine", engine],
    env,
  );
  try {
    const pictures = await makePictures(PICTURES);
    say(`${HZ} uploads a second for ${seconds} s ...`);
    const stopped = new AbortController();
    const watched = watchHealth(server.url, stopped.signal);
    const sent = await uploadSteadily(server.url, pictures, Number(seconds) * HZ, (memory) => say(memory));
    stopped.abort();
    const health = await watched;
    const { frame_count, rejected_count, step, steps_per_second } = await getJson(`${server.url}/status`);
    return {
      engine,
      uploads: sent.total,
      accepted: frame_count,
      busy: sent.busy,
      failed: sent.failed,
      rejected: rejected_count,
      uploads_per_second: sent.total / sent.tookS,
      upload_ms: { p50: percentile(sent.tookMs, 0.5), p99: percentile(sent.tookMs, 0.99) },
      health_requests: health.length,
      health_ms: { p50: percentile(health, 0.5), p99: percentile(health, 0.99), max: percentile(health, 1) },
      memory_mb: { start: sent.memoryMb[0], end: sent.memoryMb.at(-1), most: Math.max(...sent.memoryMb) },
      step,
      steps_per_second,
    };
  } finally {
    await server.close();
    await senders.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** One a turn, whether the last is through or not. */
async function uploadSteadily(url, pictures, total, say) {
  const result = { total, busy: 0, failed: 0, tookMs: [], tookS: 0, memoryMb: [] };
  const underWay = new Set();
  const startMs = performance.now();
  for (let i = 0; i < total; i++) {
    const waitMs = startMs + (i * 1000) / HZ - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    const one = upload(url, pictures[i % pictures.length], i, result).finally(() => underWay.delete(one));
    underWay.add(one);
    if (i % (HZ * 10) === 0) {
      const { memory_bytes, frame_count } = await getJson(`${url}/status`);
      result.memoryMb.push(Math.round(memory_bytes / 1e6));
      say(`${frame_count} accepted, ${result.memoryMb.at(-1)} MB`);
    }
  }
  await Promise.all(underWay);
  result.tookS = (performance.now() - startMs) / 1000;
  return result;
}

async function upload(url, picture, n, result) {
  const angle = 0.4 * Math.sin(n / 20);
  const form = new FormData();
  // Pictures differ in what follows the end marker.
  form.set("file", new Blob([picture, String(n).padStart(8, "0")]), "frame.jpg");
  form.set("meta", JSON.stringify({ frame_id: `f${n}`, joint_angles: [angle, -0.6, 0.6, 0.9, 0, 0.3] }));
  const startMs = performance.now();
  try {
    const answer = await fetch(`${url}/upload-frame`, { method: "POST", body: form, dispatcher: senders });
    await answer.arrayBuffer();
    result.tookMs.push(performance.now() - startMs);
    if (answer.status === 429) result.busy++;
    else if (!answer.ok) result.failed++;
  } catch {
    result.failed++;
  }
}

async function watchHealth(url, signal) {
  const tookMs = [];
  while (!signal.aborted) {
    const startMs = performance.now();
    await getJson(`${url}/health`);
    tookMs.push(performance.now() - startMs);
    await sleep(HEALTH_EVERY_MS);
  }
  return tookMs;
}

async function getJson(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return await response.json();
}

function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
}
