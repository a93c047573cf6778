/**
 * Four Gaussians side by side, one per lane: what projection, its transpose, the update and the noise all start from.
 * Intermediate vectors lie in the thread's scratch at fixed offsets, so that every function finds them there.
 */
import * as ADDRESS from "./addresses.ts";
import * as RULE from "./conventions.ts";
import { at, scalar } from "./memory.ts";
import {
  add,
  and,
  between,
  div,
  exp,
  madd,
  mul,
  reciprocal,
  root,
  rowsOf3ToColumns,
  splat,
  sub,
  transpose,
} from "./simd.ts";
import * as SCALAR from "../scalars.ts";

export const BLUR: f32 = f32(RULE.BLUR);
export const FILTER_MIN: f32 = f32(RULE.FILTER_MIN);
const JACOBIAN_LIMIT: f32 = f32(RULE.JACOBIAN_LIMIT);

// The camera: each number in all four lanes. R [9], t [3], centre [3].
export const R: usize = 0;
export const T: usize = 144;
export const CENTER: usize = 192;
export const FX: usize = 240;
export const FY: usize = 256;
export const CX: usize = 272;
export const CY: usize = 288;
export const LIMIT_X: usize = 304;
export const LIMIT_Y: usize = 320;
export const WIDTH: usize = 336;
export const HEIGHT: usize = 352;

// The four Gaussians. Mean in the world [3] and in the camera's frame [3], scales [3], opacity and 1 − opacity.
export const MEAN: usize = 368;
export const PLACE: usize = 416;
export const SCALE: usize = 464;
export const OPACITY: usize = 512;
export const TRANSPARENCY: usize = 528;
// Quaternion of length one [4], 1 / its length before, rotation · scale [9].
export const QUAT: usize = 544;
export const INVERSE_NORM: usize = 608;
export const SHAPE: usize = 624;
// 1/z, x/z and y/z within the Jacobian's limits; its entries fx/z, −fx·u/z, fy/z, −fy·v/z.
export const INVERSE_Z: usize = 768;
export const U: usize = 784;
export const V: usize = 800;
export const J0: usize = 816;
export const J2: usize = 832;
export const J4: usize = 848;
export const J5: usize = 864;
// The two rows of J·R [6], and those times rotation · scale [6].
export const JR: usize = 880;
export const ROWS: usize = 976;
// Covariance on the image before the blur, its determinant, and the determinant after.
export const XX: usize = 1072;
export const XY: usize = 1088;
export const YY: usize = 1104;
export const SHARP: usize = 1120;
export const DET: usize = 1136;
/** The twelve numbers of each splat, and the nine of its gradient. */
export const SPLAT: usize = 1152;
export const SPLAT_GRADIENT: usize = 1344;
// Gradients of the loss in means [3], log scales [3], quaternions [4] and opacity.
export const MEANS_GRADIENT: usize = 1488;
export const LOG_SCALES_GRADIENT: usize = 1536;
export const QUATS_GRADIENT: usize = 1584;
export const OPACITY_GRADIENT: usize = 1648;
/** The chunk's sums of the camera's gradient [16], lane by lane. */
export const CAMERA_SUMS: usize = 1664;
/** Learning rates, corrected for the step: means, log scales, quaternions, opacity, colour; second moment's correction. */
export const RATES: usize = 1920;
export const CORRECTION: usize = 2032;
/** Lanes that the current image shows. */
export const SEEN: usize = 2048;
/** From here on the scratch is free for others. */
export const FOUR_END: usize = 2064;

// @ts-ignore: decorator
@inline
export function get(s: usize, field: usize): v128 {
  return v128.load(s + field);
}
// @ts-ignore: decorator
@inline
export function put(s: usize, field: usize, value: v128): void {
  v128.store(s + field, value);
}

/** Spread the camera of the current step over the lanes. */
export function loadCamera(s: usize): void {
  for (let k: i32 = 0; k < 9; k++) put(s, R + (usize(k) << 4), splat(scalar(SCALAR.rotation + k)));
  for (let k: i32 = 0; k < 3; k++) {
    put(s, T + (usize(k) << 4), splat(scalar(SCALAR.translation + k)));
    put(s, CENTER + (usize(k) << 4), splat(scalar(SCALAR.center + k)));
  }
  const fx = scalar(SCALAR.fx);
  const fy = scalar(SCALAR.fy);
  const width = scalar(SCALAR.width);
  const height = scalar(SCALAR.height);
  put(s, FX, splat(fx));
  put(s, FY, splat(fy));
  put(s, CX, splat(scalar(SCALAR.cx)));
  put(s, CY, splat(scalar(SCALAR.cy)));
  put(s, LIMIT_X, splat((JACOBIAN_LIMIT * 0.5 * width) / fx));
  put(s, LIMIT_Y, splat((JACOBIAN_LIMIT * 0.5 * height) / fy));
  put(s, WIDTH, splat(width));
  put(s, HEIGHT, splat(height));
}

/** Means, scales and opacities of Gaussians i…i+3. */
export function loadFour(s: usize, i: usize): void {
  rowsOf3ToColumns(at(ADDRESS.means) + i * 12, s + MEAN);
  const x = get(s, MEAN);
  const y = get(s, MEAN + 16);
  const z = get(s, MEAN + 32);
  for (let row: usize = 0; row < 3; row++) {
    const r = s + R + row * 48;
    const place = madd(get(r, 0), x, madd(get(r, 16), y, madd(get(r, 32), z, get(s, T + (row << 4)))));
    put(s, PLACE + (row << 4), place);
  }
  loadScales(s, at(ADDRESS.logScales) + i * 12);
  const away = exp(f32x4.neg(v128.load(at(ADDRESS.opacities) + (i << 2))));
  const opacity = reciprocal(add(splat(1), away));
  put(s, OPACITY, opacity);
  put(s, TRANSPARENCY, mul(away, opacity));
}

/** Scales of the four rows of log scales at `rows`. */
export function loadScales(s: usize, rows: usize): void {
  rowsOf3ToColumns(rows, s + SCALE);
  for (let axis: usize = 0; axis < 48; axis += 16) put(s, SCALE + axis, exp(get(s, SCALE + axis)));
}

/** Rotation · scale of the four quaternions at `rows`, whose scales are loaded. The zero quaternion is taken as no rotation. */
export function loadShapes(s: usize, rows: usize): void {
  transpose(rows, 16, s + QUAT, 16);
  const w0 = get(s, QUAT);
  const x0 = get(s, QUAT + 16);
  const y0 = get(s, QUAT + 32);
  const z0 = get(s, QUAT + 48);
  // Divided by the largest part first, so that no square leaves the range of floats.
  const largest = f32x4.pmax(f32x4.pmax(f32x4.abs(w0), f32x4.abs(x0)), f32x4.pmax(f32x4.abs(y0), f32x4.abs(z0)));
  const isZero = f32x4.lt(largest, splat(1e-37));
  const first = v128.andnot(reciprocal(largest), isZero);
  const w1 = mul(w0, first);
  const x1 = mul(x0, first);
  const y1 = mul(y0, first);
  const z1 = mul(z0, first);
  const length = root(madd(w1, w1, madd(x1, x1, madd(y1, y1, mul(z1, z1)))));
  const second = v128.andnot(reciprocal(length), isZero);
  const w = v128.bitselect(splat(1), mul(w1, second), isZero);
  const x = mul(x1, second);
  const y = mul(y1, second);
  const z = mul(z1, second);
  put(s, INVERSE_NORM, mul(first, second));
  put(s, QUAT, w);
  put(s, QUAT + 16, x);
  put(s, QUAT + 32, y);
  put(s, QUAT + 48, z);
  const one = splat(1);
  const two = splat(2);
  const scale0 = get(s, SCALE);
  const scale1 = get(s, SCALE + 16);
  const scale2 = get(s, SCALE + 32);
  put(s, SHAPE, mul(scale0, sub(one, mul(two, madd(y, y, mul(z, z))))));
  put(s, SHAPE + 16, mul(scale1, mul(two, sub(mul(x, y), mul(w, z)))));
  put(s, SHAPE + 32, mul(scale2, mul(two, madd(x, z, mul(w, y)))));
  put(s, SHAPE + 48, mul(scale0, mul(two, madd(x, y, mul(w, z)))));
  put(s, SHAPE + 64, mul(scale1, sub(one, mul(two, madd(x, x, mul(z, z))))));
  put(s, SHAPE + 80, mul(scale2, mul(two, sub(mul(y, z), mul(w, x)))));
  put(s, SHAPE + 96, mul(scale0, mul(two, sub(mul(x, z), mul(w, y)))));
  put(s, SHAPE + 112, mul(scale1, mul(two, madd(y, z, mul(w, x)))));
  put(s, SHAPE + 128, mul(scale2, sub(one, mul(two, madd(x, x, mul(y, y))))));
}

/** From means and shapes to the covariance on the image. */
export function projectShapes(s: usize): void {
  const iz = div(splat(1), get(s, PLACE + 32));
  const u = cut(mul(get(s, PLACE), iz), get(s, LIMIT_X));
  const v = cut(mul(get(s, PLACE + 16), iz), get(s, LIMIT_Y));
  const j0 = mul(get(s, FX), iz);
  const j2 = f32x4.neg(mul(j0, u));
  const j4 = mul(get(s, FY), iz);
  const j5 = f32x4.neg(mul(j4, v));
  put(s, INVERSE_Z, iz);
  put(s, U, u);
  put(s, V, v);
  put(s, J0, j0);
  put(s, J2, j2);
  put(s, J4, j4);
  put(s, J5, j5);
  for (let k: usize = 0; k < 48; k += 16) {
    put(s, JR + k, madd(j0, get(s, R + k), mul(j2, get(s, R + 96 + k))));
    put(s, JR + 48 + k, madd(j4, get(s, R + 48 + k), mul(j5, get(s, R + 96 + k))));
  }
  for (let row: usize = 0; row < 96; row += 48) {
    const a0 = get(s, JR + row);
    const a1 = get(s, JR + row + 16);
    const a2 = get(s, JR + row + 32);
    for (let k: usize = 0; k < 48; k += 16) {
      const shape = s + SHAPE + k;
      put(s, ROWS + row + k, madd(a0, get(shape, 0), madd(a1, get(shape, 48), mul(a2, get(shape, 96)))));
    }
  }
  const v0 = get(s, ROWS);
  const v1 = get(s, ROWS + 16);
  const v2 = get(s, ROWS + 32);
  const v3 = get(s, ROWS + 48);
  const v4 = get(s, ROWS + 64);
  const v5 = get(s, ROWS + 80);
  const xx = madd(v0, v0, madd(v1, v1, mul(v2, v2)));
  const yy = madd(v3, v3, madd(v4, v4, mul(v5, v5)));
  // The square of the rows' cross product: nothing cancels, however thin the splat.
  const n0 = sub(mul(v1, v5), mul(v2, v4));
  const n1 = sub(mul(v2, v3), mul(v0, v5));
  const n2 = sub(mul(v0, v4), mul(v1, v3));
  const sharp = madd(n0, n0, madd(n1, n1, mul(n2, n2)));
  put(s, XX, xx);
  put(s, XY, madd(v0, v3, madd(v1, v4, mul(v2, v5))));
  put(s, YY, yy);
  put(s, SHARP, sharp);
  put(s, DET, add(sharp, madd(splat(BLUR), add(xx, yy), splat(BLUR * BLUR))));
}

// @ts-ignore: decorator
@inline
function cut(x: v128, limit: v128): v128 {
  return between(x, f32x4.neg(limit), limit);
}

/** All ones in the lanes whose bit of `bits` is set. */
// @ts-ignore: decorator
@inline
export function laneMask(bits: i32): v128 {
  return i32x4.ne(and(i32x4.splat(bits), i32x4(1, 2, 4, 8)), i32x4.splat(0));
}
