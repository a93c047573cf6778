/**
 * Pictures of the simulated scene, traced ray by ray. It shares nothing with the splat renderer but the camera,
 * so that a splat trained on these pictures is judged by something else than itself.
 */
import { centerOf, type Camera } from "../trainer/camera.ts";
import { develop, type Exposure } from "./sensor.ts";
import { intersect, normalAt, ownPoint, type Ray, type Solid } from "./solids.ts";
import { TABLETOP, type Tabletop } from "./tabletop.ts";
import type { Vector3 } from "./textures.ts";
import { coneAround, withinCone } from "./tile-cone.ts";

/** Offsets within a pixel, as many as the lamp has points. */
export const SUBPIXELS = [
  [0.25, 0.25],
  [0.75, 0.25],
  [0.25, 0.75],
  [0.75, 0.75],
] as const;

/** Pixels that share the question which solids they can see. */
const TILE = 8;

const LAMP = 0.95;
const AMBIENT = 0.38;
/** Rays towards the lamp start this far off the surface, so that it does not shade itself. */
const LIFT_M = 1e-5;

export interface RenderOptions {
  readonly tabletop?: Tabletop | undefined;
  /** Where each ray goes, from `lensRays`, for a lens that bends; by default a pinhole's. */
  readonly rays?: Float64Array | undefined;
  /** How the sensor takes the light; by default as it is. */
  readonly exposure?: Exposure | undefined;
}

/** What is being traced, and the memory that its rays share: a picture has a million of them. */
interface Tracing {
  readonly camera: Camera;
  readonly rays: Float64Array | undefined;
  readonly tabletop: Tabletop;
  readonly view: Ray;
  readonly toLamp: Ray;
  /** [3] linear light of the pixel at hand. */
  readonly light: Float64Array;
}

/** [height, width, 3] sRGB bytes, row-major, of the scene from a camera: 4 rays a pixel, the same bytes every time. */
export function renderTabletop(camera: Camera, options: RenderOptions = {}): Uint8Array {
  const tracing = {
    camera,
    rays: options.rays,
    tabletop: options.tabletop ?? TABLETOP,
    view: Float64Array.from([...centerOf(camera), 0, 0, 0]),
    toLamp: new Float64Array(6),
    light: new Float64Array(3),
  };
  const picture = new Float64Array(camera.width * camera.height * 3);
  for (let top = 0; top < camera.height; top += TILE) {
    for (let left = 0; left < camera.width; left += TILE) renderTile(tracing, picture, left, top);
  }
  return develop(picture, options.exposure);
}

function renderTile(tracing: Tracing, picture: Float64Array, left: number, top: number): void {
  const { camera, light } = tracing;
  const right = Math.min(camera.width, left + TILE);
  const bottom = Math.min(camera.height, top + TILE);
  const solids = solidsOfTile(tracing, [left, top, right - 1, bottom - 1]);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      light.fill(0);
      for (let sample = 0; sample < SUBPIXELS.length; sample++) {
        if (aim(tracing, x, y, sample)) trace(tracing, solids, sample);
      }
      const at = 3 * (y * camera.width + x);
      for (let channel = 0; channel < 3; channel++) {
        picture[at + channel] = light[channel] / SUBPIXELS.length;
      }
    }
  }
}

/** Those that the tile's rays can meet. `corners`: first and last column and row. */
function solidsOfTile(
  tracing: Tracing,
  [left, top, right, bottom]: readonly [number, number, number, number],
): readonly Solid[] {
  const direction = (x: number, y: number, sample: number): number[] => {
    aim(tracing, x, y, sample);
    return [...tracing.view.subarray(3)];
  };
  const corners = [
    direction(left, top, 0),
    direction(right, top, 1),
    direction(left, bottom, 2),
    direction(right, bottom, 3),
  ];
  const axis = direction((left + right) >> 1, (top + bottom) >> 1, 3);
  return withinCone(tracing.tabletop.solids, coneAround(tracing.view, axis, corners));
}

/**
 * [height, width] 1 where any ray of a pixel meets one of the solids, 0 elsewhere; nothing is in their way. The rays
 * reach the pixel's corners, so that nothing it shows is missed.
 */
export function silhouette(camera: Camera, solids: readonly Solid[]): Uint8Array {
  const view = Float64Array.from([...centerOf(camera), 0, 0, 0]);
  const pixels = new Uint8Array(camera.width * camera.height);
  for (let y = 0; y <= camera.height; y++) {
    for (let x = 0; x <= camera.width; x++) {
      turnTo(view, camera, (x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy);
      if (!solids.some((solid) => intersect(solid, view) < Infinity)) continue;
      // A corner belongs to the four pixels around it.
      for (const row of [y - 1, y]) {
        for (const column of [x - 1, x]) {
          const inside = row >= 0 && column >= 0 && row < camera.height && column < camera.width;
          if (inside) pixels[row * camera.width + column] = 1;
        }
      }
    }
  }
  return pixels;
}

/** Point the view ray through a place in the image; false where the lens takes no light from anywhere. */
function aim({ camera, rays, view }: Tracing, x: number, y: number, sample: number): boolean {
  const [dx, dy] = SUBPIXELS[sample];
  const at = 2 * ((y * camera.width + x) * SUBPIXELS.length + sample);
  const u = rays === undefined ? (x + dx - camera.cx) / camera.fx : rays[at];
  const v = rays === undefined ? (y + dy - camera.cy) / camera.fy : rays[at + 1];
  return turnTo(view, camera, u, v);
}

/** Point the view ray through a place of the image plane at z = 1; false when there is no such place. */
function turnTo(view: Ray, { rotation: r }: Camera, u: number, v: number): boolean {
  const scale = 1 / Math.sqrt(u * u + v * v + 1);
  view[3] = (r[0] * u + r[3] * v + r[6]) * scale;
  view[4] = (r[1] * u + r[4] * v + r[7]) * scale;
  view[5] = (r[2] * u + r[5] * v + r[8]) * scale;
  return scale > 0;
}

/** Add the light that comes along the view ray. */
function trace(tracing: Tracing, solids: readonly Solid[], sample: number): void {
  const { view } = tracing;
  let distance = Infinity;
  let hit: Solid | undefined;
  for (const solid of solids) {
    const candidate = intersect(solid, view);
    if (candidate < distance) {
      distance = candidate;
      hit = solid;
    }
  }
  if (hit === undefined) addRoom(tracing);
  else shade(tracing, hit, along(view, distance), sample);
}

/** Lambert under one point of the lamp, a highlight, and ambient light that neighbours take away. */
function shade(tracing: Tracing, solid: Solid, point: Vector3, sample: number): void {
  const { tabletop, view, toLamp, light } = tracing;
  const own = ownPoint(solid, point);
  const normal = normalAt(solid, own);
  aimAtLamp(toLamp, tabletop.lampPointsM[sample], point, normal);
  const facing = normal[0] * toLamp[3] + normal[1] * toLamp[4] + normal[2] * toLamp[5];
  const lit = facing > 0 && !isShadowed(tabletop, solid, toLamp);
  const diffuse = (lit ? LAMP * facing : 0) + AMBIENT * openness(tabletop, solid, point, normal);
  const shine = lit && solid.gloss > 0 ? solid.gloss * highlight(normal, toLamp, view) : 0;
  const color = solid.texture(own);
  for (let channel = 0; channel < 3; channel++) light[channel] += color[channel] * diffuse + shine;
}

/** Towards a point of the lamp, from a little above the surface. */
function aimAtLamp(ray: Ray, lamp: Vector3, point: Vector3, normal: Vector3): void {
  const x = lamp[0] - point[0];
  const y = lamp[1] - point[1];
  const z = lamp[2] - point[2];
  const scale = 1 / Math.sqrt(x * x + y * y + z * z);
  ray[0] = point[0] + normal[0] * LIFT_M;
  ray[1] = point[1] + normal[1] * LIFT_M;
  ray[2] = point[2] + normal[2] * LIFT_M;
  ray[3] = x * scale;
  ray[4] = y * scale;
  ray[5] = z * scale;
}

/** All solids are convex: none shades what faces the lamp on itself. */
function isShadowed({ solids }: Tabletop, self: Solid, toLamp: Ray): boolean {
  for (const solid of solids) {
    if (solid !== self && intersect(solid, toLamp) < Infinity) return true;
  }
  return false;
}

/** Share of the ambient light that reaches a point: less from below, less beside other solids (as if they were balls). */
function openness(tabletop: Tabletop, self: Solid, point: Vector3, normal: Vector3): number {
  let open = 0.65 + 0.35 * normal[2];
  for (const solid of tabletop.solids) {
    // The table, first of all, is under everything: the factor above stands for it.
    if (solid === self || solid === tabletop.solids[0]) continue;
    const x = solid.centerM[0] - point[0];
    const y = solid.centerM[1] - point[1];
    const z = solid.centerM[2] - point[2];
    const towards = x * normal[0] + y * normal[1] + z * normal[2];
    if (towards <= 0) continue;
    const distance = Math.sqrt(x * x + y * y + z * z);
    const share = solid.shadeM / distance;
    // A cap seen under sin² = (r/d)² hides about that share of a hemisphere, weighted by the cosine.
    open *= 1 - 0.8 * (towards / distance) * Math.min(1, share * share);
  }
  return open;
}

/** Blinn's highlight, 0…1. */
function highlight(normal: Vector3, toLamp: Ray, view: Ray): number {
  const x = toLamp[3] - view[3];
  const y = toLamp[4] - view[4];
  const z = toLamp[5] - view[5];
  const scale = 1 / Math.sqrt(x * x + y * y + z * z);
  return Math.max(0, normal[0] * (x * scale) + normal[1] * (y * scale) + normal[2] * (z * scale)) ** 40;
}

/** Dim walls, brighter towards the ceiling, with broad bands so that they are not featureless. */
function addRoom({ tabletop: { room }, view, light }: Tracing): void {
  let distance = Infinity;
  for (let axis = 0; axis < 3; axis++) {
    const wall = view[axis + 3] > 0 ? room.maxM[axis] : room.minM[axis];
    distance = Math.min(distance, (wall - view[axis]) / view[axis + 3]);
  }
  const [x, y, z] = along(view, distance);
  const height = (z - room.minM[2]) / (room.maxM[2] - room.minM[2]);
  const glow = (0.5 + height) * (1 + 0.35 * Math.sin(5 * x) * Math.sin(5 * y));
  for (let channel = 0; channel < 3; channel++) light[channel] += room.color[channel] * glow;
}

function along(ray: Ray, distance: number): Vector3 {
  return [ray[0] + ray[3] * distance, ray[1] + ray[4] * distance, ray[2] + ray[5] * distance];
}
