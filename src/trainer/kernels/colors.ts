/** Colours of splats from spherical harmonics, and back: coefficients take their step where their gradient is made. */
import { adam, adamOne } from "./adam.ts";
import * as ADDRESS from "./addresses.ts";
import * as RULE from "./conventions.ts";
import { CORRECTION, get, put, RATES, SEEN, SPLAT, SPLAT_GRADIENT } from "./four.ts";
import { at, scalarInt } from "./memory.ts";
import {
  BASIS,
  BASIS_END,
  DIRECTION,
  DIRECTION_GRADIENT,
  INVERSE_DISTANCE,
  SH_C0,
  shBasis,
  shBasisGradient,
  WEIGHTS,
} from "./sh-basis.ts";
import { add, and, columnsToRowsOf3, madd, mul, nmadd, rowsOf3ToColumns, splat, sum4, transpose } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

const COLOR_MAX: f32 = f32(RULE.COLOR_MAX);
const COLOR: usize = SPLAT + 96;
const COLOR_GRADIENT: usize = SPLAT_GRADIENT + 96;

// In the scratch: `BASIS` and `WEIGHTS` Gaussian by Gaussian, [4,16] numbers each.
const BASIS_ROWS: usize = BASIS_END;
const WEIGHT_ROWS: usize = BASIS_ROWS + 256;
/** Which channels of which lanes were not cut, [3]; then gradients and masks on their way to rows, [3] each. */
const PASSES: usize = WEIGHT_ROWS + 256;
const GRADIENT_ROWS: usize = PASSES + 48;
const MASK_ROWS: usize = GRADIENT_ROWS + 48;

/** Colours of those of Gaussians i…i+3 whose bit is set in `lanes`, into their splats. */
export function colorFour(s: usize, i: usize, lanes: i32): void {
  const k = scalarInt(SCALAR.shCount);
  const degree = scalarInt(SCALAR.shDegree);
  const used = (degree + 1) * (degree + 1);
  const sh = at(ADDRESS.sh) + i * usize(12 * k);
  if (k == 1) {
    rowsOf3ToColumns(sh, s + COLOR);
    for (let c: usize = 0; c < 48; c += 16) put(s, COLOR + c, mul(splat(SH_C0), get(s, COLOR + c)));
  } else {
    basisRows(s, degree, used);
    for (let lane: usize = 0; lane < 4; lane++) {
      if (((lanes >> i32(lane)) & 1) == 0) continue;
      for (let channel: usize = 0; channel < 3; channel++) {
        const row = sh + (lane * 3 + channel) * usize(4 * k);
        store<f32>(s + COLOR + (channel << 4) + (lane << 2), dot(row, s + BASIS_ROWS + (lane << 6), used));
      }
    }
  }
  for (let c: usize = 0; c < 48; c += 16) {
    const value = add(splat(0.5), get(s, COLOR + c));
    put(s, COLOR + c, and(f32x4.pmin(value, splat(COLOR_MAX)), f32x4.gt(value, splat(0))));
  }
}

function basisRows(s: usize, degree: i32, used: i32): void {
  shBasis(s, degree);
  for (let k: i32 = 0; k < used; k += 4) {
    transpose(s + BASIS + (usize(k) << 4), 16, s + BASIS_ROWS + (usize(k) << 2), 64);
  }
}

/** Sum of products of `used` numbers: 1, or a multiple of four and one more or none. */
// @ts-ignore: decorator
@inline
function dot(row: usize, basis: usize, used: i32): f32 {
  let sum = splat(0);
  const whole = usize(used & ~3) << 2;
  for (let o: usize = 0; o < whole; o += 16) sum = madd(v128.load(row + o), v128.load(basis + o), sum);
  const rest = (used & 1) != 0 ? load<f32>(row + whole) * load<f32>(basis + whole) : 0;
  return sum4(sum) + rest;
}

/**
 * Chain rule through the colours of the lanes set in `SEEN`, and their coefficients' step. True when colours hang on
 * the direction; then `directionToMean` is the rest of it.
 */
export function colorBackward(s: usize, i: usize): bool {
  const seen = get(s, SEEN);
  const k = scalarInt(SCALAR.shCount);
  const degree = scalarInt(SCALAR.shDegree);
  for (let c: usize = 0; c < 48; c += 16) {
    const color = get(s, COLOR + c);
    // A colour that was cut passes nothing on; its coefficients may not even be numbers.
    const passes = and(seen, and(f32x4.gt(color, splat(0)), f32x4.lt(color, splat(COLOR_MAX))));
    put(s, PASSES + c, passes);
    put(s, COLOR_GRADIENT + c, and(get(s, COLOR_GRADIENT + c), passes));
  }
  const offset = i * usize(12 * k);
  if (k == 1) {
    flatBackward(s, offset, seen);
    return false;
  }
  const used = (degree + 1) * (degree + 1);
  basisRows(s, degree, used);
  const lanes = i32x4.bitmask(seen);
  for (let lane: usize = 0; lane < 4; lane++) {
    if ((lanes >> i32(lane)) & 1) stepCoefficients(s, lane, offset + lane * usize(12 * k), usize(4 * k), used);
  }
  if (degree == 0) return false;
  for (let j: i32 = 0; j < used; j += 4) {
    transpose(s + WEIGHT_ROWS + (usize(j) << 2), 64, s + WEIGHTS + (usize(j) << 4), 16);
  }
  shBasisGradient(s, degree);
  return true;
}

/** One coefficient per channel: three vectors are all of four Gaussians. */
function flatBackward(s: usize, offset: usize, seen: v128): void {
  for (let c: usize = 0; c < 48; c += 16) {
    put(s, GRADIENT_ROWS + c, mul(splat(SH_C0), get(s, COLOR_GRADIENT + c)));
    put(s, MASK_ROWS + c, seen);
  }
  columnsToRowsOf3(s + GRADIENT_ROWS, s + GRADIENT_ROWS);
  columnsToRowsOf3(s + MASK_ROWS, s + MASK_ROWS);
  const rate = v128.load32_splat(s + RATES + 64);
  const correction = get(s, CORRECTION);
  for (let c: usize = 0; c < 48; c += 16) {
    const place = offset + c;
    const mask = get(s, MASK_ROWS + c);
    adam(
      at(ADDRESS.sh) + place,
      at(ADDRESS.shMoment1) + place,
      at(ADDRESS.shMoment2) + place,
      get(s, GRADIENT_ROWS + c),
      rate,
      correction,
      true,
      mask,
    );
  }
}

/** Adam on one Gaussian's coefficients; what they weigh the basis' gradient with is taken before. */
function stepCoefficients(s: usize, lane: usize, offset: usize, stride: usize, used: i32): void {
  const at4 = lane << 2;
  const basis = s + BASIS_ROWS + (lane << 6);
  const weights = s + WEIGHT_ROWS + (lane << 6);
  const correction = get(s, CORRECTION);
  const whole = usize(used & ~3) << 2;
  for (let o: usize = 0; o < whole; o += 16) v128.store(weights + o, splat(0));
  if (used & 1) store<f32>(weights + whole, 0);
  for (let channel: usize = 0; channel < 3; channel++) {
    const g = v128.load32_splat(s + COLOR_GRADIENT + (channel << 4) + at4);
    const passes = v128.load32_splat(s + PASSES + (channel << 4) + at4);
    const place = offset + channel * stride;
    const sh = at(ADDRESS.sh) + place;
    const moments1 = at(ADDRESS.shMoment1) + place;
    const moments2 = at(ADDRESS.shMoment2) + place;
    let rate = get(s, RATES + 64);
    for (let o: usize = 0; o < whole; o += 16) {
      v128.store(weights + o, add(v128.load(weights + o), and(passes, mul(g, v128.load(sh + o)))));
      const gradient = mul(g, v128.load(basis + o));
      adam(sh + o, moments1 + o, moments2 + o, gradient, rate, correction, false, g);
      rate = get(s, RATES + 80);
    }
    if ((used & 1) == 0) continue;
    // The last one alone: what lies behind it may belong to another thread.
    const scale = f32x4.extract_lane(g, 0);
    if (i32x4.extract_lane(passes, 0) != 0) {
      store<f32>(weights + whole, load<f32>(weights + whole) + scale * load<f32>(sh + whole));
    }
    const gradient = scale * load<f32>(basis + whole);
    const bias = f32x4.extract_lane(correction, 0);
    adamOne(sh + whole, moments1 + whole, moments2 + whole, gradient, f32x4.extract_lane(rate, 0), bias);
  }
}

/** Gradient in the unit direction → gradient in the mean, component by component: across the direction, over its length. */
export function directionToMean(s: usize): void {
  const nx = get(s, DIRECTION);
  const ny = get(s, DIRECTION + 16);
  const nz = get(s, DIRECTION + 32);
  const gx = get(s, DIRECTION_GRADIENT);
  const gy = get(s, DIRECTION_GRADIENT + 16);
  const gz = get(s, DIRECTION_GRADIENT + 32);
  const along = madd(gx, nx, madd(gy, ny, mul(gz, nz)));
  const inverse = get(s, INVERSE_DISTANCE);
  put(s, DIRECTION_GRADIENT, mul(nmadd(along, nx, gx), inverse));
  put(s, DIRECTION_GRADIENT + 16, mul(nmadd(along, ny, gy), inverse));
  put(s, DIRECTION_GRADIENT + 32, mul(nmadd(along, nz, gz), inverse));
}
