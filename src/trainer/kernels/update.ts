/** The last stage of a step, as `update.ts` of the reference, four Gaussians at a time. */
import { adam, correctedRate, secondCorrection } from "./adam.ts";
import * as ADDRESS from "./addresses.ts";
import { colorBackward } from "./colors.ts";
import {
  CAMERA_SUMS,
  CORRECTION,
  FOUR_END,
  get,
  laneMask,
  loadCamera,
  loadFour,
  loadShapes,
  LOG_SCALES_GRADIENT,
  MEANS_GRADIENT,
  OPACITY,
  OPACITY_GRADIENT,
  projectShapes,
  put,
  QUATS_GRADIENT,
  RATES,
  SCALE,
  SEEN,
  SPLAT,
  SPLAT_GRADIENT,
  TRANSPARENCY,
} from "./four.ts";
import { CHUNK, GRADIENT_STRIDE, SPLAT_STRIDE } from "./layout.ts";
import { at, scalar, scratch } from "./memory.ts";
import { applyNoise, collectNoise, loadNoise } from "./noise.ts";
import { directionBackward, shapeBackward } from "./projection-backward.ts";
import { add, and, columnsToRowsOf3, madd, mul, splat, sum4, transpose } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

const SPLAT_BYTES: usize = SPLAT_STRIDE * 4;
const GRADIENT_BYTES: usize = GRADIENT_STRIDE * 4;

// In the scratch: first eight sums of each lane [4,8]; which Gaussians Adam updates, as rows of three [3].
const REDUCED: usize = FOUR_END;
const MASK_ROWS: usize = FOUR_END + 128;

/** Update Gaussians [from, to), which must be one chunk. */
export function updateGaussians(from: i32, to: i32): void {
  const s = scratch();
  loadCamera(s);
  loadRates(s);
  loadNoise(s);
  memory.fill(s + CAMERA_SUMS, 0, 256);
  const sparse = scalar(SCALAR.sparseAdam) == 1;
  const antialiased = scalar(SCALAR.antialiased) == 1;
  for (let i = from; i < to; i += 4) {
    const lanes = (1 << min(4, to - i)) - 1;
    const inside = laneMask(lanes);
    const seen = and(inside, seenOf(usize(i)));
    put(s, SEEN, seen);
    loadFour(s, usize(i));
    if (v128.any_true(seen)) backward(s, usize(i), antialiased);
    else memory.fill(s + MEANS_GRADIENT, 0, OPACITY_GRADIENT + 16 - MEANS_GRADIENT);
    const updated = sparse ? seen : inside;
    if (v128.any_true(updated)) updateShapes(s, usize(i), updated);
    collectNoise(s, usize(i), lanes);
  }
  applyNoise(s);
  const sums = at(ADDRESS.cameraGradients) + usize(from / CHUNK) * 128;
  for (let k: usize = 0; k < 16; k++) {
    store<f64>(sums + (k << 3), f64(sum4(get(s, CAMERA_SUMS + (k << 4)))));
  }
}

function loadRates(s: usize): void {
  put(s, RATES, correctedRate(SCALAR.meansRate));
  put(s, RATES + 16, correctedRate(SCALAR.logScalesRate));
  put(s, RATES + 32, correctedRate(SCALAR.quatsRate));
  put(s, RATES + 48, correctedRate(SCALAR.opacitiesRate));
  const first = correctedRate(SCALAR.shRate);
  const rest = correctedRate(SCALAR.shRestRate);
  put(s, RATES + 64, v128.bitselect(first, rest, i32x4(-1, 0, 0, 0)));
  put(s, RATES + 80, rest);
  put(s, CORRECTION, secondCorrection());
}

/** Which of Gaussians i…i+3 the current image shows: those that have pairs. */
// @ts-ignore: decorator
@inline
function seenOf(i: usize): v128 {
  const starts = at(ADDRESS.slotStart) + (i << 2);
  return i32x4.lt_s(v128.load(starts), v128.load(starts, 4));
}

function backward(s: usize, i: usize, antialiased: bool): void {
  reduceGradients(s, i, i32x4.bitmask(get(s, SEEN)));
  const splats = at(ADDRESS.splats) + i * SPLAT_BYTES;
  for (let part: usize = 0; part < 3; part++) {
    transpose(splats + part * 16, SPLAT_BYTES, s + SPLAT + part * 64, 16);
  }
  loadShapes(s, at(ADDRESS.quats) + (i << 4));
  projectShapes(s);
  shapeBackward(s, antialiased);
  if (colorBackward(s, i)) directionBackward(s);
}

/** Sum the pairs' gradients of the splats in `lanes`. */
function reduceGradients(s: usize, i: usize, lanes: i32): void {
  const starts = at(ADDRESS.slotStart) + (i << 2);
  const pairs = at(ADDRESS.pairGradients);
  for (let lane: usize = 0; lane < 4; lane++) {
    let a = splat(0);
    let b = splat(0);
    let c: f32 = 0;
    if ((lanes >> i32(lane)) & 1) {
      let pair = pairs + usize(load<i32>(starts + (lane << 2))) * GRADIENT_BYTES;
      const end = pairs + usize(load<i32>(starts + (lane << 2), 4)) * GRADIENT_BYTES;
      for (; pair < end; pair += GRADIENT_BYTES) {
        a = add(a, v128.load(pair));
        b = add(b, v128.load(pair, 16));
        c += load<f32>(pair, 32);
      }
    }
    v128.store(s + REDUCED + (lane << 5), a);
    v128.store(s + REDUCED + (lane << 5), b, 16);
    store<f32>(s + SPLAT_GRADIENT + 128 + (lane << 2), c);
  }
  transpose(s + REDUCED, 32, s + SPLAT_GRADIENT, 16);
  transpose(s + REDUCED + 16, 32, s + SPLAT_GRADIENT + 64, 16);
}

/** Regularise and update everything but the colours of the Gaussians set in `updated`. */
function updateShapes(s: usize, i: usize, updated: v128): void {
  const scaleWeight = splat(scalar(SCALAR.scaleWeight));
  for (let axis: usize = 0; axis < 48; axis += 16) {
    const gradient = madd(scaleWeight, get(s, SCALE + axis), get(s, LOG_SCALES_GRADIENT + axis));
    put(s, LOG_SCALES_GRADIENT + axis, gradient);
    put(s, MASK_ROWS + axis, updated);
  }
  const opacityWeight = splat(scalar(SCALAR.opacityWeight));
  const slope = mul(get(s, OPACITY), get(s, TRANSPARENCY));
  const opacityGradient = madd(opacityWeight, slope, get(s, OPACITY_GRADIENT));
  const correction = get(s, CORRECTION);
  columnsToRowsOf3(s + MASK_ROWS, s + MASK_ROWS);
  columnsToRowsOf3(s + MEANS_GRADIENT, s + MEANS_GRADIENT);
  columnsToRowsOf3(s + LOG_SCALES_GRADIENT, s + LOG_SCALES_GRADIENT);
  for (let k: usize = 0; k < 48; k += 16) {
    const o = i * 12 + k;
    const mask = get(s, MASK_ROWS + k);
    adam(
      at(ADDRESS.means) + o,
      at(ADDRESS.meansMoment1) + o,
      at(ADDRESS.meansMoment2) + o,
      get(s, MEANS_GRADIENT + k),
      get(s, RATES),
      correction,
      true,
      mask,
    );
    adam(
      at(ADDRESS.logScales) + o,
      at(ADDRESS.logScalesMoment1) + o,
      at(ADDRESS.logScalesMoment2) + o,
      get(s, LOG_SCALES_GRADIENT + k),
      get(s, RATES + 16),
      correction,
      true,
      mask,
    );
  }
  updateQuats(s, i, updated);
  const o = i << 2;
  adam(
    at(ADDRESS.opacities) + o,
    at(ADDRESS.opacitiesMoment1) + o,
    at(ADDRESS.opacitiesMoment2) + o,
    opacityGradient,
    get(s, RATES + 48),
    correction,
    true,
    updated,
  );
}

function updateQuats(s: usize, i: usize, updated: v128): void {
  const rows = s + REDUCED;
  transpose(s + QUATS_GRADIENT, 16, rows, 16);
  const lanes = i32x4.bitmask(updated);
  for (let lane: usize = 0; lane < 4; lane++) {
    if (((lanes >> i32(lane)) & 1) == 0) continue;
    const o = (i + lane) << 4;
    adam(
      at(ADDRESS.quats) + o,
      at(ADDRESS.quatsMoment1) + o,
      at(ADDRESS.quatsMoment2) + o,
      get(rows, lane << 4),
      get(s, RATES + 32),
      get(s, CORRECTION),
      false,
      updated,
    );
  }
}
