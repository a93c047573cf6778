/** Image → splats: the way back of `rasterize.ts`, over the vectors that it left in each pair's mask. */
import * as ADDRESS from "./addresses.ts";
import * as RULE from "./conventions.ts";
import { GRADIENT_STRIDE, SPLAT_STRIDE } from "./layout.ts";
import { at, scratch } from "./memory.ts";
import { add, div, exp2, madd, mul, nmadd, splat, sub, sum4, sums4 } from "./simd.ts";
import {
  columns,
  CONSTANT,
  DX,
  enterTile,
  fillTables,
  HALF_LOG2E,
  LINEAR,
  openLanes,
  plane,
  rows,
  VECTORS,
  width,
  x0,
  y0,
} from "./tile.ts";

const ALPHA_MAX: f32 = f32(RULE.ALPHA_MAX);
const ALPHA_MIN: f32 = f32(RULE.ALPHA_MIN);
const TRANSMITTANCE_MIN: f32 = f32(RULE.TRANSMITTANCE_MIN);
const SPLAT_BYTES: usize = SPLAT_STRIDE * 4;
const GRADIENT_BYTES: usize = GRADIENT_STRIDE * 4;
/** Bytes per vector: transmittance, rest of the light, dL/dred, dL/dgreen, dL/dblue. */
const STATE: usize = 80;
/** [16] 0, 1, … 15. */
const ROWS = memory.data<f32>([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

/** Load `lanes` numbers, zeros after them. */
// @ts-ignore: decorator
@inline
function loadLanes(from: usize, lanes: i32): v128 {
  if (lanes >= 4) return v128.load(from);
  let v = f32x4(load<f32>(from), 0, 0, 0);
  if (lanes > 1) v = f32x4.replace_lane(v, 1, load<f32>(from, 4));
  if (lanes > 2) v = f32x4.replace_lane(v, 2, load<f32>(from, 8));
  return v;
}

/** Gradient of the loss in each splat of a tile, from `imageGradient`, into the pairs' slots. */
export function rasterizeTileBackward(tile: i32): void {
  enterTile(tile);
  const state = scratch();
  for (let v = 0; v < VECTORS; v++) v128.store(state + usize(v) * STATE, openLanes(v));
  for (let row = 0; row < rows; row++) {
    let p = state + usize(row) * STATE;
    const offset = usize((y0 + row) * width + x0) << 2;
    let rendered = at(ADDRESS.image) + plane + offset;
    let gradient = at(ADDRESS.imageGradient) + offset;
    for (let x = 0; x < columns; x += 4, p += 16 * STATE, rendered += 16, gradient += 16) {
      const lanes = columns - x;
      const red = loadLanes(gradient, lanes);
      const green = loadLanes(gradient + plane, lanes);
      const blue = loadLanes(gradient + 2 * plane, lanes);
      const rest = madd(
        loadLanes(rendered, lanes),
        red,
        madd(loadLanes(rendered + plane, lanes), green, mul(loadLanes(rendered + 2 * plane, lanes), blue)),
      );
      v128.store(p, rest, 16);
      v128.store(p, red, 32);
      v128.store(p, green, 48);
      v128.store(p, blue, 64);
    }
  }
  blendBackward(tile, state);
}

function blendBackward(tile: i32, state: usize): void {
  const splats = at(ADDRESS.splats);
  const pairSplat = at(ADDRESS.pairSplat);
  const pairMask = at(ADDRESS.pairMask);
  const pairSlot = at(ADDRESS.pairSlot);
  const pairGradients = at(ADDRESS.pairGradients);
  const last = load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2), 4);
  for (let pair = load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2)); pair < last; pair++) {
    const out = pairGradients + usize(load<i32>(pairSlot + (usize(pair) << 2))) * GRADIENT_BYTES;
    let mask = load<u64>(pairMask + (usize(pair) << 3));
    if (mask == 0) {
      memory.fill(out, 0, GRADIENT_BYTES);
      continue;
    }
    const s = splats + usize(load<i32>(pairSplat + (usize(pair) << 2))) * SPLAT_BYTES;
    fillTables(state, s);
    const dy0 = splat(f32(y0) + 0.5 - load<f32>(s, 4));
    const square = splat(HALF_LOG2E * load<f32>(s, 8));
    const red = v128.load32_splat(s, 24);
    const green = v128.load32_splat(s, 28);
    const blue = v128.load32_splat(s, 32);
    let dRed = splat(0);
    let dGreen = splat(0);
    let dBlue = splat(0);
    // Sums of dL/dq · (−2) times 1, dx, dy, dx², dx·dy, dy².
    let sq = splat(0);
    let sx = splat(0);
    let sy = splat(0);
    let sxx = splat(0);
    let sxy = splat(0);
    let syy = splat(0);
    do {
      const v = usize(ctz(mask));
      mask &= mask - 1;
      const dx = v128.load(state + (v & 48), DX);
      const row = state + ((v & 15) << 2);
      const power = madd(dx, madd(square, dx, v128.load32_splat(row, LINEAR)), v128.load32_splat(row, CONSTANT));
      const raw = exp2(power);
      const alpha = f32x4.pmin(splat(ALPHA_MAX), raw);
      const p = state + v * STATE;
      const before = v128.load(p);
      const whole = mul(before, alpha);
      const after = sub(before, whole);
      const seen = f32x4.ge(alpha, splat(ALPHA_MIN));
      const stays = f32x4.gt(after, splat(TRANSMITTANCE_MIN));
      const blends = v128.and(seen, stays);
      let left = v128.bitselect(after, before, blends);
      const refused = v128.andnot(seen, stays);
      // Closed pixels have to be marked here too: a fainter splat behind must not blend there.
      if (v128.any_true(refused)) left = v128.bitselect(f32x4.neg(f32x4.abs(before)), left, refused);
      v128.store(p, left);
      const weight = v128.and(whole, blends);
      const uRed = v128.load(p, 32);
      const uGreen = v128.load(p, 48);
      const uBlue = v128.load(p, 64);
      const light = madd(red, uRed, madd(green, uGreen, mul(blue, uBlue)));
      const rest = nmadd(weight, light, v128.load(p, 16));
      v128.store(p, rest, 16);
      dRed = madd(weight, uRed, dRed);
      dGreen = madd(weight, uGreen, dGreen);
      dBlue = madd(weight, uBlue, dBlue);
      const free = v128.and(blends, f32x4.lt(raw, splat(ALPHA_MAX)));
      const dAlpha = sub(mul(before, light), div(rest, sub(splat(1), alpha)));
      const dq = v128.and(mul(dAlpha, raw), free);
      const dy = add(dy0, v128.load32_splat(ROWS + ((v & 15) << 2)));
      const dqx = mul(dq, dx);
      const dqy = mul(dq, dy);
      sq = add(sq, dq);
      sx = add(sx, dqx);
      sy = add(sy, dqy);
      sxx = madd(dqx, dx, sxx);
      sxy = madd(dqx, dy, sxy);
      syy = madd(dqy, dy, syy);
    } while (mask != 0);
    const a = load<f32>(s, 8);
    const b = load<f32>(s, 12);
    const c = load<f32>(s, 16);
    const moments = sums4(sx, sy, sxy, sq);
    const x = f32x4.extract_lane(moments, 0);
    const y = f32x4.extract_lane(moments, 1);
    store<f32>(out, a * x + b * y);
    store<f32>(out, b * x + c * y, 4);
    store<f32>(out, -f32x4.extract_lane(moments, 2), 12);
    // dL/dopacity = Σ dL/dalpha · falloff = Σ dL/dq / opacity.
    store<f32>(out, f32x4.extract_lane(moments, 3) / load<f32>(s, 20), 20);
    const squares = sums4(sxx, syy, dRed, dGreen);
    store<f32>(out, -0.5 * f32x4.extract_lane(squares, 0), 8);
    store<f32>(out, -0.5 * f32x4.extract_lane(squares, 1), 16);
    store<f32>(out, f32x4.extract_lane(squares, 2), 24);
    store<f32>(out, f32x4.extract_lane(squares, 3), 28);
    store<f32>(out, sum4(dBlue), 32);
  }
}
