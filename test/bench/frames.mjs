/**
 * Thousands of frames within a budget: what the process takes, how evenly frames are trained, and whether training waits
 * for pictures. Once at the size that frames have by default, where steps are slow; once small, where exchanges come fast.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { decodeImage, measureImage } from "../../dist/backend/image.js";
import { PictureMemory } from "../../dist/backend/picture-memory.js";
import { startTraining } from "../../dist/backend/trainer-thread.js";
import { DEFAULT_CAMERA_MOUNT } from "../../dist/robot/so101.js";
import { renderTabletop } from "../../dist/sim/raytrace.js";
import { TABLETOP_BOUNDS } from "../../dist/sim/tabletop.js";
import { armTrajectory } from "../../dist/sim/trajectory.js";
import { wristCamera, wristIntrinsics } from "../../dist/sim/wrist-camera.js";
import { cameraFromPose, poseOf } from "../../dist/trainer/camera.js";

export const about = "2 000 frames within a budget of memory: RSS, waits, steps per frame (about 80 s)";

const FRAMES = 2000;
/** Pictures are traced for so many places, at a quarter of the size: tracing is not what is measured. */
const PLACES = 100;
const WIDTH = 480;
const HEIGHT = 360;
const GAUSSIANS = 5000;
const MIB = 2 ** 20;

const CASES = [
  { name: "large", maxPixels: 131_072, budgetMib: 128, seconds: 30 },
  { name: "small", maxPixels: 80 * 60, budgetMib: 4, seconds: 30 },
];

/** Write the pictures, train on them in both sizes. */
export async function run(say) {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  try {
    say(`writing ${FRAMES} pictures of ${WIDTH}×${HEIGHT}`);
    const frames = await writeFrames(folder);
    const figures = { frames: FRAMES, gaussians: GAUSSIANS, threads: availableParallelism() };
    for (const each of CASES) {
      const result = await train(frames, each);
      say(`${each.name}: ${JSON.stringify(result)}`);
      for (const [key, value] of Object.entries(result)) figures[`${each.name}_${key}`] = value;
    }
    return figures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeFrames(folder) {
  const intrinsics = wristIntrinsics(WIDTH, HEIGHT);
  const { fx, fy, cx, cy } = intrinsics;
  const lens = { model: "PINHOLE", w: WIDTH, h: HEIGHT, fl_x: fx, fl_y: fy, cx, cy };
  const camera = { ...lens, k1: 0, k2: 0, p1: 0, p2: 0 };
  const small = { width: WIDTH / 4, height: HEIGHT / 4 };
  const frames = [];
  for (const joints of armTrajectory(PLACES)) {
    const traced = renderTabletop(
      wristCamera(joints, wristIntrinsics(small.width, small.height), DEFAULT_CAMERA_MOUNT),
    );
    const bytes = await sharp(traced, { raw: { ...small, channels: 3 } })
      .resize(WIDTH, HEIGHT)
      .jpeg({ quality: 90 })
      .toBuffer();
    const pose = poseOf(wristCamera(joints, intrinsics, DEFAULT_CAMERA_MOUNT));
    for (let copy = 0; copy < FRAMES / PLACES; copy++) {
      const path = join(folder, `${frames.length + 1}.jpg`);
      await writeFile(path, bytes);
      frames.push({ path, pose, camera });
    }
  }
  return frames;
}

async function train(frames, { maxPixels, budgetMib, seconds }) {
  const pictures = new PictureMemory();
  let reads = 0;
  let last = null;
  let held = 0;
  let firstWaitMs = null;
  const decode = async (index) => {
    const { path, camera } = frames[index - 1];
    return await decodeImage(await readFile(path), camera, maxPixels, pictures);
  };
  const settings = {
    threads: availableParallelism(),
    maxGaussians: GAUSSIANS,
    shDegree: 1,
    background: "black",
    seed: 1,
    live: false,
    bounds: { min: TABLETOP_BOUNDS.min_m, max: TABLETOP_BOUNDS.max_m },
    frameBytes: budgetMib * MIB,
  };
  let ended;
  const end = new Promise((resolve) => (ended = resolve));
  const onEvent = (event) => {
    if (event.type === "progress") {
      if (event.step > 0) firstWaitMs ??= event.pictureWaitMs;
      last = event;
      held = Math.max(held, event.pictureBytes);
    }
    if (event.type === "finished" || event.type === "failed") ended(event);
  };
  const rssBefore = process.memoryUsage.rss();
  const training = await startTraining(settings, onEvent, {
    read: (index) => {
      reads++;
      return decode(index);
    },
    letGo: (pixels) => pictures.give(pixels),
  });
  const rss = [];
  const watch = setInterval(() => rss.push(process.memoryUsage.rss()), 100);
  try {
    for (const [position, { path, pose, camera }] of frames.entries()) {
      const intrinsics = await measureImage(await readFile(path), camera, maxPixels);
      training.addFrame({ index: position + 1, camera: cameraFromPose(intrinsics, pose), holdout: false });
    }
    training.finish({ deadlineS: Date.now() / 1000 + seconds });
    const { step } = await end;
    const steps = (await training.checkpoint()).frames.map((frame) => frame.steps);
    const { width, height } = (await decode(1)).intrinsics;
    const half = rss.slice(Math.floor(rss.length / 2));
    return {
      size: `${width}x${height}`,
      decoded_all_mib: (FRAMES * width * height * 4) / MIB,
      budget_mib: budgetMib,
      held_peak_mib: held / MIB,
      arrays_mib: (last.memoryBytes - last.pictureBytes) / MIB,
      rss_before_mib: rssBefore / MIB,
      rss_peak_mib: Math.max(...rss) / MIB,
      rss_growth_second_half_mib: (Math.max(...half) - half[0]) / MIB,
      steps: step,
      steps_per_second: step / seconds,
      reads,
      // At first the budget is filled; from then on pictures are asked for ahead.
      waited_at_first_s: firstWaitMs / 1000,
      waited_later_s: (last.pictureWaitMs - firstWaitMs) / 1000,
      frames_seen: steps.filter((count) => count > 0).length,
      steps_min: Math.min(...steps),
      steps_max: Math.max(...steps),
    };
  } finally {
    clearInterval(watch);
    await training.close();
  }
}
