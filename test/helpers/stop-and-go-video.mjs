/**
 * A video of a wrist camera with truth: 30 fps, a shutter of 20 ms, a webcam's noise, on an arm that stops, goes and
 * jerks; for a while the light is out, then too bright, and the camera hangs. Each picture comes with what is wrong with it.
 */
import sharp from "sharp";
import { cameraToWorld } from "../../dist/robot/kinematics.js";
import { DEFAULT_CAMERA_MOUNT } from "../../dist/robot/so101.js";
import { pathThrough } from "../../dist/sim/arm-path.js";
import { startPictureThreads } from "../../dist/sim/picture-threads.js";
import { develop, WEBCAM_NOISE } from "../../dist/sim/sensor.js";
import { armTrajectory } from "../../dist/sim/trajectory.js";
import { wristIntrinsics } from "../../dist/sim/wrist-camera.js";
import { trueView } from "../../dist/sim/wrist-view.js";

export const VIDEO_LENS = wristIntrinsics(320, 240);
const FPS = 30;
const EXPOSURE_S = 0.02;
/** Moments within an exposure whose light is added up. */
const MOMENTS = 9;
const JPEG_QUALITY = 88;
/** Over this, of the picture's width, a picture is blurred; below half of it, it is sharp. */
const BLUR_SHARE = 0.006;

/** [until, speed]: runs of the scan per second × 30, so that 1 is 36 deg/s for the fastest joint on average. */
const SPEEDS = [
  [3, 0.5],
  [6, 0],
  [9, 0.7],
  [10.5, 3],
  [13, 0.5],
  [16, 0],
  [19, 1],
  [20, 3.5],
  [24, 0.5],
  [26, 0],
  [28, 1.8],
  [30, 0.4],
  [31, 4],
  [34, 0.6],
];
const DARK_S = [21, 22];
const BRIGHT_S = [32, 32.7];
const FROZEN_S = [17, 17.8];
const RAMP_S = 0.15;

/**
 * Pictures in order, as { timeS, bytes (JPEG), cameraToWorld [16], blurShare (mean way of the picture while the shutter
 * was open, of its width), isBlurred (null: a matter of taste), exposure ("dark", "bright" or null), isFrozen, isResting }.
 */
export async function stopAndGoVideo(say, threads = 2) {
  const seconds = SPEEDS.at(-1)[0];
  const place = placeOver(seconds);
  const path = pathThrough(armTrajectory(73, { mount: DEFAULT_CAMERA_MOUNT }));
  const jointsAt = (timeS) => path(Math.min(1, place(timeS)));
  const pictures = [];
  const tracer = await startPictureThreads(
    {
      view: trueView({ intrinsics: VIDEO_LENS, mount: DEFAULT_CAMERA_MOUNT, fingers: false }),
      format: "png",
    },
    threads,
  );
  try {
    const work = [];
    for (let i = 0; i < seconds * FPS; i++) work.push({ i, timeS: i / FPS });
    let done = 0;
    let rest = null;
    await Promise.all(
      Array.from({ length: threads }, async () => {
        for (let each = work.shift(); each !== undefined; each = work.shift()) {
          const { i, timeS } = each;
          const jointsRad = jointsAt(timeS);
          const key = jointsRad.join();
          // A resting arm sees the same light again; only the noise is new.
          if (rest?.key !== key) rest = { key, png: tracer.take({ jointsRad, timeS, frame: i }) };
          pictures[i] = await exposed(await rest.png, { i, timeS, jointsAt });
          if (++done % 150 === 0) say(`${done} of ${seconds * FPS} pictures traced`);
        }
      }),
    );
  } finally {
    await tracer.close();
  }
  return pictures.map((picture) =>
    picture.isFrozen ? { ...picture, bytes: hung(pictures).bytes } : picture,
  );
}

/** What the camera showed when it hung. */
function hung(pictures) {
  return pictures.findLast(({ timeS }) => timeS <= FROZEN_S[0]);
}

/** Views of the same scan, sharp and without noise, to score by: { bytes (PNG), cameraToWorld }. */
export async function sharpViews(count, threads = 2) {
  const view = trueView({ intrinsics: VIDEO_LENS, mount: DEFAULT_CAMERA_MOUNT, fingers: false });
  const tracer = await startPictureThreads({ view, format: "png" }, threads);
  try {
    const work = armTrajectory(count, { mount: DEFAULT_CAMERA_MOUNT }).map((jointsRad, i) => ({
      jointsRad,
      i,
    }));
    const views = [];
    await Promise.all(
      Array.from({ length: threads }, async () => {
        for (let each = work.shift(); each !== undefined; each = work.shift()) {
          const { jointsRad, i } = each;
          const bytes = await tracer.take({ jointsRad, timeS: 0, frame: i });
          views[i] = { bytes, cameraToWorld: cameraToWorld(jointsRad, DEFAULT_CAMERA_MOUNT) };
        }
      }),
    );
    return views;
  } finally {
    await tracer.close();
  }
}

/** The light of one picture along its way during the exposure, through the sensor, as a JPEG. */
async function exposed(png, { i, timeS, jointsAt }) {
  const { data } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const light = Float64Array.from(data, (byte) => linear(byte / 255));
  const pose = cameraToWorld(jointsAt(timeS), DEFAULT_CAMERA_MOUNT);
  const ways = Array.from({ length: MOMENTS }, (_, k) => {
    const momentS = timeS + EXPOSURE_S * (k / (MOMENTS - 1) - 0.5);
    return flowOnTable(pose, cameraToWorld(jointsAt(momentS), DEFAULT_CAMERA_MOUNT));
  });
  const blurShare = meanWay(ways[0], ways.at(-1)) / VIDEO_LENS.width;
  const isIn = ([from, to]) => timeS >= from && timeS < to;
  const exposure = isIn(DARK_S) ? "dark" : isIn(BRIGHT_S) ? "bright" : null;
  const gain = exposure === "dark" ? 0.006 : exposure === "bright" ? 14 : 1;
  const pixels = develop(blurShare < 1e-5 ? light : smeared(light, ways), {
    gain,
    noise: { ...WEBCAM_NOISE, seed: 1 + 7919 * i },
  });
  const { width, height } = VIDEO_LENS;
  const bytes = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
  const isBlurred = blurShare >= BLUR_SHARE ? true : blurShare <= BLUR_SHARE / 2 ? false : null;
  const isResting = blurShare < 1e-5;
  return {
    timeS,
    bytes,
    cameraToWorld: pose,
    blurShare,
    isBlurred,
    exposure,
    isFrozen: isIn(FROZEN_S),
    isResting,
  };
}

/** Mean of the light that passes each pixel: [height, width, 3], everything taken to lie on the table. */
function smeared(light, ways) {
  const { width, height } = VIDEO_LENS;
  const sum = new Float64Array(light.length);
  for (const way of ways) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [u, v] = way(x, y);
        const column = Math.min(width - 1.001, Math.max(0, u));
        const row = Math.min(height - 1.001, Math.max(0, v));
        const [left, top] = [Math.floor(column), Math.floor(row)];
        const [b, d] = [column - left, row - top];
        const at = 3 * (top * width + left);
        const to = 3 * (y * width + x);
        for (let c = 0; c < 3; c++) {
          const upper = light[at + c] * (1 - b) + light[at + 3 + c] * b;
          const below = at + 3 * width + c;
          const lower = light[below] * (1 - b) + light[below + 3] * b;
          sum[to + c] += (upper * (1 - d) + lower * d) / ways.length;
        }
      }
    }
  }
  return sum;
}

/** Where the point of the table (z = 0) at a pixel of camera `to` is seen by camera `from`. Poses: [16], OpenGL axes. */
function flowOnTable(from, to) {
  const { fx, fy, cx, cy } = VIDEO_LENS;
  return (x, y) => {
    const [a, b] = [(x + 0.5 - cx) / fx, -(y + 0.5 - cy) / fy];
    const ray = [0, 4, 8].map((row) => to[row] * a + to[row + 1] * b - to[row + 2]);
    const far = ray[2] < -1e-3 ? Math.min(3, -to[11] / ray[2]) : 3;
    const point = [
      to[3] + far * ray[0] - from[3],
      to[7] + far * ray[1] - from[7],
      to[11] + far * ray[2] - from[11],
    ];
    const seen = [0, 1, 2].map(
      (axis) => from[axis] * point[0] + from[4 + axis] * point[1] + from[8 + axis] * point[2],
    );
    return [(fx * seen[0]) / -seen[2] + cx - 0.5, (-fy * seen[1]) / -seen[2] + cy - 0.5];
  };
}

/** How far the picture has moved between two poses ([16]), of its width, everything taken to lie on the table. */
export function wayBetween(from, to) {
  return meanWay(flowOnTable(to, from), (x, y) => [x, y]) / VIDEO_LENS.width;
}

/** Mean distance between two of them over the picture, pixels. */
function meanWay(first, last) {
  const { width, height } = VIDEO_LENS;
  let sum = 0;
  for (let k = 0; k < 48; k++) {
    const [x, y] = [((k % 8) + 0.5) * (width / 8), (Math.floor(k / 8) + 0.5) * (height / 6)];
    const [[u, v], [p, q]] = [first(x, y), last(x, y)];
    sum += Math.hypot(u - p, v - q) / 48;
  }
  return sum;
}

/** How far along the scan, 0…1, at a time: speeds change within `RAMP_S`, never at once. */
function placeOver(seconds) {
  const perSecond = 1000;
  const speedAt = (timeS) => SPEEDS.find(([until]) => timeS < until)?.[1] ?? 0;
  const places = new Float64Array(seconds * perSecond + 2);
  let speed = speedAt(0);
  for (let k = 1; k < places.length; k++) {
    const wanted = speedAt(k / perSecond);
    speed += (wanted - speed) / (RAMP_S * perSecond);
    if (wanted === 0 && speed < 0.002) speed = 0;
    places[k] = places[k - 1] + speed / perSecond;
  }
  const whole = places.at(-1);
  return (timeS) => places[Math.max(0, Math.round(timeS * perSecond))] / whole;
}

function linear(value) {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}
