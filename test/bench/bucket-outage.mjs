/**
 * A capture of 12 chunks while the bucket fails one request in five and is gone for a minute: what arrives, when, and
 * whether status.json ever named what was not there. The bucket is Cloudflare's simulator behind a faulty proxy; an S3
 * client of its own looks on. The trainer is scripted: this is about the road, not the scene.
 */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { compile } from "../helpers/compile.mjs";

export const about =
  "12 chunks into a bucket that fails one request in five and is gone for a minute (about 2 min)";

const CHUNKS = 12;
const FRAMES_PER_CHUNK = 2;
const FRAME_EVERY_MS = 4000;
const OUTAGE_FROM_MS = 12_000;
const OUTAGE_MS = 60_000;
const GIVE_UP_MS = 120_000;
const FILES = [
  "src/backend/open-backend.ts",
  "src/api/client.ts",
  "src/remote/r2.ts",
  "src/log.ts",
  "test/helpers/bucket-observer.ts",
  "test/helpers/fault-proxy.ts",
  "test/helpers/r2.ts",
  "test/helpers/scripted-training.ts",
];

/** Capture, break, and count what came through. */
export async function run(say) {
  const compiled = compile(FILES);
  const ends = [async () => compiled.remove()];
  try {
    const parts = Object.assign({}, ...(await Promise.all(FILES.map((file) => compiled.load(file)))));
    return await capture(parts, ends, say);
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

async function capture(parts, ends, say) {
  const r2 = await parts.startR2();
  ends.push(() => r2.close());
  const proxy = await parts.startFaultProxy(r2.origin, parts.seededFaults(1, 0.2, faults()));
  ends.push(() => proxy.close());
  const observer = parts.observeBucket(r2);
  ends.push(() => observer.close());
  const dataDir = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  ends.push(() => rm(dataDir, { recursive: true, force: true }));
  const backend = await parts.openBackend({
    dataDir,
    port: 0,
    log: parts.createLog("quiet"),
    startTraining: parts.scriptedTrainer({ gaussiansPerFrame: 5000 }).start,
    bucket: await parts.openBucket(r2.settings(proxy.url)),
  });
  ends.push(() => backend.close());
  const client = parts.createClient({ url: backend.url });
  await client.putScene({ chunk_every: FRAMES_PER_CHUNK });

  let isAway = false;
  const outage = breakFor(proxy, say, (away) => {
    isAway = away;
  });
  const uploadMs = await sendFrames(client, () => isAway, say);
  const stoppedMs = await timed(() => client.stop(1));
  await outage;
  const arrivedMs = await timed(() => untilArrived(observer));
  await observer.close();
  return {
    ...(await verdict(client, r2)),
    broken_promises: observer.broken.length,
    looks: observer.looks,
    requests: proxy.seen.length,
    faults: proxy.seen.filter(({ fault }) => fault !== null).length,
    outage_s: OUTAGE_MS / 1000,
    upload_p50_ms: uploadMs.there,
    upload_p50_away_ratio: uploadMs.away / uploadMs.there,
    stop_ms: stoppedMs,
    arrived_after_stop_s: arrivedMs / 1000,
  };
}

function faults() {
  return [
    { kind: "refuse" },
    { kind: "reset", side: "request", atByte: 1000 },
    { kind: "reset", side: "response", atByte: 0 },
    { kind: "corrupt", side: "request", atByte: 500 },
    { kind: "duplicate" },
    { kind: "slow", side: "request", bytesPerS: 2_000_000 },
    { kind: "answer", status: 503, retryAfterS: 1 },
    { kind: "answer", status: 429 },
    { kind: "answer", status: 500 },
  ];
}

async function breakFor(proxy, say, tell) {
  await sleep(OUTAGE_FROM_MS);
  say(`the bucket goes away for ${OUTAGE_MS / 1000} s`);
  tell(true);
  await proxy.down();
  await sleep(OUTAGE_MS);
  await proxy.up();
  tell(false);
  say("the bucket is back");
}

/** @returns median time of an upload, ms, with the bucket there and while it is gone, which must not show. */
async function sendFrames(client, isAway, say) {
  const times = { there: [], away: [] };
  for (let frame = 1; frame <= CHUNKS * FRAMES_PER_CHUNK; frame++) {
    const bytes = await picture(frame);
    const startMs = performance.now();
    await client.uploadFrame({ bytes, mediaType: "image/jpeg", name: "f.jpg" }, { frame_id: `f${frame}` });
    (isAway() ? times.away : times.there).push(performance.now() - startMs);
    if (frame % 6 === 0) {
      const { chunks, chunks_uploaded, last_error } = await client.status();
      say(
        `${frame} frames, ${chunks.length} chunks, ${chunks_uploaded} in the bucket; ${last_error ?? "no error"}`,
      );
    }
    await sleep(FRAME_EVERY_MS);
  }
  return { there: median(times.there), away: median(times.away) };
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function untilArrived(observer) {
  const endMs = performance.now() + GIVE_UP_MS;
  while ((await observer.status())?.complete !== true) {
    if (performance.now() > endMs) throw new Error("the bucket's status.json never became complete");
    await sleep(100);
  }
}

async function verdict(client, r2) {
  const { chunks } = await client.status();
  let wrong = 0;
  for (const { key, sha256 } of chunks) {
    const bytes = await r2.get(key);
    if (bytes === null || createHash("sha256").update(bytes).digest("hex") !== sha256) wrong++;
  }
  return { chunks: chunks.length, missing_or_wrong: wrong };
}

async function timed(work) {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

async function picture(shade) {
  const background = { r: (shade * 37) % 256, g: (shade * 91) % 256, b: 90 };
  return await sharp({ create: { width: 64, height: 48, channels: 3, background } })
    .jpeg()
    .toBuffer();
}
