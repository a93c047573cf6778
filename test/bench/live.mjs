/**
 * What training while frames arrive costs: the training frames of a data set go over HTTP to a backend, five a second,
 * with their poses; held-out views are scored from the scenes that can be pulled meanwhile; the capture is stopped so
 * that its final scene is written --seconds after the first frame, --finish-seconds of them (60) for finishing. Then the
 * same data set is trained offline for as long. Both as they come: no setting but the background, which follows from the
 * images, as it does offline.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../../dist/api/client.js";
import { decodeImage, imageTypeOf } from "../../dist/backend/image.js";
import { readDataset } from "../../dist/capture/dataset.js";
import { decodePly } from "../../dist/splat/ply-read.js";
import { cameraFromPose } from "../../dist/trainer/camera.js";
import { untrainedState } from "../../dist/trainer/state.js";
import { Trainer } from "../../dist/trainer/train.js";
import { openEngine } from "../helpers/bench-engine.mjs";
import { posedScenes, rowsOf } from "../helpers/posed-scenes.mjs";
import { runForJson, startServe } from "../helpers/splatctl-process.mjs";

export const about = "quality of a live capture beside offline training of the same length (about 7 min)";

const SCENE = "chair_200";
const SECONDS = "180";
const FRAME_EVERY_MS = 200;
/** Scoring while the backend trains takes time from it, so it is seldom and of few views. */
const LOOK_EVERY_MS = 20_000;
const LOOKS_AT = 10;
/** The backend's own default; at most half of the whole is taken. */
const FINISH_S = "60";
/** Between the last step and the final scene on disk. */
const WRITING_S = 1;
const MAX_PIXELS = 131_072;

/** Live, then offline. */
export async function run(say, choices) {
  const { scene = SCENE, seconds = SECONDS, "finish-seconds": finish = FINISH_S } = choices;
  const scratch = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  try {
    const [{ name, folder }] = await posedScenes([scene], scratch, say);
    const dataset = await readDataset(folder);
    const tests = await loadViews(
      dataset,
      dataset.frames.filter(({ holdout }) => holdout),
    );
    const looks = tests.filter((_, i) => i % Math.ceil(tests.length / LOOKS_AT) === 0);
    const live = await capture(
      { dataset, looks, seconds: Number(seconds), finishS: Number(finish), scratch },
      say,
    );
    const final = await score(live.ply, dataset, tests);
    say(`live: ${final.psnr.toFixed(2)} dB; now offline ...`);
    const output = join(scratch, "offline.ply");
    const offline = await runForJson(["train", folder, "--eval", "--seconds", seconds, "-o", output]);
    const rescored = await score(await readFile(output), dataset, tests);
    return {
      scene: name,
      seconds: Number(seconds),
      ...live.figures,
      test_views: tests.length,
      live_psnr: final.psnr,
      live_ssim: final.ssim,
      live_gaussians: final.gaussians,
      offline_steps: offline.steps,
      offline_psnr: offline.psnr,
      offline_ssim: offline.ssim,
      offline_gaussians: offline.gaussians,
      // The same scorer on both: what it says of the offline scene must be what `train` said.
      scorers_differ_by: rescored.psnr - offline.psnr,
      live_costs_db: rescored.psnr - final.psnr,
      held_out_over_time: live.rows,
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Send, look, stop; resolves to the final scene's bytes and what was seen on the way. */
async function capture({ dataset, looks, seconds, finishS, scratch }, say) {
  const server = await startServe(join(scratch, "data"));
  try {
    const client = createClient({ url: server.url });
    await client.putScene({ camera: dataset.camera, background: backgroundOf(dataset) });
    const train = dataset.frames.filter(({ holdout }) => !holdout);
    const startMs = performance.now();
    const elapsedS = () => (performance.now() - startMs) / 1000;
    const stopAtS = Math.max(seconds - finishS, seconds / 2);
    const ended = new AbortController();
    const watched = watch({ client, dataset, looks, elapsedS, signal: ended.signal }, say);
    watched.catch(() => undefined); // awaited below
    const sentS = await send(client, train, elapsedS);
    say(`${train.length} frames sent in ${sentS.toFixed(1)} s`);
    await sleep(Math.max(0, 1000 * (stopAtS - elapsedS())));
    const live = await client.status();
    const stoppedS = elapsedS();
    await client.stop({ finishSeconds: Math.max(0, seconds - stoppedS - WRITING_S) });
    const status = await untilComplete(client);
    const writtenS = elapsedS();
    ended.abort();
    const rows = await watched;
    say(`stopped after ${stoppedS.toFixed(1)} s, final scene after ${writtenS.toFixed(1)} s`);
    return {
      ply: await pull(client),
      rows,
      figures: {
        frames: train.length,
        sent_s: sentS,
        stopped_s: stoppedS,
        written_s: writtenS,
        live_steps: live.step,
        finishing_steps: status.step - live.step,
        live_psnr_train: status.psnr_train,
      },
    };
  } finally {
    await server.close();
  }
}

/** Five a second, or as fast as the backend takes them. Resolves to how long it took, seconds. */
async function send(client, frames, elapsedS) {
  for (const [i, { path, name, cameraToWorld, camera }] of frames.entries()) {
    if (camera !== null) throw new Error(`${name} has a lens of its own, which a live capture has not`);
    const bytes = await readFile(path);
    await sleep(Math.max(0, i * FRAME_EVERY_MS - 1000 * elapsedS()));
    const meta = { frame_id: name, camera_to_world: rowsOf(cameraToWorld) };
    const file = { bytes, mediaType: `image/${imageTypeOf(bytes)}`, name: basename(path) };
    await client.uploadFrame(file, meta);
  }
  return elapsedS();
}

/** Score what can be pulled, now and then, until the signal. */
async function watch({ client, dataset, looks, elapsedS, signal }, say) {
  const rows = [];
  for (let turn = 1; ; turn++) {
    const waitMs = Math.max(0, turn * LOOK_EVERY_MS - 1000 * elapsedS());
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return rows;
    const seconds = elapsedS();
    const { state, frame_count: frames, step, steps_per_second, psnr_train } = await client.status();
    const ply = await pull(client);
    if (ply === null) continue;
    const { psnr, gaussians } = await score(ply, dataset, looks);
    rows.push({ seconds, state, frames, gaussians, step, steps_per_second, psnr_train, psnr });
    say(`${seconds.toFixed(0)} s: ${state}, ${frames} frames, ${step} steps, ${psnr.toFixed(2)} dB held out`);
  }
}

async function untilComplete(client) {
  for (;;) {
    const status = await client.status();
    if (status.state === "complete") return status;
    if (status.state === "failed") throw new Error(`the backend failed: ${status.last_error}`);
    await sleep(50);
  }
}

/** The scene's bytes; null while there is none. */
async function pull(client) {
  const answer = await client.getSplat();
  if (answer.kind !== "scene") return null;
  const pieces = [];
  for await (const piece of answer.body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Decoded as the backend would. */
async function loadViews(dataset, frames) {
  return Promise.all(
    frames.map(async ({ path, camera, cameraToWorld }, i) => {
      const lens = camera ?? dataset.camera;
      const { intrinsics, rgba, mask } = await decodeImage(await readFile(path), lens, MAX_PIXELS);
      return { index: i + 1, camera: cameraFromPose(intrinsics, cameraToWorld), rgba, mask, holdout: true };
    }),
  );
}

/** Means over `views` of the scene in a PLY. */
async function score(ply, dataset, views) {
  const gaussians = decodePly(ply);
  const { shDegree, count } = gaussians;
  const { engine, close } = await openEngine({
    capacity: { gaussians: count, shCount: (shDegree + 1) ** 2 },
  });
  try {
    const background = backgroundOf(dataset);
    const settings = { maxGaussians: count, shDegree, background, seed: 1, live: false, bounds: null };
    const trainer = new Trainer(engine, settings);
    for (const view of views) trainer.addFrame(view);
    trainer.restore(untrainedState(gaussians));
    const scores = views.map(({ index }) => trainer.score(index));
    const mean = (key) => scores.reduce((sum, each) => sum + each[key], 0) / scores.length;
    return { psnr: mean("psnr"), ssim: mean("ssim"), gaussians: count };
  } finally {
    close();
  }
}

function backgroundOf({ hasAlpha }) {
  return hasAlpha ? "white" : "black";
}
