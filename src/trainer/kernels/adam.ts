/** Adam, as `adam.ts` of the reference, four numbers at a time. */
import * as RULE from "./conventions.ts";
import { scalar64 } from "./memory.ts";
import { add, and, div, madd, mul, root, splat, sub } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

/** Moments smaller than these move nothing (the step would be 1e-9 and 1e-3 of epsilon); as zeros they cost no time. */
const MOMENT1_MIN: f32 = 1e-24;
const MOMENT2_MIN: f32 = 1e-36;
const EPSILON: f32 = f32(RULE.EPSILON);
const BETA1: f32 = f32(RULE.BETA1);
const BETA2: f32 = f32(RULE.BETA2);
const REST1: f32 = f32(1 - RULE.BETA1);
const REST2: f32 = f32(1 - RULE.BETA2);

/** 1/(1−βᵗ) of the current step t. */
function biasCorrection(beta: f64): f64 {
  let power: f64 = 1;
  let factor = beta;
  for (let t = i64(scalar64(SCALAR.adamStep)); t > 0; t >>= 1) {
    if (t & 1) power *= factor;
    factor *= factor;
  }
  return 1 / (1 - power);
}

/** The second moment's correction of the current step. */
export function secondCorrection(): v128 {
  return splat(f32(biasCorrection(RULE.BETA2)));
}

/** The learning rate in a scalar, times the first moment's correction of the current step. */
export function correctedRate(index: i32): v128 {
  return splat(f32(scalar64(index) * biasCorrection(RULE.BETA1)));
}

/** One update of the four numbers at `values`; of those in `mask` only when `masked`. */
// @ts-ignore: decorator
@inline
export function adam(
  values: usize,
  moments1: usize,
  moments2: usize,
  gradient: v128,
  rate: v128,
  correction: v128,
  masked: bool,
  mask: v128,
): void {
  const oldFirst = v128.load(moments1);
  const oldSecond = v128.load(moments2);
  const value = v128.load(values);
  let first = madd(splat(BETA1), oldFirst, mul(splat(REST1), gradient));
  let second = madd(splat(BETA2), oldSecond, mul(splat(REST2), mul(gradient, gradient)));
  first = and(first, f32x4.gt(f32x4.abs(first), splat(MOMENT1_MIN)));
  second = and(second, f32x4.gt(second, splat(MOMENT2_MIN)));
  const step = div(mul(rate, first), add(root(mul(second, correction)), splat(EPSILON)));
  const after = sub(value, step);
  v128.store(moments1, masked ? v128.bitselect(first, oldFirst, mask) : first);
  v128.store(moments2, masked ? v128.bitselect(second, oldSecond, mask) : second);
  v128.store(values, masked ? v128.bitselect(after, value, mask) : after);
}

/** One update of the one number at `values`. */
export function adamOne(
  values: usize,
  moments1: usize,
  moments2: usize,
  gradient: f32,
  rate: f32,
  correction: f32,
): void {
  let first: f32 = BETA1 * load<f32>(moments1) + REST1 * gradient;
  let second: f32 = BETA2 * load<f32>(moments2) + REST2 * gradient * gradient;
  if (!(abs(first) > MOMENT1_MIN)) first = 0;
  if (!(second > MOMENT2_MIN)) second = 0;
  const step = (rate * first) / (sqrt<f32>(second * correction) + EPSILON);
  store<f32>(moments1, first);
  store<f32>(moments2, second);
  store<f32>(values, load<f32>(values) - step);
}
