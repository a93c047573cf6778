/**
 * Posed data sets for benchmarks: those beside this checkout (../shared/data), which are no part of it, and where there
 * are none a simulated one.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { DEFAULT_CAMERA_MOUNT } from "../../dist/robot/so101.js";
import { renderTabletop } from "../../dist/sim/raytrace.js";
import { armTrajectory } from "../../dist/sim/trajectory.js";
import { wristCamera, wristIntrinsics } from "../../dist/sim/wrist-camera.js";
import { poseOf } from "../../dist/trainer/camera.js";

const DATA = fileURLToPath(new URL("../../../shared/data", import.meta.url));
export const SIMULATED = "simulated";
const FRAMES = 80;
const LENS = wristIntrinsics(240, 180);
/** One frame in so many is held out where nothing else is said. */
const HOLDOUT_EVERY = 8;

/** Those of `names` that are there, as [{ name, folder }]. */
export function existingScenes(names) {
  return names
    .filter((name) => existsSync(join(DATA, name, "transforms.json")))
    .map((name) => ({ name, folder: join(DATA, name) }));
}

/** Those of `names` that are there, as [{ name, folder }]; if none is, a simulated scene, written into `scratch`. */
export async function posedScenes(names, scratch, say) {
  const present = names.filter((name) => existsSync(join(DATA, name, "transforms.json")));
  for (const name of names) {
    if (name !== SIMULATED && !present.includes(name)) say(`not there: ../shared/data/${name}`);
  }
  const scenes = present.map((name) => ({ name, folder: join(DATA, name) }));
  if (scenes.length > 0 && !names.includes(SIMULATED)) return scenes;
  const folder = join(scratch, SIMULATED);
  say(`tracing ${FRAMES} simulated frames ...`);
  await simulate(folder);
  return [...scenes, { name: SIMULATED, folder }];
}

/** A scan of the simulated table as a data set with a test split. */
async function simulate(folder) {
  await mkdir(folder, { recursive: true });
  const { width, height, fx, fy, cx, cy } = LENS;
  const frames = [];
  for (const [i, joints] of armTrajectory(FRAMES).entries()) {
    const camera = wristCamera(joints, LENS, DEFAULT_CAMERA_MOUNT);
    const file_path = `${String(i + 1).padStart(4, "0")}.png`;
    await sharp(renderTabletop(camera), { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(folder, file_path));
    frames.push({ file_path, transform_matrix: rowsOf(poseOf(camera)) });
  }
  const lens = { w: width, h: height, fl_x: fx, fl_y: fy, cx, cy };
  await writeTransforms(folder, { ...lens, ...splitOf(frames), frames });
}

/**
 * The training views of a scene alone, every eighth of them held out: for choosing settings, which must not look at the
 * test views. Written to `scratch`; images stay where they are.
 */
export async function heldBack({ name, folder }, scratch) {
  const transforms = JSON.parse(await readFile(join(folder, "transforms.json"), "utf8"));
  const train = new Set(transforms.train_filenames);
  const absolute = (path) => (path === undefined || isAbsolute(path) ? path : join(folder, path));
  const frames = transforms.frames
    .filter(({ file_path }) => train.has(file_path))
    .map((frame) => ({ ...frame, file_path: absolute(frame.file_path) }));
  const points = absolute(transforms.ply_file_path);
  const own = join(scratch, `${name}-held-back`);
  await mkdir(own, { recursive: true });
  const { val_filenames: _, ...lens } = transforms;
  await writeTransforms(own, { ...lens, ply_file_path: points, ...splitOf(frames), frames });
  return { name: `${name} (held back)`, folder: own };
}

function splitOf(frames) {
  const isTest = (_, i) => i % HOLDOUT_EVERY === HOLDOUT_EVERY - 1;
  const names = frames.map(({ file_path }) => file_path);
  return {
    train_filenames: names.filter((...each) => !isTest(...each)),
    test_filenames: names.filter(isTest),
  };
}

/** Sixteen numbers, row-major → four rows. */
export function rowsOf(matrix) {
  return [0, 4, 8, 12].map((start) => matrix.slice(start, start + 4));
}

async function writeTransforms(folder, transforms) {
  await writeFile(join(folder, "transforms.json"), JSON.stringify(transforms));
}
