/**
 * A textured room with four balls in it, drawn from Gaussians: what the trainer's speed is measured on. Twelve cameras
 * in its middle look all round; training starts from grey Gaussians that lie a little off. Seeded, so that every run
 * and every kernel has the same work: about 35,000 (tile, splat) pairs with 20,000 Gaussians at 320×240.
 */
import { allocateGaussians, shCount } from "../../dist/splat/gaussians.js";
import { randomStream } from "../../dist/trainer/random.js";

const VIEWS = 12;
/** The room reaches so far from its middle, metres. */
const HALF_WIDTH = 3;
const HALF_HEIGHT = 1.6;
/** What the cameras turn around is so far in front of them, metres. */
const DISTANCE = 4.2;
/** Of nine parts that Gaussians are dealt to, five are walls and floor; each other one is a ball. */
const PARTS = 9;
const BALLS = [
  { center: [-1.2, 0.9, 0.5], radius: 0.5, color: [0.9, 0.2, 0.2] },
  { center: [1, 0.7, -0.8], radius: 0.6, color: [0.2, 0.8, 0.3] },
  { center: [0.2, 0.9, 1.2], radius: 0.7, color: [0.9, 0.8, 0.2] },
  { center: [-0.3, 0.4, -0.6], radius: 0.8, color: [0.3, 0.4, 0.9] },
];
const SH_BAND_0 = 0.28209479177387814;
/** Where training starts: this far from the truth (standard deviation of about 0.58 of it), metres. */
const OFF = 0.05;
const START_OPACITY = -1;
const TRUE_OPACITY = 1.5;

/** Cameras all round, y down as in images; the focal length is 0.9 of the width. */
export function roomCameras(width, height) {
  const focal = 0.9 * width;
  return Array.from({ length: VIEWS }, (_, view) => {
    const angle = (view / VIEWS) * 2 * Math.PI;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const lens = { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2 };
    return { ...lens, rotation: [c, 0, -s, 0, 1, 0, s, 0, c], translation: [0, 0, DISTANCE] };
  });
}

/** The room as it is, in `count` Gaussians; more of them are smaller. */
export function roomTruth(count, shDegree) {
  const room = allocateGaussians(count, shDegree);
  for (let i = 0; i < count; i++) {
    const random = randomStream(1000 + i);
    const { position, color } = surfacePoint(random);
    room.means.set(position, i * 3);
    setColor(room, i, color);
    for (let axis = 0; axis < 3; axis++) {
      room.logScales[i * 3 + axis] = startScale(count) + 0.3 * (random() - 0.5);
    }
    room.quats.set([1, random() - 0.5, random() - 0.5, 0], i * 4);
    room.opacities[i] = TRUE_OPACITY;
  }
  return room;
}

/** What training starts from: the same points, moved at random, round, grey and thin. */
export function roomStart(count, shDegree) {
  const room = roomTruth(count, shDegree);
  const random = randomStream(5);
  for (let j = 0; j < count * 3; j++) {
    room.means[j] += OFF * (random() + random() + random() + random() - 2);
  }
  room.logScales.fill(startScale(count));
  room.opacities.fill(START_OPACITY);
  for (let i = 0; i < count; i++) {
    room.quats.set([1, 0, 0, 0], i * 4);
    setColor(room, i, [0.5, 0.5, 0.5]);
  }
  return room;
}

/** Natural logarithm of the radius that lets `count` Gaussians cover the room, metres. */
function startScale(count) {
  return Math.log(3.2 / Math.sqrt(count));
}

/** A point on some surface of the room, and its colour, sRGB 0…1. */
function surfacePoint(random) {
  const u = random() * 2 - 1;
  const v = random() * 2 - 1;
  const part = Math.floor(random() * PARTS);
  if (part >= PARTS - BALLS.length) return ballPoint(BALLS[part - (PARTS - BALLS.length)], u, random());
  const position = wallPoint(part, u, v);
  // Half a metre square, and never the same shade on two sides of a corner.
  const isLight = position.reduce((sum, x) => sum + Math.floor(x * 2 + 100), 0) % 2;
  return { position, color: [0.3 + 0.4 * isLight, 0.35 + 0.1 * part, 0.7 - 0.3 * isLight] };
}

function wallPoint(part, u, v) {
  if (part === 0) return [u * HALF_WIDTH, HALF_HEIGHT, v * HALF_WIDTH];
  const side = part % 2 === 1 ? -HALF_WIDTH : HALF_WIDTH;
  if (part <= 2) return [side, u * HALF_HEIGHT, v * HALF_WIDTH];
  return [u * HALF_WIDTH, v * HALF_HEIGHT, -side];
}

/** `z` −1…1 and `turn` 0…1 spread evenly over a sphere (Archimedes). */
function ballPoint({ center, radius, color }, z, turn) {
  const angle = turn * 2 * Math.PI;
  const across = Math.sqrt(1 - z * z);
  const direction = [across * Math.cos(angle), across * Math.sin(angle), z];
  const stripe = 0.7 + 0.3 * Math.sin(8 * angle);
  return {
    position: direction.map((d, axis) => center[axis] + radius * d),
    color: color.map((value) => value * stripe),
  };
}

function setColor({ sh, shDegree }, i, color) {
  const k = shCount(shDegree);
  for (let channel = 0; channel < 3; channel++) {
    sh[(i * 3 + channel) * k] = (color[channel] - 0.5) / SH_BAND_0;
  }
}
