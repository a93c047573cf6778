/** The first Gaussians: from points, or from the views of frames when there are none. */
import type { PointCloud } from "../splat/ply-read.ts";
import { SH_C0 } from "../splat/sh.ts";
import { centerOf, type Camera } from "./camera.ts";
import type { Engine } from "./engine.ts";
import * as SCALAR from "./scalars.ts";
import { forget } from "./strategy.ts";

const FIRST_OPACITY = 0.1;
/** First standard deviation, as a share of the distance to the nearest neighbours. */
const FIRST_SCALE = 0.5;

/** Pixels that are explained already are drawn this often all the same: the explanation may be wrong. */
const SEEN_SHARE = 0.2;

/** A box in the world, metres. */
export interface Box {
  readonly min: readonly number[];
  readonly max: readonly number[];
}

/** A frame to place Gaussians in front of. */
export interface SeedView {
  readonly camera: Camera;
  /** [height, width, 4] straight-alpha sRGB. */
  readonly rgba: Uint8Array;
  /** [height, width] 0 = hidden, nothing is placed there; null = nothing is hidden. */
  readonly mask: Uint8Array | null;
  /** [height, width] how much of each pixel nothing explains yet, 0…1; null = all of it. */
  readonly unseen: Float32Array | null;
}

/** Append Gaussians at `points`, for which the engine must have room; their size is half the spacing × `scale`. */
export function addGaussians(engine: Engine, points: PointCloud, scale = 1): void {
  const { views } = engine;
  const start = engine.count;
  const count = points.positions.length / 3;
  const spacing = neighbourSpacing(points.positions);
  const k = views.scalars[SCALAR.shCount];
  for (let point = 0; point < count; point++) {
    const i = start + point;
    const size = Math.log(FIRST_SCALE * scale * spacing[point]);
    for (let axis = 0; axis < 3; axis++) {
      views.means[i * 3 + axis] = points.positions[point * 3 + axis];
      views.logScales[i * 3 + axis] = size;
      const dc = (i * 3 + axis) * k;
      views.sh.fill(0, dc, dc + k);
      views.sh[dc] = (points.colors[point * 3 + axis] - 0.5) / SH_C0;
    }
    views.quats.set([1, 0, 0, 0], i * 4);
    views.opacities[i] = Math.log(FIRST_OPACITY / (1 - FIRST_OPACITY));
    forget(views, i);
  }
  engine.count = start + count;
}

/** At most `max` of the points, evenly taken. */
export function thinOut(points: PointCloud, max: number): PointCloud {
  const count = points.positions.length / 3;
  if (count <= max) return points;
  const kept = Array.from({ length: max }, (_, i) => Math.floor((i * count) / max));
  const pick = (values: Float32Array): Float32Array =>
    Float32Array.from(kept.flatMap((i) => [...values.subarray(i * 3, i * 3 + 3)]));
  return { positions: pick(points.positions), colors: pick(points.colors) };
}

/** All points of several clouds, at most `max`. */
export function joinClouds(clouds: readonly PointCloud[], max: number): PointCloud {
  const total = clouds.reduce((sum, { positions }) => sum + positions.length, 0);
  const positions = new Float32Array(total);
  const colors = new Float32Array(total);
  let at = 0;
  for (const cloud of clouds) {
    positions.set(cloud.positions, at);
    colors.set(cloud.colors, at);
    at += cloud.positions.length;
  }
  const kept = 3 * Math.max(0, Math.min(max, total / 3));
  return { positions: positions.subarray(0, kept), colors: colors.subarray(0, kept) };
}

/**
 * Points in front of a frame: pixels drawn mostly where nothing is explained yet (and the picture is not transparent),
 * pushed to a depth drawn log-uniformly between `near` and `far` (metres), inside `box` where its ray meets it.
 */
export function frustumPoints(
  view: SeedView,
  wanted: number,
  range: { readonly near: number; readonly far: number; readonly box: Box | null },
  random: () => number,
): PointCloud {
  const { camera, rgba, mask, unseen } = view;
  const { width, height, rotation: r } = camera;
  const center = centerOf(camera);
  const positions: number[] = [];
  const colors: number[] = [];
  for (let tries = 0; tries < wanted * 20 && positions.length < wanted * 3; tries++) {
    const x = Math.floor(random() * width);
    const y = Math.floor(random() * height);
    const pixel = y * width + x;
    if (mask !== null && mask[pixel] === 0) continue;
    const open = unseen === null ? 1 : Math.max(SEEN_SHARE, unseen[pixel]);
    if (random() >= open * (rgba[pixel * 4 + 3] / 255)) continue;
    const u = (x + random() - camera.cx) / camera.fx;
    const v = (y + random() - camera.cy) / camera.fy;
    // Along the ray, depth is the distance along the optical axis.
    const ray = [0, 1, 2].map((axis) => r[axis] * u + r[3 + axis] * v + r[6 + axis]);
    const span = range.box === null ? [range.near, range.far] : clip(center, ray, range.box, range.near);
    if (span === null) continue;
    const depth = span[0] * (span[1] / span[0]) ** random();
    for (let axis = 0; axis < 3; axis++) {
      positions.push(center[axis] + depth * ray[axis]);
      colors.push(rgba[pixel * 4 + axis] / 255);
    }
  }
  return { positions: new Float32Array(positions), colors: new Float32Array(colors) };
}

/** Depths at which a ray is inside the box, no nearer than `near`; null when it misses. */
function clip(
  origin: readonly number[],
  ray: readonly number[],
  box: Box,
  near: number,
): readonly [number, number] | null {
  let from = near * 0.05;
  let to = Infinity;
  for (let axis = 0; axis < 3; axis++) {
    const a = (box.min[axis] - origin[axis]) / ray[axis];
    const b = (box.max[axis] - origin[axis]) / ray[axis];
    from = Math.max(from, Math.min(a, b));
    to = Math.min(to, Math.max(a, b));
  }
  return from < to ? [from, to] : null;
}

/**
 * [N] root-mean-square distance of each point to its three nearest neighbours, metres. Points are sorted along their
 * widest axis and searched outwards, until that axis alone is further than the third best.
 */
export function neighbourSpacing(positions: Float32Array): Float32Array {
  const count = positions.length / 3;
  const spacing = new Float32Array(count);
  const axis = widestAxis(positions);
  const order = Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => positions[a * 3 + axis] - positions[b * 3 + axis],
  );
  for (let rank = 0; rank < count; rank++) {
    const nearest = [Infinity, Infinity, Infinity];
    const i = order[rank];
    for (const direction of [-1, 1]) {
      for (let other = rank + direction; other >= 0 && other < count; other += direction) {
        const j = order[other];
        if ((positions[j * 3 + axis] - positions[i * 3 + axis]) ** 2 > nearest[2]) break;
        insert(nearest, distanceSquared(positions, i, j));
      }
    }
    const found = nearest.filter((value) => value < Infinity);
    const mean = found.reduce((sum, value) => sum + value, 0) / Math.max(1, found.length);
    spacing[i] = Math.sqrt(Math.max(mean, 1e-10));
  }
  return spacing;
}

function widestAxis(positions: Float32Array): number {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < positions.length; i++) {
    low[i % 3] = Math.min(low[i % 3], positions[i]);
    high[i % 3] = Math.max(high[i % 3], positions[i]);
  }
  const widths = high.map((value, axis) => value - low[axis]);
  return widths.indexOf(Math.max(...widths));
}

function distanceSquared(positions: Float32Array, i: number, j: number): number {
  const x = positions[i * 3] - positions[j * 3];
  const y = positions[i * 3 + 1] - positions[j * 3 + 1];
  const z = positions[i * 3 + 2] - positions[j * 3 + 2];
  return x * x + y * y + z * z;
}

/** Keep the three smallest, in order. */
function insert(nearest: number[], value: number): void {
  if (value >= nearest[2]) return;
  nearest[2] = value;
  if (nearest[2] < nearest[1]) [nearest[1], nearest[2]] = [nearest[2], nearest[1]];
  if (nearest[1] < nearest[0]) [nearest[0], nearest[1]] = [nearest[1], nearest[0]];
}
