/**
 * New Gaussians for a frame: where the scene does not explain it. A pixel's chance rises with what is left open there and
 * with the error of the render ("On-the-fly Reconstruction for Large-Scale Novel View Synthesis", Meuleman et al. 2025,
 * places Gaussians per keyframe in the same spirit). Where the scene covers the pixel, depth is drawn from the depths that
 * blend there, and size follows from how densely pixels are drawn; where it does not, any depth in front is as good.
 */
import type { PointCloud } from "../splat/ply-read.ts";
import { SH_C0 } from "../splat/sh.ts";
import { centerOf, type Camera } from "./camera.ts";
import type { Engine } from "./engine.ts";
import { hasCutout, type Picture } from "./picture.ts";
import { COLOR_MAX } from "./kernels/conventions.ts";
import * as SCALAR from "./scalars.ts";
import { clip, placeGaussians, sizesOf, type Box } from "./seed.ts";
import { leastUseful } from "./strategy.ts";

/** First Gaussians, as a share of the cap, are spread over this many frames. */
const SEED_SHARE = 0.5;
const SEED_FRAMES = 20;
/** At the cap, a frame may displace this share of the Gaussians. */
const DISPLACED_SHARE = 0.01;
/** First depths, in units of the scene's depth. */
const NEAR = 0.4;
const FAR = 2.5;
/** Depths beyond these, in the same units, are not taken from what blends. */
const MOST_OFF = [0.02, 50] as const;
/** Behind transparent pixels lies nothing, so what is seen is near the focus. */
const FAR_CUTOUT = 1.6;
/** Chance of a pixel that is covered: this much at the least, and so much per unit of mean absolute error. */
const LEAST_CHANCE = 0.02;
const ERROR_CHANCE = 4;
/** Covered pixels get any depth this often all the same: the scene may be wrong. */
const EXPLORE = 0.05;
/** Size of a Gaussian in units of the distance to the next drawn pixel, and bounds of that distance (px). */
const SIZE = 0.35;
const SPACING_PX = [1, 8] as const;
/** Depths that blend in a pixel spread at least and at most so far, as a share of their mean. */
const SPREAD = [0.01, 0.5] as const;

/** What decides where Gaussians go, beside the frame. */
export interface SpawnScene {
  /** Gaussians at most. */
  readonly cap: number;
  /** Distance to what the cameras look at, metres. */
  readonly depth: number;
  readonly bounds: Box | null;
  readonly random: () => number;
}

/** What the scene shows of a frame, per pixel. */
export interface Explained {
  /** [H,W] how much of the pixel is left open, 0…1. */
  readonly open: Float32Array;
  /** [H,W] chance of a Gaussian, 0…1. */
  readonly chance: Float32Array;
  /** [H,W] mean depth of what blends there (metres), and its standard deviation. */
  readonly depth: Float32Array;
  readonly spread: Float32Array;
}

interface Cloud extends PointCloud {
  /** [N] standard deviation, metres; 0 = as the distance to the neighbours says. */
  readonly sizes: Float32Array;
}

/** Place Gaussians for a picture that has none of its own yet. `draw` renders the scene on black. */
export function spawn(
  engine: Engine,
  picture: Picture,
  scene: SpawnScene,
  draw: (camera: Camera) => void,
): void {
  const planned = SEED_SHARE * scene.cap;
  const explained = engine.count === 0 ? null : explain(engine, picture, scene.depth, draw);
  // The first frames bring the planned number whatever they see; later ones, as much as is new to them.
  const share = explained === null || engine.count < planned ? 1 : mean(explained.chance);
  const cloud = drawPoints(picture, explained, Math.round((share * planned) / SEED_FRAMES), scene);
  const count = cloud.sizes.length;
  const free = Math.max(0, scene.cap - engine.count);
  const slots = Array.from({ length: Math.min(count, free) }, (_, i) => engine.count + i);
  const displaced = Math.min(count - free, Math.floor(DISPLACED_SHARE * scene.cap));
  if (displaced > 0 && engine.count <= scene.cap) {
    slots.unshift(...leastUseful(engine.views, engine.count, displaced));
  }
  // Few points stand far apart, but are not meant to fill the space between them: the rest is still to come.
  const density = Math.min(1, Math.cbrt(count / planned));
  placeGaussians(engine, cloud, sizesFor(cloud, density), slots);
}

/**
 * Compare the scene, about `sceneDepth` away, with a picture, pixel by pixel; the views' image is overwritten.
 * `draw` renders it on black.
 */
export function explain(
  engine: Engine,
  picture: Picture,
  sceneDepth: number,
  draw: (camera: Camera) => void,
): Explained {
  const { camera, rgba, mask } = picture;
  const pixels = camera.width * camera.height;
  draw(camera);
  const { image } = engine.views;
  const open = image.slice(0, pixels);
  const chance = new Float32Array(pixels);
  for (let p = 0; p < pixels; p++) {
    if (mask !== null && mask[p] === 0) continue;
    const alpha = rgba[p * 4 + 3] / 255;
    let error = 0;
    for (let channel = 0; channel < 3; channel++) {
      error += Math.abs((alpha * rgba[p * 4 + channel]) / 255 - image[(channel + 1) * pixels + p]) / 3;
    }
    const wrong = Math.min(1, Math.max(LEAST_CHANCE, ERROR_CHANCE * error));
    chance[p] = alpha * (open[p] + (1 - open[p]) * wrong);
  }
  return { open, chance, ...renderDepth(engine, camera, sceneDepth, open) };
}

/** Depth is blended like a colour: for one render, each Gaussian's colour is its depth and the square of it. */
function renderDepth(
  engine: Engine,
  camera: Camera,
  sceneDepth: number,
  open: Float32Array,
): { depth: Float32Array; spread: Float32Array } {
  const { means, sh, scalars } = engine.views;
  const { rotation: r, translation: t } = camera;
  const k = scalars[SCALAR.shCount];
  // Colours end at COLOR_MAX: the square of the furthest depth that is used must fit.
  const unit = (MOST_OFF[1] * sceneDepth) / Math.sqrt(COLOR_MAX);
  const kept = Float32Array.from({ length: engine.count * 3 }, (_, i) => sh[i * k]);
  for (let i = 0; i < engine.count; i++) {
    const z = (r[6] * means[i * 3] + r[7] * means[i * 3 + 1] + r[8] * means[i * 3 + 2] + t[2]) / unit;
    sh[i * 3 * k] = (z - 0.5) / SH_C0;
    sh[(i * 3 + 1) * k] = (z * z - 0.5) / SH_C0;
  }
  scalars[SCALAR.shDegree] = 0;
  engine.render(camera, [0, 0, 0]);
  // Rendering may have moved the arrays.
  const { image, sh: now } = engine.views;
  for (let i = 0; i < kept.length; i++) now[i * k] = kept[i];
  const pixels = open.length;
  const depth = new Float32Array(pixels);
  const spread = new Float32Array(pixels);
  for (let p = 0; p < pixels; p++) {
    const covered = Math.max(1e-6, 1 - open[p]);
    const near = image[pixels + p] / covered;
    depth[p] = unit * near;
    spread[p] = unit * Math.sqrt(Math.max(0, image[2 * pixels + p] / covered - near ** 2));
  }
  return { depth, spread };
}

/** Points of a picture, their pixels drawn by chance; fewer than `wanted` where the box leaves no room. */
export function drawPoints(
  picture: Picture,
  explained: Explained | null,
  wanted: number,
  { depth, bounds, random }: SpawnScene,
): Cloud {
  const { camera, rgba, mask } = picture;
  const far = hasCutout(rgba) ? FAR_CUTOUT : FAR;
  const chances =
    explained?.chance ??
    Float32Array.from({ length: rgba.length / 4 }, (_, p) => (mask?.[p] === 0 ? 0 : rgba[p * 4 + 3] / 255));
  const drawPixel = sampler(chances, random);
  const positions: number[] = [];
  const colors: number[] = [];
  const sizes: number[] = [];
  if (drawPixel === null)
    return { positions: new Float32Array(), colors: new Float32Array(), sizes: new Float32Array() };
  const total = chances.reduce((sum, value) => sum + value, 0);
  for (let i = 0; i < wanted; i++) {
    const pixel = drawPixel();
    const { origin, ray } = rayThrough(camera, pixel, random);
    const isKnown = explained !== null && random() >= Math.max(EXPLORE, explained.open[pixel]);
    let z = isKnown ? drawDepth(explained.depth[pixel], explained.spread[pixel], random) : null;
    // What blends may itself be out of place by far.
    if (z === null || !(z > MOST_OFF[0] * depth && z < MOST_OFF[1] * depth)) {
      const span = bounds === null ? [NEAR * depth, far * depth] : clip(origin, ray, bounds, NEAR * depth);
      if (span === null) continue;
      z = span[0] * (span[1] / span[0]) ** random();
      sizes.push(0);
    } else {
      const spacing = Math.sqrt(total / (wanted * chances[pixel]));
      sizes.push((SIZE * Math.min(SPACING_PX[1], Math.max(SPACING_PX[0], spacing)) * z) / camera.fx);
    }
    for (let axis = 0; axis < 3; axis++) {
      positions.push(origin[axis] + z * ray[axis]);
      colors.push(rgba[pixel * 4 + axis] / 255);
    }
  }
  return {
    positions: new Float32Array(positions),
    colors: new Float32Array(colors),
    sizes: new Float32Array(sizes),
  };
}

function drawDepth(depth: number, spread: number, random: () => number): number {
  const share = Math.min(SPREAD[1], Math.max(SPREAD[0], spread / depth));
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return depth * Math.exp(share * normal);
}

/** Through a random place in the pixel; along the ray, depth is the distance along the optical axis. */
function rayThrough(
  camera: Camera,
  pixel: number,
  random: () => number,
): { origin: readonly number[]; ray: readonly number[] } {
  const { rotation: r } = camera;
  const u = ((pixel % camera.width) + random() - camera.cx) / camera.fx;
  const v = (Math.floor(pixel / camera.width) + random() - camera.cy) / camera.fy;
  const ray = [0, 1, 2].map((axis) => r[axis] * u + r[3 + axis] * v + r[6 + axis]);
  return { origin: centerOf(camera), ray };
}

/** Draws indices in proportion to `weights`; null when all are 0. */
function sampler(weights: Float32Array, random: () => number): (() => number) | null {
  const cumulative = new Float64Array(weights.length);
  let sum = 0;
  for (let i = 0; i < weights.length; i++) cumulative[i] = sum += weights[i];
  if (!(sum > 0)) return null;
  return () => {
    const wanted = random() * sum;
    let low = 0;
    let high = weights.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Sizes of all points, those by the distance to their neighbours (of the same kind) filled in. */
function sizesFor({ positions, sizes }: Cloud, density: number): Float32Array {
  const unsized = [...sizes.keys()].filter((i) => sizes[i] === 0);
  const places = Float32Array.from(unsized.flatMap((i) => [...positions.subarray(i * 3, i * 3 + 3)]));
  const found = sizesOf(places, density);
  const filled = sizes.slice();
  unsized.forEach((i, rank) => (filled[i] = found[rank]));
  return filled;
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
