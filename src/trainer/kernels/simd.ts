/** Four floats at a time: short names for what every kernel does, and the exponential. */

// @ts-ignore: decorator
@inline
export function splat(x: f32): v128 {
  return f32x4.splat(x);
}
// @ts-ignore: decorator
@inline
export function add(a: v128, b: v128): v128 {
  return f32x4.add(a, b);
}
// @ts-ignore: decorator
@inline
export function sub(a: v128, b: v128): v128 {
  return f32x4.sub(a, b);
}
// @ts-ignore: decorator
@inline
export function mul(a: v128, b: v128): v128 {
  return f32x4.mul(a, b);
}
// @ts-ignore: decorator
@inline
export function div(a: v128, b: v128): v128 {
  return f32x4.div(a, b);
}
/** a · b + c; in one instruction where relaxed SIMD is on. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
/** c − a · b. */
// @ts-ignore: decorator
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}
/** Store the first `lanes` of four numbers: an image's width need not be a multiple of four. */
// @ts-ignore: decorator
@inline
export function storeLanes(out: usize, v: v128, lanes: i32): void {
  if (lanes >= 4) {
    v128.store(out, v);
    return;
  }
  store<f32>(out, f32x4.extract_lane(v, 0));
  if (lanes > 1) store<f32>(out, f32x4.extract_lane(v, 1), 4);
  if (lanes > 2) store<f32>(out, f32x4.extract_lane(v, 2), 8);
}
/** The sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sum4(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The sums of the four lanes of a, b, c and d. */
// @ts-ignore: decorator
@inline
export function sums4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
}

/**
 * 2^x for x in −126…126, relative error 4e-6: x is rounded to a whole number by adding 1.5·2²³, the rest goes through a
 * polynomial of degree 4, and the whole part is added to the exponent bits.
 */
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  const shifted = add(x, splat(12582912));
  const f = sub(x, sub(shifted, splat(12582912)));
  let p = madd(f, splat(9.66636852e-3), splat(5.59219758e-2));
  p = madd(p, f, splat(0.24022349));
  p = madd(p, f, splat(0.693121045));
  p = madd(p, f, splat(1));
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/** log2(x) of a normal x > 0, absolute error 1e-7 near 1, relative 1e-7 elsewhere: exponent bits, and atanh's series for the rest. */
// @ts-ignore: decorator
@inline
export function log2(x: f32): f32 {
  const bits = reinterpret<i32>(x) - 0x3f3504f3;
  const exponent = bits >> 23;
  const mantissa = reinterpret<f32>((bits & 0x7fffff) + 0x3f3504f3);
  const t = (mantissa - 1) / (mantissa + 1);
  const tt = t * t;
  return f32(exponent) + t * (2.88539008 + tt * (0.961796694 + tt * (0.577078016 + tt * 0.412198583)));
}
