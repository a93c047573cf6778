/**
 * Splats → image, tile by tile: `rasterize.ts` of the reference, four pixels of a row at a time.
 *
 * For each splat the vectors of the tile that it covers are found first, four rows at once, as the bits of one 64-bit
 * mask: in row y the splat's q stays below qMax between two known ends. One loop over the set bits then does the
 * blending; it has no inner loops of a few turns each, which the processor could not predict. The way back takes over
 * the mask that is left, cut to the vectors where something was blended or closed.
 *
 * The transmittance of a closed pixel is negative; pixels beyond the image are closed.
 */
import * as ADDRESS from "./addresses.ts";
import * as RULE from "./conventions.ts";
import { SPLAT_STRIDE } from "./layout.ts";
import { at, scalar, scratch } from "./memory.ts";
import { add, exp2, madd, mul, nmadd, splat, storeLanes, sub } from "./simd.ts";
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
import * as SCALAR from "../scalars.ts";

const ALPHA_MAX: f32 = f32(RULE.ALPHA_MAX);
const ALPHA_MIN: f32 = f32(RULE.ALPHA_MIN);
const TRANSMITTANCE_MIN: f32 = f32(RULE.TRANSMITTANCE_MIN);
const SPLAT_BYTES: usize = SPLAT_STRIDE * 4;
/** Bytes per vector: transmittance, red, green, blue. */
const STATE: usize = 64;

/** Blend a tile into `image`. */
export function rasterizeTile(tile: i32): void {
  enterTile(tile);
  const state = scratch();
  for (let v = 0; v < VECTORS; v++) {
    const p = state + usize(v) * STATE;
    v128.store(p, openLanes(v));
    v128.store(p, splat(0), 16);
    v128.store(p, splat(0), 32);
    v128.store(p, splat(0), 48);
  }
  blend(tile, state);
  storeTile(state);
}

/** The vectors of the tile that the splat at s covers. Rows it does not touch give the root of a negative number: no bit. */
// @ts-ignore: decorator
@inline
function coverage(s: usize): u64 {
  const a = load<f32>(s, 8);
  const b = load<f32>(s, 12);
  const c = load<f32>(s, 16);
  const inverseA: f32 = 1 / a;
  const det = splat(a * c - b * b);
  const most = splat(a * load<f32>(s, 36));
  const slope = splat(-b * inverseA);
  const center = splat(load<f32>(s) - f32(x0));
  let dy = add(splat(f32(y0) + 0.5 - load<f32>(s, 4)), f32x4(0, 1, 2, 3));
  let mask: u64 = 0;
  for (let group: u64 = 0; group < 16; group += 4) {
    const half = mul(f32x4.sqrt(nmadd(det, mul(dy, dy), most)), splat(inverseA));
    const middle = madd(slope, dy, center);
    const left = sub(middle, half);
    const right = add(middle, half);
    mask |= rowsWhere(left, right, 0.5) << group;
    mask |= rowsWhere(left, right, 4.5) << (group + 16);
    mask |= rowsWhere(left, right, 8.5) << (group + 32);
    mask |= rowsWhere(left, right, 12.5) << (group + 48);
    dy = add(dy, splat(4));
  }
  return mask;
}

/** In which of four rows the span reaches one of the pixel centres first … first + 3. */
// @ts-ignore: decorator
@inline
function rowsWhere(left: v128, right: v128, first: f32): u64 {
  return u64(i32x4.bitmask(v128.and(f32x4.le(left, splat(first + 3)), f32x4.ge(right, splat(first)))));
}

function blend(tile: i32, state: usize): void {
  const splats = at(ADDRESS.splats);
  const pairSplat = at(ADDRESS.pairSplat);
  const pairMask = at(ADDRESS.pairMask);
  const last = load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2), 4);
  let pair = load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2));
  let open = columns * rows;
  for (; pair < last && open > 0; pair++) {
    const s = splats + usize(load<i32>(pairSplat + (usize(pair) << 2))) * SPLAT_BYTES;
    let mask = coverage(s);
    let blended: u64 = 0;
    if (mask != 0) {
      fillTables(state, s);
      const square = splat(HALF_LOG2E * load<f32>(s, 8));
      const red = v128.load32_splat(s, 24);
      const green = v128.load32_splat(s, 28);
      const blue = v128.load32_splat(s, 32);
      do {
        const v = usize(ctz(mask));
        mask &= mask - 1;
        const dx = v128.load(state + (v & 48), DX);
        const row = state + ((v & 15) << 2);
        const power = madd(dx, madd(square, dx, v128.load32_splat(row, LINEAR)), v128.load32_splat(row, CONSTANT));
        const alpha = f32x4.pmin(splat(ALPHA_MAX), exp2(power));
        const p = state + v * STATE;
        const before = v128.load(p);
        const weight = mul(before, alpha);
        const after = sub(before, weight);
        const seen = f32x4.ge(alpha, splat(ALPHA_MIN));
        const stays = f32x4.gt(after, splat(TRANSMITTANCE_MIN));
        const blends = v128.and(seen, stays);
        let left = v128.bitselect(after, before, blends);
        const refused = v128.andnot(seen, stays);
        if (v128.any_true(refused)) {
          const closing = v128.and(refused, f32x4.gt(before, splat(0)));
          left = v128.bitselect(f32x4.neg(before), left, closing);
          open -= popcnt(i32x4.bitmask(closing));
          // The way back must come by here too, or a fainter splat behind would blend where this one closed.
          blended |= u64(v128.any_true(closing)) << u64(v);
        }
        blended |= u64(v128.any_true(blends)) << u64(v);
        const shown = v128.and(weight, blends);
        v128.store(p, left);
        v128.store(p, madd(shown, red, v128.load(p, 16)), 16);
        v128.store(p, madd(shown, green, v128.load(p, 32)), 32);
        v128.store(p, madd(shown, blue, v128.load(p, 48)), 48);
      } while (mask != 0);
    }
    store<u64>(pairMask + (usize(pair) << 3), blended);
  }
  if (pair < last) memory.fill(pairMask + (usize(pair) << 3), 0, usize(last - pair) << 3);
}

/** Write the tile's state into `image`, on the background. */
function storeTile(state: usize): void {
  const backRed = splat(scalar(SCALAR.background));
  const backGreen = splat(scalar(SCALAR.background + 1));
  const backBlue = splat(scalar(SCALAR.background + 2));
  for (let row = 0; row < rows; row++) {
    let p = state + usize(row) * STATE;
    let out = at(ADDRESS.image) + (usize((y0 + row) * width + x0) << 2);
    for (let x = 0; x < columns; x += 4, p += 16 * STATE, out += 16) {
      const left = f32x4.abs(v128.load(p));
      const lanes = columns - x;
      storeLanes(out, left, lanes);
      storeLanes(out + plane, madd(left, backRed, v128.load(p, 16)), lanes);
      storeLanes(out + 2 * plane, madd(left, backGreen, v128.load(p, 32)), lanes);
      storeLanes(out + 3 * plane, madd(left, backBlue, v128.load(p, 48)), lanes);
    }
  }
}
