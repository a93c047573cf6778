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

/** 1 / x and √x for short. */
// @ts-ignore: decorator
@inline
export function reciprocal(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), x);
}
// @ts-ignore: decorator
@inline
export function root(x: v128): v128 {
  return f32x4.sqrt(x);
}
// @ts-ignore: decorator
@inline
export function and(a: v128, b: v128): v128 {
  return v128.and(a, b);
}

/** x, no lower and no higher than that; NaN stays NaN. (`min` and `max` are many instructions, these are one.) */
// @ts-ignore: decorator
@inline
export function between(x: v128, low: v128, high: v128): v128 {
  return f32x4.pmax(f32x4.pmin(x, high), low);
}

/** e^x, relative error 2e-7; x is cut to −87…88. NaN stays NaN. (Cody–Waite reduction; Cephes' polynomial.) */
// @ts-ignore: decorator
@inline
export function exp(raw: v128): v128 {
  const x = between(raw, splat(-87), splat(88));
  const shifted = add(mul(x, splat(1.44269504)), splat(12582912));
  const whole = sub(shifted, splat(12582912));
  const f = nmadd(whole, splat(-2.12194440e-4), nmadd(whole, splat(0.693359375), x));
  let p = madd(f, splat(1.9875691500e-4), splat(1.3981999507e-3));
  p = madd(p, f, splat(8.3334519073e-3));
  p = madd(p, f, splat(4.1665795894e-2));
  p = madd(p, f, splat(1.6666665459e-1));
  p = madd(p, f, splat(5.0000001201e-1));
  p = madd(mul(p, f), f, add(f, splat(1)));
  return mul(p, i32x4.shl(i32x4.add(shifted, i32x4.splat(127)), 23));
}

/** ln(1 + f) for f in −0.3…0.42, relative error 2e-7 (Cephes' polynomial). */
// @ts-ignore: decorator
@inline
export function log1p(f: v128): v128 {
  let p = madd(f, splat(7.0376836292e-2), splat(-1.1514610310e-1));
  p = madd(p, f, splat(1.1676998740e-1));
  p = madd(p, f, splat(-1.2420140846e-1));
  p = madd(p, f, splat(1.4249322787e-1));
  p = madd(p, f, splat(-1.6668057665e-1));
  p = madd(p, f, splat(2.0000714765e-1));
  p = madd(p, f, splat(-2.4999993993e-1));
  p = madd(p, f, splat(3.3333331174e-1));
  const ff = mul(f, f);
  return add(f, nmadd(splat(0.5), ff, mul(mul(p, f), ff)));
}

/** ln x for normal x > 0, absolute error 1e-7 · max(1, |ln x|). What it gives for anything else means nothing. */
// @ts-ignore: decorator
@inline
export function log(x: v128): v128 {
  // The mantissa goes to √½…√2: exponents count from there.
  const shifted = i32x4.sub(x, i32x4.splat(0x3f3504f3));
  const exponent = f32x4.convert_i32x4_s(i32x4.shr_s(shifted, 23));
  const mantissa = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  return madd(exponent, splat(0.69314718), log1p(sub(mantissa, splat(1))));
}

/** Four rows of four numbers, `fromStride` bytes apart, to columns `toStride` bytes apart; not in place. */
// @ts-ignore: decorator
@inline
export function transpose(from: usize, fromStride: usize, to: usize, toStride: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + fromStride);
  const c = v128.load(from + 2 * fromStride);
  const d = v128.load(from + 3 * fromStride);
  const ab01 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const cd01 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const ab23 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd23 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(ab01, cd01, 0, 1, 4, 5));
  v128.store(to + toStride, v128.shuffle<f32>(ab01, cd01, 2, 3, 6, 7));
  v128.store(to + 2 * toStride, v128.shuffle<f32>(ab23, cd23, 0, 1, 4, 5));
  v128.store(to + 3 * toStride, v128.shuffle<f32>(ab23, cd23, 2, 3, 6, 7));
}

/** Four rows of three numbers, one after the other at `from` → three vectors at `to`. */
// @ts-ignore: decorator
@inline
export function rowsOf3ToColumns(from: usize, to: usize): void {
  const a = v128.load(from);
  const b = v128.load(from, 16);
  const c = v128.load(from, 32);
  v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(a, b, 0, 3, 6, 0), c, 0, 1, 2, 5));
  v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(a, b, 1, 4, 7, 0), c, 0, 1, 2, 6), 16);
  v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(a, b, 2, 5, 0, 0), c, 0, 1, 4, 7), 32);
}

/** The way back; in place works too. */
// @ts-ignore: decorator
@inline
export function columnsToRowsOf3(from: usize, to: usize): void {
  const x = v128.load(from);
  const y = v128.load(from, 16);
  const z = v128.load(from, 32);
  v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(x, y, 0, 4, 1, 5), z, 0, 1, 4, 2));
  v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(y, z, 1, 5, 2, 6), x, 0, 1, 6, 2), 16);
  v128.store(to, v128.shuffle<f32>(z, v128.shuffle<f32>(x, y, 3, 7, 3, 7), 2, 4, 5, 3), 32);
}
