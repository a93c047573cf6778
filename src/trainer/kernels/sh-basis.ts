/** Spherical harmonics, as `sh.ts` of the splat formats, of four directions at a time. */
import { CENTER, get, MEAN, put } from "./four.ts";
import { add, div, madd, mul, nmadd, root, splat, sub } from "./simd.ts";

export const SH_C0: f32 = 0.28209479177387814;
const C1: f32 = 0.4886025119029199;
const C20: f32 = 1.0925484305920792;
const C21: f32 = 0.31539156525252005;
const C22: f32 = 0.5462742152960396;
const C30: f32 = 0.5900435899266435;
const C31: f32 = 2.890611442640554;
const C32: f32 = 0.4570457994644658;
const C33: f32 = 0.3731763325901154;
const C34: f32 = 1.445305721320277;

// In the scratch. The unit vectors from camera to means [3], 1 / their length before, basis functions [16].
export const DIRECTION: usize = 4096;
export const INVERSE_DISTANCE: usize = 4144;
export const BASIS: usize = 4160;
/** [16] what the basis' gradient is weighted with; then that gradient, [3]. */
export const WEIGHTS: usize = 4416;
export const DIRECTION_GRADIENT: usize = 4672;
export const BASIS_END: usize = 4720;

// @ts-ignore: decorator
@inline
function scaled(c: f32, v: v128): v128 {
  return mul(splat(c), v);
}

/** The (degree+1)² basis functions in the directions of the four means. */
export function shBasis(s: usize, degree: i32): void {
  put(s, BASIS, splat(SH_C0));
  if (degree < 1) return;
  const dx = sub(get(s, MEAN), get(s, CENTER));
  const dy = sub(get(s, MEAN + 16), get(s, CENTER + 16));
  const dz = sub(get(s, MEAN + 32), get(s, CENTER + 32));
  const inverse = div(splat(1), root(madd(dx, dx, madd(dy, dy, mul(dz, dz)))));
  const x = mul(dx, inverse);
  const y = mul(dy, inverse);
  const z = mul(dz, inverse);
  put(s, DIRECTION, x);
  put(s, DIRECTION + 16, y);
  put(s, DIRECTION + 32, z);
  put(s, INVERSE_DISTANCE, inverse);
  put(s, BASIS + 16, scaled(-C1, y));
  put(s, BASIS + 32, scaled(C1, z));
  put(s, BASIS + 48, scaled(-C1, x));
  if (degree < 2) return;
  const xx = mul(x, x);
  const yy = mul(y, y);
  const zz = mul(z, z);
  const xy = mul(x, y);
  const round = add(xx, yy);
  const skew = sub(xx, yy);
  put(s, BASIS + 64, scaled(C20, xy));
  put(s, BASIS + 80, scaled(-C20, mul(y, z)));
  put(s, BASIS + 96, scaled(C21, sub(add(zz, zz), round)));
  put(s, BASIS + 112, scaled(-C20, mul(x, z)));
  put(s, BASIS + 128, scaled(C22, skew));
  if (degree < 3) return;
  const four = sub(scaled(4, zz), round);
  put(s, BASIS + 144, scaled(-C30, mul(y, sub(scaled(3, xx), yy))));
  put(s, BASIS + 160, scaled(C31, mul(xy, z)));
  put(s, BASIS + 176, scaled(-C32, mul(y, four)));
  put(s, BASIS + 192, scaled(C33, mul(z, sub(add(zz, zz), scaled(3, round)))));
  put(s, BASIS + 208, scaled(-C32, mul(x, four)));
  put(s, BASIS + 224, scaled(C34, mul(z, skew)));
  put(s, BASIS + 240, scaled(-C30, mul(x, sub(xx, scaled(3, yy)))));
}

/** Σ weight · gradient of each basis function in x, y, z at the directions of `shBasis`. */
export function shBasisGradient(s: usize, degree: i32): void {
  const x = get(s, DIRECTION);
  const y = get(s, DIRECTION + 16);
  const z = get(s, DIRECTION + 32);
  let gx = scaled(-C1, weight(s, 3));
  let gy = scaled(-C1, weight(s, 1));
  let gz = scaled(C1, weight(s, 2));
  if (degree >= 2) {
    const w4 = scaled(C20, weight(s, 4));
    const w5 = scaled(C20, weight(s, 5));
    const w6 = scaled(2 * C21, weight(s, 6));
    const w7 = scaled(C20, weight(s, 7));
    const w8 = scaled(2 * C22, weight(s, 8));
    gx = nmadd(z, w7, madd(x, sub(w8, w6), madd(y, w4, gx)));
    gy = nmadd(z, w5, nmadd(y, add(w6, w8), madd(x, w4, gy)));
    gz = nmadd(x, w7, nmadd(y, w5, madd(z, add(w6, w6), gz)));
  }
  put(s, DIRECTION_GRADIENT, gx);
  put(s, DIRECTION_GRADIENT + 16, gy);
  put(s, DIRECTION_GRADIENT + 32, gz);
  if (degree >= 3) addDegree3(s, x, y, z);
}

function addDegree3(s: usize, x: v128, y: v128, z: v128): void {
  const xx = mul(x, x);
  const yy = mul(y, y);
  const zz4 = scaled(4, mul(z, z));
  const xy2 = scaled(2, mul(x, y));
  const yz = mul(y, z);
  const xz = mul(x, z);
  const skew = sub(xx, yy);
  const w9 = scaled(3 * C30, weight(s, 9));
  const w10 = scaled(C31, weight(s, 10));
  const w11 = scaled(C32, weight(s, 11));
  const w12 = scaled(3 * C33, weight(s, 12));
  const w13 = scaled(C32, weight(s, 13));
  const w14 = scaled(C34, weight(s, 14));
  const w15 = scaled(3 * C30, weight(s, 15));
  let gx = get(s, DIRECTION_GRADIENT);
  let gy = get(s, DIRECTION_GRADIENT + 16);
  let gz = get(s, DIRECTION_GRADIENT + 32);
  gx = madd(xy2, sub(w11, w9), madd(yz, w10, gx));
  gx = madd(add(xz, xz), sub(w14, w12), gx);
  gx = nmadd(sub(sub(zz4, scaled(3, xx)), yy), w13, nmadd(skew, w15, gx));
  gy = nmadd(skew, w9, madd(xz, w10, gy));
  gy = nmadd(sub(sub(zz4, xx), scaled(3, yy)), w11, gy);
  gy = nmadd(add(yz, yz), add(w12, w14), madd(xy2, add(w13, w15), gy));
  gz = madd(scaled(0.5, xy2), w10, nmadd(scaled(8, yz), w11, gz));
  gz = madd(sub(scaled(0.5, zz4), add(xx, yy)), w12, gz);
  gz = madd(skew, w14, nmadd(scaled(8, xz), w13, gz));
  put(s, DIRECTION_GRADIENT, gx);
  put(s, DIRECTION_GRADIENT + 16, gy);
  put(s, DIRECTION_GRADIENT + 32, gz);
}

// @ts-ignore: decorator
@inline
function weight(s: usize, k: usize): v128 {
  return get(s, WEIGHTS + (k << 4));
}
