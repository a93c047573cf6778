/** The MCMC strategy's noise, as `addNoise` of the reference: the same random numbers, four Gaussians at a time. */
import * as ADDRESS from "./addresses.ts";
import * as RULE from "./conventions.ts";
import { FOUR_END, get, laneMask, loadScales, loadShapes, put, SHAPE } from "./four.ts";
import { CHUNK } from "./layout.ts";
import { at, scalar, scalar64 } from "./memory.ts";
import { add, and, div, exp, log, log1p, madd, mul, root, splat, sub } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

const DEAD_OPACITY: f32 = f32(RULE.DEAD_OPACITY);
/** Weaker noise is none. */
const STRENGTH_MIN: f32 = f32(RULE.NOISE_MIN);
/** 2^−32. */
const UNIT: f32 = 2.3283064365386963e-10;
const TWO_PI: f32 = 6.283185307179586;

// In the scratch: how far each of four moves [3]; sine and cosine of an angle; their log scales and quaternions.
const MOVED: usize = FOUR_END;
const SINE: usize = FOUR_END + 48;
const COSINE: usize = FOUR_END + 64;
const SCALE_ROWS: usize = FOUR_END + 80;
const QUAT_ROWS: usize = FOUR_END + 144;
// Filled once per chunk: what seed and step give to each of the four hashes [4]; no logit above this moves.
const KEYS: usize = 6144;
const HIGHEST: usize = 6208;
// Collected over the chunk: how many move, which, how strongly; with room for four that do not count.
const COUNT: usize = 6224;
const INDICES: usize = 6240;
const STRENGTHS: usize = INDICES + 4 * (CHUNK + 4);

/** What the step's noise needs: nobody collected, `KEYS`, and the logit of the most opaque Gaussian that moves at all. */
export function loadNoise(s: usize): void {
  const seed = i32(i64(scalar64(SCALAR.seed)));
  const step = i32(i64(scalar64(SCALAR.adamStep)));
  for (let part: i32 = 1; part <= 4; part++) {
    const key = ((seed + part) * 0x9e3779b1) ^ (step * 0x85ebca77);
    put(s, KEYS + (usize(part - 1) << 4), i32x4.splat(key));
  }
  store<usize>(s + COUNT, 0);
  const noise = scalar(SCALAR.noise);
  let highest: f32 = -f32.MAX_VALUE;
  if (noise > STRENGTH_MIN) {
    const opacity: f32 = 0.01 * logOf(noise / STRENGTH_MIN) + 0.01;
    highest = opacity < 0.99 ? logOf(opacity / (1 - opacity)) : f32.MAX_VALUE;
  }
  put(s, HIGHEST, splat(highest));
}

function logOf(x: f32): f32 {
  return f32x4.extract_lane(log(splat(x)), 0);
}

/** Note which of Gaussians i…i+3, those whose bit is set in `lanes`, are to move, and how strongly. */
export function collectNoise(s: usize, i: usize, lanes: i32): void {
  const logit = v128.load(at(ADDRESS.opacities) + (i << 2));
  const candidates = and(laneMask(lanes), f32x4.lt(logit, get(s, HIGHEST)));
  if (!v128.any_true(candidates)) return;
  const noise = scalar(SCALAR.noise);
  const one = splat(1);
  const opacity = div(one, add(one, exp(f32x4.neg(logit))));
  const strength = div(splat(noise), add(one, exp(mul(splat(100), sub(opacity, splat(DEAD_OPACITY))))));
  const moves = i32x4.bitmask(and(candidates, f32x4.ge(strength, splat(STRENGTH_MIN))));
  put(s, MOVED, strength);
  let count = load<usize>(s + COUNT);
  for (let lane: usize = 0; lane < 4; lane++) {
    store<i32>(s + INDICES + (count << 2), i32(i + lane));
    store<f32>(s + STRENGTHS + (count << 2), load<f32>(s + MOVED + (lane << 2)));
    count += (moves >> i32(lane)) & 1;
  }
  store<usize>(s + COUNT, count);
}

/** Move what was collected, in full fours whoever lay beside whom. */
export function applyNoise(s: usize): void {
  const count = load<usize>(s + COUNT);
  for (let rank: usize = 0; rank < count; rank += 4) moveFour(s, rank, min<usize>(4, count - rank));
}

function moveFour(s: usize, rank: usize, lanes: usize): void {
  const indices = s + INDICES + (rank << 2);
  for (let lane: usize = 0; lane < lanes; lane++) {
    const i = usize(load<i32>(indices + (lane << 2)));
    v128.store(s + QUAT_ROWS + (lane << 4), v128.load(at(ADDRESS.quats) + (i << 4)));
    // One number too many, which the next row covers.
    v128.store(s + SCALE_ROWS + lane * 12, v128.load(at(ADDRESS.logScales) + i * 12));
  }
  loadScales(s, s + SCALE_ROWS);
  loadShapes(s, s + QUAT_ROWS);
  const index = v128.load(indices);
  const radius = radiusOf(hash(s, 0, index));
  turn(s, hash(s, 1, index));
  const n0 = mul(radius, get(s, COSINE));
  const n1 = mul(radius, get(s, SINE));
  const lastRadius = radiusOf(hash(s, 2, index));
  turn(s, hash(s, 3, index));
  const n2 = mul(lastRadius, get(s, COSINE));
  // Σ ξ = (R S)(R S)ᵀ ξ.
  const own0 = madd(get(s, SHAPE), n0, madd(get(s, SHAPE + 48), n1, mul(get(s, SHAPE + 96), n2)));
  const own1 = madd(get(s, SHAPE + 16), n0, madd(get(s, SHAPE + 64), n1, mul(get(s, SHAPE + 112), n2)));
  const own2 = madd(get(s, SHAPE + 32), n0, madd(get(s, SHAPE + 80), n1, mul(get(s, SHAPE + 128), n2)));
  const strength = v128.load(s + STRENGTHS + (rank << 2));
  for (let row: usize = 0; row < 3; row++) {
    const shape = s + SHAPE + row * 48;
    const moved = madd(get(shape, 0), own0, madd(get(shape, 16), own1, mul(get(shape, 32), own2)));
    put(s, MOVED + (row << 4), mul(strength, moved));
  }
  for (let lane: usize = 0; lane < lanes; lane++) {
    const mean = at(ADDRESS.means) + usize(load<i32>(indices + (lane << 2))) * 12;
    const moved = s + MOVED + (lane << 2);
    store<f32>(mean, load<f32>(mean) + load<f32>(moved));
    store<f32>(mean, load<f32>(mean, 4) + load<f32>(moved, 16), 4);
    store<f32>(mean, load<f32>(mean, 8) + load<f32>(moved, 32), 8);
  }
}

/** `hash3` of (seed + 1 + part, step, each of `index`). */
// @ts-ignore: decorator
@inline
function hash(s: usize, part: usize, index: v128): v128 {
  let h = v128.xor(get(s, KEYS + (part << 4)), i32x4.mul(index, i32x4.splat(0xc2b2ae3d)));
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 16)), i32x4.splat(0x85ebca6b));
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 13)), i32x4.splat(0xc2b2ae35));
  return v128.xor(h, i32x4.shr_u(h, 16));
}

/** √(−2 ln u) of u = (h + ½) / 2³², from 1 − u where that is the smaller. */
// @ts-ignore: decorator
@inline
function radiusOf(h: v128): v128 {
  const u = mul(add(f32x4.convert_i32x4_u(h), splat(0.5)), splat(UNIT));
  const rest = mul(add(f32x4.convert_i32x4_u(v128.not(h)), splat(0.5)), splat(UNIT));
  const logarithm = v128.bitselect(log1p(f32x4.neg(rest)), log(u), f32x4.lt(rest, splat(0.25)));
  return root(mul(splat(-2), logarithm));
}

/** Sine and cosine of 2π (h + ½) / 2³²: whole quarters are integers, the rest goes through Cephes' polynomials. */
function turn(s: usize, h: v128): void {
  const quarter = i32x4.shr_u(i32x4.add(h, i32x4.splat(1 << 29)), 30);
  const rest = i32x4.sub(h, i32x4.shl(quarter, 30));
  const x = mul(add(f32x4.convert_i32x4_s(rest), splat(0.5)), splat(TWO_PI * UNIT));
  const xx = mul(x, x);
  let sine = madd(xx, splat(-1.9515295891e-4), splat(8.3321608736e-3));
  sine = madd(sine, xx, splat(-1.6666654611e-1));
  sine = madd(mul(sine, xx), x, x);
  let cosine = madd(xx, splat(2.443315711809948e-5), splat(-1.388731625493765e-3));
  cosine = madd(cosine, xx, splat(4.166664568298827e-2));
  cosine = madd(mul(cosine, xx), xx, madd(splat(-0.5), xx, splat(1)));
  const swaps = i32x4.ne(and(quarter, i32x4.splat(1)), i32x4.splat(0));
  const sineSign = i32x4.shl(and(quarter, i32x4.splat(2)), 30);
  const cosineSign = i32x4.shl(and(i32x4.add(quarter, i32x4.splat(1)), i32x4.splat(2)), 30);
  put(s, SINE, v128.xor(v128.bitselect(cosine, sine, swaps), sineSign));
  put(s, COSINE, v128.xor(v128.bitselect(sine, cosine, swaps), cosineSign));
}
