/** Solids of the simulated scene: where a ray meets them, and which way their surface faces. */
import type { Texture, Vector3 } from "./textures.ts";

export type Shape =
  | { readonly kind: "sphere"; readonly radiusM: number }
  /** About its own z axis. */
  | { readonly kind: "cylinder"; readonly radiusM: number; readonly halfHeightM: number }
  | { readonly kind: "box"; readonly halfSizeM: Vector3 }
  /** Convex, bounded by planes: rows of `planes` are unit normal and distance, n · p ≤ d, own axes, metres. */
  | { readonly kind: "hull"; readonly planes: Float64Array; readonly reachM: number };

/** A ray that the tracer writes anew for each question: origin (m) at 0…2, unit direction at 3…5. */
export type Ray = Float64Array;

/** A shape at a place, turned, with its colours. */
export interface Solid {
  readonly shape: Shape;
  /** [3] m, world. */
  readonly centerM: Float64Array;
  /** [3,3] row-major, own axes → world. */
  readonly rotation: Float64Array;
  /** Radius of a sphere about the centre that holds it, metres. */
  readonly reachM: number;
  /** Radius of the ball that takes as much ambient light from its neighbours, metres. */
  readonly shadeM: number;
  readonly texture: Texture;
  /** Strength of the highlight, 0 = matt. */
  readonly gloss: number;
}

export interface Placing {
  /** Turn about the vertical, degrees. */
  readonly yawDeg?: number;
  /** [3,3] row-major, own axes → world; instead of `yawDeg`. */
  readonly rotation?: readonly number[];
  readonly gloss?: number;
  /** By default the solid's reach. */
  readonly shadeM?: number;
}

/** Place a shape in the world. */
export function placeSolid(shape: Shape, centerM: Vector3, texture: Texture, placing: Placing = {}): Solid {
  const yawRad = ((placing.yawDeg ?? 0) * Math.PI) / 180;
  const [cos, sin] = [Math.cos(yawRad), Math.sin(yawRad)];
  const reachM = reachOf(shape);
  return {
    shape,
    centerM: Float64Array.from(centerM),
    rotation: Float64Array.from(placing.rotation ?? [cos, -sin, 0, sin, cos, 0, 0, 0, 1]),
    reachM,
    shadeM: placing.shadeM ?? reachM,
    texture,
    gloss: placing.gloss ?? 0,
  };
}

function reachOf(shape: Shape): number {
  if (shape.kind === "sphere") return shape.radiusM;
  if (shape.kind === "hull") return shape.reachM;
  return shape.kind === "box" ? Math.hypot(...shape.halfSizeM) : Math.hypot(shape.radiusM, shape.halfHeightM);
}

/** The ray in a solid's own axes: start relative to its centre at 0…2, step at 3…5. One for all: nothing is traced at once. */
const own = new Float64Array(6);

/** Distance along the ray to where it enters the solid, metres; Infinity when it misses or starts inside. */
export function intersect(solid: Solid, ray: Ray): number {
  const { centerM, reachM, shape } = solid;
  const x = centerM[0] - ray[0];
  const y = centerM[1] - ray[1];
  const z = centerM[2] - ray[2];
  const along = x * ray[3] + y * ray[4] + z * ray[5];
  const spare = reachM * reachM - (x * x + y * y + z * z - along * along);
  // Most rays miss most solids: the bounding sphere says so at once.
  if (spare <= 0 || along + Math.sqrt(spare) <= 0) return Infinity;
  if (shape.kind === "sphere") return positive(along - Math.sqrt(spare));
  turnToOwnAxes(solid.rotation, -x, -y, -z, 0);
  turnToOwnAxes(solid.rotation, ray[3], ray[4], ray[5], 3);
  if (shape.kind === "box") return enterBox(shape.halfSizeM);
  return shape.kind === "hull" ? enterHull(shape.planes) : enterCylinder(shape.radiusM, shape.halfHeightM);
}

function turnToOwnAxes(r: Float64Array, x: number, y: number, z: number, at: number): void {
  own[at] = r[0] * x + r[3] * y + r[6] * z;
  own[at + 1] = r[1] * x + r[4] * y + r[7] * z;
  own[at + 2] = r[2] * x + r[5] * y + r[8] * z;
}

function enterBox(half: Vector3): number {
  let near = -Infinity;
  let far = Infinity;
  for (let axis = 0; axis < 3; axis++) {
    const a = (-half[axis] - own[axis]) / own[axis + 3];
    const b = (half[axis] - own[axis]) / own[axis + 3];
    near = Math.max(near, Math.min(a, b));
    far = Math.min(far, Math.max(a, b));
  }
  return near < far ? positive(near) : Infinity;
}

function enterHull(planes: Float64Array): number {
  let near = -Infinity;
  let far = Infinity;
  for (let p = 0; p < planes.length; p += 4) {
    const inside = planes[p + 3] - (planes[p] * own[0] + planes[p + 1] * own[1] + planes[p + 2] * own[2]);
    const outward = planes[p] * own[3] + planes[p + 1] * own[4] + planes[p + 2] * own[5];
    if (outward < 0) near = Math.max(near, inside / outward);
    else if (outward > 0) far = Math.min(far, inside / outward);
    else if (inside < 0) return Infinity;
  }
  return near < far ? positive(near) : Infinity;
}

function enterCylinder(radius: number, halfHeight: number): number {
  const a = own[3] * own[3] + own[4] * own[4];
  const b = own[0] * own[3] + own[1] * own[4];
  const c = own[0] * own[0] + own[1] * own[1] - radius * radius;
  const root = b * b - a * c;
  if (root <= 0) return Infinity;
  const low = (-halfHeight - own[2]) / own[5];
  const high = (halfHeight - own[2]) / own[5];
  const near = Math.max((-b - Math.sqrt(root)) / a, Math.min(low, high));
  const far = Math.min((-b + Math.sqrt(root)) / a, Math.max(low, high));
  return near < far ? positive(near) : Infinity;
}

function positive(distance: number): number {
  return distance > 0 ? distance : Infinity;
}

/** A point on the surface in the solid's own axes, for its texture. */
export function ownPoint({ centerM, rotation: r }: Solid, point: Vector3): Vector3 {
  const x = point[0] - centerM[0];
  const y = point[1] - centerM[1];
  const z = point[2] - centerM[2];
  return [r[0] * x + r[3] * y + r[6] * z, r[1] * x + r[4] * y + r[7] * z, r[2] * x + r[5] * y + r[8] * z];
}

/** [3] unit normal, world axes, of a point on the surface given in the solid's own axes. */
export function normalAt(solid: Solid, point: Vector3): Vector3 {
  const [x, y, z] = ownNormal(solid.shape, point);
  const r = solid.rotation;
  return [r[0] * x + r[1] * y + r[2] * z, r[3] * x + r[4] * y + r[5] * z, r[6] * x + r[7] * y + r[8] * z];
}

function ownNormal(shape: Shape, [x, y, z]: Vector3): Vector3 {
  if (shape.kind === "sphere") return [x / shape.radiusM, y / shape.radiusM, z / shape.radiusM];
  if (shape.kind === "hull") return nearestPlane(shape.planes, x, y, z);
  if (shape.kind === "cylinder") {
    const onCap = shape.halfHeightM - Math.abs(z) < shape.radiusM - Math.sqrt(x * x + y * y);
    return onCap ? [0, 0, Math.sign(z)] : [x / shape.radiusM, y / shape.radiusM, 0];
  }
  const [hx, hy, hz] = shape.halfSizeM;
  const gapX = hx - Math.abs(x);
  const gapY = hy - Math.abs(y);
  const gapZ = hz - Math.abs(z);
  if (gapX < gapY && gapX < gapZ) return [Math.sign(x), 0, 0];
  return gapY < gapZ ? [0, Math.sign(y), 0] : [0, 0, Math.sign(z)];
}

function nearestPlane(planes: Float64Array, x: number, y: number, z: number): Vector3 {
  let least = Infinity;
  let nearest = 0;
  for (let p = 0; p < planes.length; p += 4) {
    const gap = planes[p + 3] - (planes[p] * x + planes[p + 1] * y + planes[p + 2] * z);
    if (gap >= least) continue;
    least = gap;
    nearest = p;
  }
  return [planes[nearest], planes[nearest + 1], planes[nearest + 2]];
}
