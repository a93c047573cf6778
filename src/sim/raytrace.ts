/**
 * Pictures of the simulated scene, traced ray by ray. It shares nothing with the splat renderer but the camera,
 * so that a splat trained on these pictures is judged by something else than itself.
 */
import { centerOf, type Camera } from "../trainer/camera.ts";
import { intersect, normalAt, ownPoint, type Solid } from "./solids.ts";
import { TABLETOP, type Tabletop } from "./tabletop.ts";
import type { Rgb, Vector3 } from "./textures.ts";

/** Offsets within a pixel, as many as the lamp has points. */
const SUBPIXELS = [
  [0.25, 0.25],
  [0.75, 0.25],
  [0.25, 0.75],
  [0.75, 0.75],
] as const;

/** sRGB bytes of linear light in equal steps from 0 to 1 (IEC 61966-2-1); finer than a byte even in the dark. */
const SRGB_BYTES = Uint8Array.from({ length: 8192 }, (_, i) => toSrgbByte(i / 8191));

const LAMP = 0.95;
const AMBIENT = 0.38;
/** Rays towards the lamp start this far off the surface, so that it does not shade itself. */
const LIFT_M = 1e-5;

/** [height, width, 3] sRGB bytes, row-major, of the scene from a camera: 4 rays a pixel, the same bytes every time. */
export function renderTabletop(
  camera: Camera,
  options: { readonly tabletop?: Tabletop | undefined } = {},
): Uint8Array {
  const tabletop = options.tabletop ?? TABLETOP;
  const origin = centerOf(camera);
  const image = new Uint8Array(camera.width * camera.height * 3);
  for (let y = 0, byte = 0; y < camera.height; y++) {
    for (let x = 0; x < camera.width; x++, byte += 3) {
      const light = [0, 0, 0];
      for (let sample = 0; sample < SUBPIXELS.length; sample++) {
        const [dx, dy] = SUBPIXELS[sample];
        const [r, g, b] = trace(tabletop, origin, rayThrough(camera, x + dx, y + dy), sample);
        light[0] += r;
        light[1] += g;
        light[2] += b;
      }
      for (let channel = 0; channel < 3; channel++) {
        const mean = Math.min(1, light[channel] / SUBPIXELS.length);
        image[byte + channel] = SRGB_BYTES[Math.round(mean * (SRGB_BYTES.length - 1))];
      }
    }
  }
  return image;
}

/** [3] unit direction, world, through a place in the image, pixels. */
function rayThrough(camera: Camera, x: number, y: number): Vector3 {
  const u = (x - camera.cx) / camera.fx;
  const v = (y - camera.cy) / camera.fy;
  const r = camera.rotation;
  const scale = 1 / Math.sqrt(u * u + v * v + 1);
  return [
    (r[0] * u + r[3] * v + r[6]) * scale,
    (r[1] * u + r[4] * v + r[7]) * scale,
    (r[2] * u + r[5] * v + r[8]) * scale,
  ];
}

function trace(tabletop: Tabletop, origin: Vector3, direction: Vector3, sample: number): Rgb {
  let distance = Infinity;
  let hit: Solid | undefined;
  for (const solid of tabletop.solids) {
    const candidate = intersect(solid, origin, direction);
    if (candidate < distance) {
      distance = candidate;
      hit = solid;
    }
  }
  if (hit === undefined) return roomColor(tabletop, origin, direction);
  return shade(tabletop, hit, along(origin, direction, distance), direction, sample);
}

/** Lambert under one point of the lamp, a highlight, and ambient light that neighbours take away. */
function shade(tabletop: Tabletop, solid: Solid, point: Vector3, view: Vector3, sample: number): Rgb {
  const own = ownPoint(solid, point);
  const normal = normalAt(solid, own);
  const lamp = tabletop.lampPointsM[sample];
  const toLamp = normalized([lamp[0] - point[0], lamp[1] - point[1], lamp[2] - point[2]]);
  const facing = dot(normal, toLamp);
  const lit = facing > 0 && !isShadowed(tabletop, along(point, normal, LIFT_M), toLamp);
  const diffuse = (lit ? LAMP * facing : 0) + AMBIENT * openness(tabletop, solid, point, normal);
  const shine = lit && solid.gloss > 0 ? solid.gloss * highlight(normal, toLamp, view) : 0;
  const [r, g, b] = solid.texture(own);
  return [r * diffuse + shine, g * diffuse + shine, b * diffuse + shine];
}

function isShadowed(tabletop: Tabletop, point: Vector3, toLamp: Vector3): boolean {
  for (const solid of tabletop.solids) {
    if (intersect(solid, point, toLamp) < Infinity) return true;
  }
  return false;
}

/** Share of the ambient light that reaches a point: less from below, less beside other solids (as if they were balls). */
function openness(tabletop: Tabletop, self: Solid, point: Vector3, normal: Vector3): number {
  let open = 0.65 + 0.35 * normal[2];
  for (const solid of tabletop.solids) {
    // The table, first of all, is under everything: the factor above stands for it.
    if (solid === self || solid === tabletop.solids[0]) continue;
    const to: Vector3 = [
      solid.centerM[0] - point[0],
      solid.centerM[1] - point[1],
      solid.centerM[2] - point[2],
    ];
    const distance = Math.sqrt(dot(to, to));
    const cosine = dot(to, normal) / distance;
    // A cap seen under sin² = (r/d)² hides about that share of a hemisphere, weighted by the cosine.
    if (cosine > 0) open *= 1 - 0.8 * cosine * Math.min(1, (solid.reachM / distance) ** 2);
  }
  return open;
}

/** Blinn's highlight, 0…1. */
function highlight(normal: Vector3, toLamp: Vector3, view: Vector3): number {
  const half = normalized([toLamp[0] - view[0], toLamp[1] - view[1], toLamp[2] - view[2]]);
  return Math.max(0, dot(normal, half)) ** 40;
}

/** Dim walls, brighter towards the ceiling, with broad bands so that they are not featureless. */
function roomColor({ room }: Tabletop, origin: Vector3, direction: Vector3): Rgb {
  let distance = Infinity;
  for (let axis = 0; axis < 3; axis++) {
    const wall = direction[axis] > 0 ? room.maxM[axis] : room.minM[axis];
    distance = Math.min(distance, (wall - origin[axis]) / direction[axis]);
  }
  const [x, y, z] = along(origin, direction, distance);
  const height = (z - room.minM[2]) / (room.maxM[2] - room.minM[2]);
  const glow = (0.5 + height) * (1 + 0.35 * Math.sin(5 * x) * Math.sin(5 * y));
  return [room.color[0] * glow, room.color[1] * glow, room.color[2] * glow];
}

function along(origin: Vector3, direction: Vector3, distance: number): Vector3 {
  return [
    origin[0] + direction[0] * distance,
    origin[1] + direction[1] * distance,
    origin[2] + direction[2] * distance,
  ];
}

function normalized(v: Vector3): Vector3 {
  const scale = 1 / Math.sqrt(dot(v, v));
  return [v[0] * scale, v[1] * scale, v[2] * scale];
}

function dot(a: Vector3, b: Vector3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function toSrgbByte(light: number): number {
  return Math.round(255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055));
}
