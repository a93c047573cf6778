/** What the trainer's tests share: cameras, random Gaussians, arrays in double precision, a small drawn scene. */
import type { Camera } from "../../src/trainer/camera.ts";
import { countPairs, startTiles } from "../../src/trainer/binning.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { instantiateKernels } from "../../src/trainer/kernels.ts";
import { allocateMemory, type Capacity, type Views } from "../../src/trainer/memory.ts";
import { referenceKernels } from "../../src/trainer/reference.ts";
import { createStages, STAGE } from "../../src/trainer/stages.ts";
import { KERNELS } from "./kernels.ts";
import type { TrainerFrame } from "../../src/trainer/train.ts";

type Vector = readonly [number, number, number];

/** Camera at `eye` looking at `focus`, world z up. */
export function lookAt(
  eye: Vector,
  focus: Vector,
  lens: { width: number; height: number; f: number },
): Camera {
  const z = unit(subtract(focus, eye));
  const x = unit(cross(z, [0, 0, 1]));
  const y = cross(z, x);
  const rotation = [...x, ...y, ...z];
  const translation = [x, y, z].map((axis) => -dot(axis, eye));
  const { width, height, f } = lens;
  return { width, height, fx: f, fy: f, cx: width / 2, cy: height / 2, rotation, translation };
}

/** Camera in the origin looking along +z, axes as the world's. */
export function plainCamera(width: number, height: number, f: number): Camera {
  return {
    width,
    height,
    fx: f,
    fy: f,
    cx: width / 2,
    cy: height / 2,
    rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1],
    translation: [0, 0, 0],
  };
}

/** An engine without helper threads, so everything runs here. */
export function soloEngine(wanted: Partial<Capacity> = {}): Engine {
  const capacity = { gaussians: 1000, shCount: 16, pixels: 1 << 14, pairs: 1 << 14, threads: 1, ...wanted };
  return new Engine(allocateMemory(capacity), capacity, null);
}

/** The same with the SIMD kernels. */
export function soloKernelEngine(wanted: Partial<Capacity> = {}): Engine {
  const capacity = { gaussians: 1000, shCount: 16, pixels: 1 << 14, pairs: 1 << 14, threads: 1, ...wanted };
  const memory = allocateMemory(capacity);
  return new Engine(memory, capacity, instantiateKernels(KERNELS, memory, 0));
}

/** Numbers that make one Gaussian; what is left out is a round, grey, half-transparent one at the origin. */
export interface Blob {
  readonly mean?: readonly number[];
  readonly logScale?: number | readonly number[];
  readonly quat?: readonly number[];
  readonly opacity?: number;
  readonly color?: readonly number[];
}

/** Append a Gaussian; returns its position. */
export function addBlob(engine: Engine, blob: Blob): number {
  const { views } = engine;
  const i = engine.count;
  const k = engine.capacity.shCount;
  const { mean = [0, 0, 0], logScale = -1, quat = [1, 0, 0, 0], opacity = 0, color = [0.5, 0.5, 0.5] } = blob;
  views.means.set(mean, i * 3);
  views.logScales.set(typeof logScale === "number" ? [logScale, logScale, logScale] : logScale, i * 3);
  views.quats.set(quat, i * 4);
  views.opacities[i] = opacity;
  color.forEach((value, channel) => {
    views.sh[(i * 3 + channel) * k] = (value - 0.5) / 0.28209479177387814;
  });
  engine.count = i + 1;
  return i;
}

/** Uniform in [low, high). */
export function between(random: () => number, low: number, high: number): number {
  return low + (high - low) * random();
}

/** The engine's arrays copied to double precision (depths stay: their bits are sorted), for exact differences. */
export function doubleViews(views: Views): Views {
  return Object.fromEntries(
    Object.entries(views).map(([name, array]) => [
      name,
      array instanceof Float32Array && name !== "depths" ? Float64Array.from(array) : array.slice(),
    ]),
  ) as unknown as Views;
}

/** Run a stage's items here, one after the other. */
export function runStage(views: Views, stage: keyof typeof STAGE): void {
  const work = createStages(views, referenceKernels(views))[STAGE[stage]];
  for (let item = 0; item < work.items(); item++) work.run(item);
}

/** Project, bin and blend on arrays of our own. */
export function renderViews(views: Views): void {
  runStage(views, "project");
  if (countPairs(views) > views.pairSplat.length) throw new Error("too few pairs allocated");
  runStage(views, "sortAndCount");
  startTiles(views);
  runStage(views, "fillTiles");
  runStage(views, "rasterize");
}

/** Largest |a − b| over all elements. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

/** Three coloured balls over a chequered floor, ray-cast from `views` places on a ring. Indices from 1. */
export function drawnFrames(views: number, width = 48, height = 36): TrainerFrame[] {
  return Array.from({ length: views }, (_, view) => {
    const angle = (2 * Math.PI * view) / views;
    const eye: Vector = [Math.cos(angle), Math.sin(angle), 0.7 + 0.2 * (view % 2)];
    const camera = lookAt(eye, [0, 0, 0.05], { width, height, f: width });
    return { index: view + 1, camera, rgba: drawScene(camera, eye), mask: null, holdout: false };
  });
}

const BALLS = [
  { center: [0.2, 0.1, 0.15], radius: 0.15, color: [220, 60, 40] },
  { center: [-0.2, 0.15, 0.12], radius: 0.12, color: [40, 180, 80] },
  { center: [0, -0.22, 0.1], radius: 0.1, color: [50, 90, 220] },
] as const;

function drawScene(camera: Camera, eye: Vector): Uint8Array {
  const { width, height, rotation: r } = camera;
  const rgba = new Uint8Array(new SharedArrayBuffer(width * height * 4));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = (x + 0.5 - camera.cx) / camera.fx;
      const v = (y + 0.5 - camera.cy) / camera.fy;
      const ray = unit(
        [0, 1, 2].map((axis) => r[axis] * u + r[3 + axis] * v + r[6 + axis]) as unknown as Vector,
      );
      rgba.set([...colorAlong(eye, ray), 255], (y * width + x) * 4);
    }
  }
  return rgba;
}

function colorAlong(eye: Vector, ray: Vector): readonly number[] {
  let nearest = ray[2] < 0 ? -eye[2] / ray[2] : Infinity;
  const x = eye[0] + nearest * ray[0];
  const y = eye[1] + nearest * ray[1];
  let color: readonly number[] = [20, 20, 30];
  if (Math.hypot(x, y) < 0.6)
    color = (Math.floor(x * 4) + Math.floor(y * 4)) % 2 === 0 ? [200, 200, 190] : [90, 90, 100];
  for (const ball of BALLS) {
    const from = subtract(eye, ball.center);
    const b = dot(from, ray);
    const root = b * b - dot(from, from) + ball.radius ** 2;
    const distance = -b - Math.sqrt(root);
    if (root > 0 && distance > 0 && distance < nearest) {
      nearest = distance;
      color = ball.color;
    }
  }
  return color;
}

function subtract(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function unit(a: Vector): Vector {
  const length = Math.hypot(...a);
  return [a[0] / length, a[1] / length, a[2] / length];
}
