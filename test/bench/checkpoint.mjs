/** What a checkpoint costs: the pause of training while it is taken, and reading and writing it beside the trainer. */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointFiles } from "../../dist/backend/checkpoint-files.js";
import { DEFAULT_SETTINGS } from "../../dist/backend/settings.js";
import { allocateGaussians } from "../../dist/splat/gaussians.js";
import { openEngine } from "../helpers/bench-engine.mjs";
import { untrainedState } from "../../dist/trainer/state.js";
import { Trainer } from "../../dist/trainer/train.js";

export const about =
  "pause of training for a checkpoint of 30 000 Gaussians, and its way to disk (about 5 s)";

const GAUSSIANS = 30_000;
const SH_DEGREE = 3;
const ROUNDS = 20;

const SESSION = {
  session_id: "bench",
  settings: DEFAULT_SETTINGS,
  phase: "open",
  finish_seconds: 60,
  chunk_step: 0,
  version_ceiling: 0,
  rejected_count: 0,
  psnr_train: null,
  psnr_holdout: null,
  chunks: [],
};

/** Take, write and read the same checkpoint again and again. */
export async function run(say) {
  const trainer = await filledTrainer();
  const folder = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  const times = { pause: [], write: [], blocked: [], read: [], restore: [] };
  try {
    const files = await CheckpointFiles.open(folder, say);
    for (let round = 0; round < ROUNDS; round++) {
      const state = await timed(times.pause, () => trainer.checkpoint());
      const stopWatching = watchTurns(times.blocked);
      await timed(times.write, () => files.write({ session: SESSION, trainer: state, joints: [] }));
      stopWatching();
      const back = await timed(times.read, () => files.newest());
      await timed(times.restore, () => trainer.restore(back.trainer));
    }
    const [name] = await readdir(folder);
    const { size } = await stat(join(folder, name));
    return {
      gaussians: GAUSSIANS,
      sh_degree: SH_DEGREE,
      bytes: size,
      pause_ms_p50: percentile(times.pause, 0.5),
      pause_ms_max: Math.max(...times.pause),
      write_ms_p50: percentile(times.write, 0.5),
      write_blocks_http_ms_max: Math.max(...times.blocked),
      read_ms_p50: percentile(times.read, 0.5),
      restore_ms_p50: percentile(times.restore, 0.5),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function filledTrainer() {
  const capacity = { gaussians: GAUSSIANS, shCount: (SH_DEGREE + 1) ** 2, pixels: 1 << 16, pairs: 1 << 16 };
  const settings = {
    maxGaussians: GAUSSIANS,
    shDegree: SH_DEGREE,
    background: "black",
    seed: 1,
    live: true,
    bounds: null,
    exposure: false,
  };
  const trainer = new Trainer((await openEngine({ capacity })).engine, settings);
  const gaussians = allocateGaussians(GAUSSIANS, SH_DEGREE);
  for (const values of [gaussians.means, gaussians.sh]) values.forEach((_, i) => (values[i] = Math.sin(i)));
  trainer.restore(untrainedState(gaussians));
  return trainer;
}

async function timed(times, work) {
  const start = performance.now();
  const result = await work();
  times.push(performance.now() - start);
  return result;
}

/** Between two turns of the event loop nothing else on this thread can go on. */
function watchTurns(times) {
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  return () => {
    clearInterval(timer);
    times.push(longest);
  };
}

function percentile(times, share) {
  return times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))];
}
