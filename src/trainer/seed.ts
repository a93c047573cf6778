/** Gaussians as they begin: at points, sized by the distance to their neighbours. */
import type { PointCloud } from "../splat/ply-read.ts";
import { SH_C0 } from "../splat/sh.ts";
import type { Engine } from "./engine.ts";
import * as SCALAR from "./scalars.ts";
import { forget } from "./strategy.ts";

const FIRST_OPACITY = 0.1;
/** First standard deviation, as a share of the distance to the nearest neighbours. */
const FIRST_SCALE = 0.5;

/** A box in the world, metres. */
export interface Box {
  readonly min: readonly number[];
  readonly max: readonly number[];
}

/** Append Gaussians at `points`, for which the engine must have room; their size is half the spacing. */
export function addGaussians(engine: Engine, points: PointCloud): void {
  const slots = Array.from({ length: points.positions.length / 3 }, (_, i) => engine.count + i);
  placeGaussians(engine, points, sizesOf(points.positions, 1), slots);
}

/** [N] first standard deviation of Gaussians at `positions`: half the spacing × `scale`, metres. */
export function sizesOf(positions: Float32Array, scale: number): Float32Array {
  return neighbourSpacing(positions).map((spacing) => FIRST_SCALE * scale * spacing);
}

/** Put one Gaussian into each of `slots`, new or in use, as far as points go; `sizes` [N] metres. */
export function placeGaussians(
  engine: Engine,
  { positions, colors }: PointCloud,
  sizes: Float32Array,
  slots: readonly number[],
): void {
  const { views } = engine;
  const k = views.scalars[SCALAR.shCount];
  for (const [point, i] of slots.slice(0, sizes.length).entries()) {
    for (let axis = 0; axis < 3; axis++) {
      views.means[i * 3 + axis] = positions[point * 3 + axis];
      views.logScales[i * 3 + axis] = Math.log(sizes[point]);
      const dc = (i * 3 + axis) * k;
      views.sh.fill(0, dc, dc + k);
      views.sh[dc] = (colors[point * 3 + axis] - 0.5) / SH_C0;
    }
    views.quats.set([1, 0, 0, 0], i * 4);
    views.opacities[i] = Math.log(FIRST_OPACITY / (1 - FIRST_OPACITY));
    forget(views, i);
    engine.count = Math.max(engine.count, i + 1);
  }
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

/** Depths at which a ray is inside the box, no nearer than `near`; null when it misses. */
export function clip(
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
