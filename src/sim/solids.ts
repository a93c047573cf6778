/** Solids of the simulated scene: where a ray meets them, and which way their surface faces. */
import type { Texture, Vector3 } from "./textures.ts";

export type Shape =
  | { readonly kind: "sphere"; readonly radiusM: number }
  /** Upright. */
  | { readonly kind: "cylinder"; readonly radiusM: number; readonly halfHeightM: number }
  | { readonly kind: "box"; readonly halfSizeM: Vector3 };

/** A shape at a place, turned about the vertical, with its colours. */
export interface Solid {
  readonly shape: Shape;
  /** [3] m, world. */
  readonly centerM: Vector3;
  readonly cosYaw: number;
  readonly sinYaw: number;
  /** Radius of a sphere about the centre that holds it, metres. */
  readonly reachM: number;
  readonly texture: Texture;
  /** Strength of the highlight, 0 = matt. */
  readonly gloss: number;
}

/** Place a shape in the world. */
export function placeSolid(
  shape: Shape,
  centerM: Vector3,
  texture: Texture,
  options: { readonly yawDeg?: number; readonly gloss?: number } = {},
): Solid {
  const yawRad = ((options.yawDeg ?? 0) * Math.PI) / 180;
  return {
    shape,
    centerM,
    cosYaw: Math.cos(yawRad),
    sinYaw: Math.sin(yawRad),
    reachM: reachOf(shape),
    texture,
    gloss: options.gloss ?? 0,
  };
}

function reachOf(shape: Shape): number {
  if (shape.kind === "sphere") return shape.radiusM;
  return shape.kind === "box" ? Math.hypot(...shape.halfSizeM) : Math.hypot(shape.radiusM, shape.halfHeightM);
}

/** Distance along the ray (unit direction) to where it enters the solid, metres; Infinity when it misses or starts inside. */
export function intersect(solid: Solid, origin: Vector3, direction: Vector3): number {
  const x = solid.centerM[0] - origin[0];
  const y = solid.centerM[1] - origin[1];
  const z = solid.centerM[2] - origin[2];
  const along = x * direction[0] + y * direction[1] + z * direction[2];
  const spare = solid.reachM * solid.reachM - (x * x + y * y + z * z - along * along);
  // Most rays miss most solids: the bounding sphere says so at once.
  if (spare <= 0 || along + Math.sqrt(spare) <= 0) return Infinity;
  if (solid.shape.kind === "sphere") return positive(along - Math.sqrt(spare));
  const start = toOwnAxes(solid, [-x, -y, -z]);
  const step = toOwnAxes(solid, direction);
  return solid.shape.kind === "box"
    ? enterBox(solid.shape.halfSizeM, start, step)
    : enterCylinder(solid.shape.radiusM, solid.shape.halfHeightM, start, step);
}

function enterBox(half: Vector3, start: Vector3, step: Vector3): number {
  let near = -Infinity;
  let far = Infinity;
  for (let axis = 0; axis < 3; axis++) {
    const a = (-half[axis] - start[axis]) / step[axis];
    const b = (half[axis] - start[axis]) / step[axis];
    near = Math.max(near, Math.min(a, b));
    far = Math.min(far, Math.max(a, b));
  }
  return near < far ? positive(near) : Infinity;
}

function enterCylinder(radius: number, halfHeight: number, start: Vector3, step: Vector3): number {
  const a = step[0] * step[0] + step[1] * step[1];
  const b = start[0] * step[0] + start[1] * step[1];
  const c = start[0] * start[0] + start[1] * start[1] - radius * radius;
  const root = b * b - a * c;
  if (root <= 0) return Infinity;
  const low = (-halfHeight - start[2]) / step[2];
  const high = (halfHeight - start[2]) / step[2];
  const near = Math.max((-b - Math.sqrt(root)) / a, Math.min(low, high));
  const far = Math.min((-b + Math.sqrt(root)) / a, Math.max(low, high));
  return near < far ? positive(near) : Infinity;
}

function positive(distance: number): number {
  return distance > 0 ? distance : Infinity;
}

/** A point on the surface in the solid's own axes, for its texture. */
export function ownPoint(solid: Solid, point: Vector3): Vector3 {
  const [x, y, z] = solid.centerM;
  return toOwnAxes(solid, [point[0] - x, point[1] - y, point[2] - z]);
}

/** [3] unit normal, world axes, of a point on the surface given in the solid's own axes. */
export function normalAt(solid: Solid, own: Vector3): Vector3 {
  const [x, y, z] = ownNormal(solid.shape, own);
  return [solid.cosYaw * x - solid.sinYaw * y, solid.sinYaw * x + solid.cosYaw * y, z];
}

function ownNormal(shape: Shape, [x, y, z]: Vector3): Vector3 {
  if (shape.kind === "sphere") return [x / shape.radiusM, y / shape.radiusM, z / shape.radiusM];
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

function toOwnAxes({ cosYaw, sinYaw }: Solid, [x, y, z]: Vector3): Vector3 {
  return [cosYaw * x + sinYaw * y, cosYaw * y - sinYaw * x, z];
}
