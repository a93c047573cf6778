/**
 * Splats → image and back, tile by tile: `rasterize.ts` of the reference, four pixels of a row at a time.
 *
 * The tile at hand lies in the thread's scratch, vector by vector, so that everything about four pixels is in one or
 * two cache lines: transmittance, red, green, blue (forward); transmittance, rest of the light, dL/dred, dL/dgreen,
 * dL/dblue (backward). The transmittance of a closed pixel is negative.
 */
import * as ADDRESS from "./addresses.ts";
import { GRADIENT_STRIDE, SPLAT_STRIDE, TILE } from "./layout.ts";
import { at, scalar, scalarInt, scratch } from "./memory.ts";
import { add, div, exp2, madd, mul, nmadd, splat, storeLanes, sub, sum4 } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

const ALPHA_MAX: f32 = 0.999;
const ALPHA_MIN: f32 = 1.0 / 255.0;
const TRANSMITTANCE_MIN: f32 = 1e-4;
/** exp(−q/2) = 2^(q · this). */
const HALF_LOG2E: f32 = -0.72134752044;
/** Vectors per row of a tile. */
const VECTORS = TILE / 4;
const SPLAT_BYTES: usize = SPLAT_STRIDE * 4;
const GRADIENT_BYTES: usize = GRADIENT_STRIDE * 4;
/** Bytes per vector of the forward and of the backward state. */
const STATE: usize = 64;
const STATE_BACK: usize = 80;

/** Blend a tile into `image`. */
export function rasterizeTile(tile: i32): void {
  const width = scalarInt(SCALAR.width);
  const height = scalarInt(SCALAR.height);
  const tilesX = scalarInt(SCALAR.tilesX);
  const x0 = (tile % tilesX) * TILE;
  const y0 = (tile / tilesX) * TILE;
  const xEnd = min(x0 + TILE, width) - 1;
  const yEnd = min(y0 + TILE, height) - 1;
  const state = scratch();
  for (let v: usize = 0; v < usize(TILE * VECTORS) * STATE; v += STATE) {
    v128.store(state + v, splat(1));
    v128.store(state + v, splat(0), 16);
    v128.store(state + v, splat(0), 32);
    v128.store(state + v, splat(0), 48);
  }
  blend(tile, state, x0, y0, xEnd, yEnd);
  storeTile(state, x0, y0, xEnd, yEnd);
}

function blend(tile: i32, state: usize, x0: i32, y0: i32, xEnd: i32, yEnd: i32): void {
  const splats = at(ADDRESS.splats);
  let pair = at(ADDRESS.pairSplat) + (usize(load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2))) << 2);
  const pairEnd = at(ADDRESS.pairSplat) + (usize(load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2), 4)) << 2);
  let open = (xEnd - x0 + 1) * (yEnd - y0 + 1);
  for (; pair < pairEnd && open > 0; pair += 4) {
    const s = splats + usize(load<i32>(pair)) * SPLAT_BYTES;
    const mx = load<f32>(s);
    const my = load<f32>(s, 4);
    const a = load<f32>(s, 8);
    const b = load<f32>(s, 12);
    const c = load<f32>(s, 16);
    const opacity = v128.load32_splat(s, 20);
    const red = v128.load32_splat(s, 24);
    const green = v128.load32_splat(s, 28);
    const blue = v128.load32_splat(s, 32);
    const qMax = load<f32>(s, 36);
    const extentY = load<f32>(s, 44);
    const inverseA: f32 = 1 / a;
    const scaledA = splat(a * HALF_LOG2E);
    const rowFrom = max(y0, i32(ceil<f32>(my - extentY - 0.5)));
    const rowTo = min(yEnd, i32(floor<f32>(my + extentY - 0.5)));
    for (let y = rowFrom; y <= rowTo; y++) {
      const dy = f32(y) + 0.5 - my;
      const bdy = b * dy;
      const cdyy = c * dy * dy;
      const discriminant = bdy * bdy - a * (cdyy - qMax);
      if (discriminant <= 0) continue;
      const root = sqrt<f32>(discriminant);
      const from = max(x0, i32(ceil<f32>(mx - (bdy + root) * inverseA - 0.5))) & ~3;
      const to = min(xEnd, i32(floor<f32>(mx - (bdy - root) * inverseA - 0.5)));
      if (to < from) continue;
      let dx = add(splat(f32(from) + 0.5 - mx), f32x4(0, 1, 2, 3));
      let p = state + usize((y - y0) * VECTORS + ((from - x0) >> 2)) * STATE;
      const end = state + usize((y - y0) * VECTORS + ((to - x0) >> 2)) * STATE;
      const linear = splat(2 * HALF_LOG2E * bdy);
      const constant = splat(HALF_LOG2E * cdyy);
      for (; p <= end; p += STATE) {
        const falloff = exp2(madd(dx, madd(scaledA, dx, linear), constant));
        dx = add(dx, splat(4));
        const alpha = f32x4.pmin(splat(ALPHA_MAX), mul(opacity, falloff));
        const seen = f32x4.ge(alpha, splat(ALPHA_MIN));
        const before = v128.load(p);
        const after = nmadd(before, alpha, before);
        const blends = f32x4.gt(after, splat(TRANSMITTANCE_MIN));
        const mask = v128.and(seen, blends);
        const weight = v128.and(mul(before, alpha), mask);
        let left = v128.bitselect(after, before, mask);
        const refused = v128.andnot(seen, blends);
        if (v128.any_true(refused)) {
          const closing = v128.and(refused, f32x4.gt(before, splat(0)));
          left = v128.bitselect(f32x4.neg(before), left, closing);
          open -= popcnt(i32x4.bitmask(closing));
        }
        v128.store(p, left);
        v128.store(p, madd(weight, red, v128.load(p, 16)), 16);
        v128.store(p, madd(weight, green, v128.load(p, 32)), 32);
        v128.store(p, madd(weight, blue, v128.load(p, 48)), 48);
      }
    }
  }
}

/** Write the tile's state into `image`, on the background. */
function storeTile(state: usize, x0: i32, y0: i32, xEnd: i32, yEnd: i32): void {
  const width = scalarInt(SCALAR.width);
  const plane = usize(width * scalarInt(SCALAR.height)) << 2;
  const backRed = splat(scalar(SCALAR.background));
  const backGreen = splat(scalar(SCALAR.background + 1));
  const backBlue = splat(scalar(SCALAR.background + 2));
  for (let y = y0; y <= yEnd; y++) {
    let p = state + usize((y - y0) * VECTORS) * STATE;
    let out = at(ADDRESS.image) + (usize(y * width + x0) << 2);
    for (let x = x0; x <= xEnd; x += 4, p += STATE, out += 16) {
      const left = f32x4.abs(v128.load(p));
      const red = madd(left, backRed, v128.load(p, 16));
      const green = madd(left, backGreen, v128.load(p, 32));
      const blue = madd(left, backBlue, v128.load(p, 48));
      const lanes = min(4, xEnd - x + 1);
      storeLanes(out, left, lanes);
      storeLanes(out + plane, red, lanes);
      storeLanes(out + 2 * plane, green, lanes);
      storeLanes(out + 3 * plane, blue, lanes);
    }
  }
}

/** Load `lanes` numbers, zeros after them. */
// @ts-ignore: decorator
@inline
function loadLanes(from: usize, lanes: i32): v128 {
  if (lanes == 4) return v128.load(from);
  let v = f32x4(load<f32>(from), 0, 0, 0);
  if (lanes > 1) v = f32x4.replace_lane(v, 1, load<f32>(from, 4));
  if (lanes > 2) v = f32x4.replace_lane(v, 2, load<f32>(from, 8));
  return v;
}

/** Gradient of the loss in each splat of a tile, from `imageGradient`, into the pairs' slots. */
export function rasterizeTileBackward(tile: i32): void {
  const width = scalarInt(SCALAR.width);
  const height = scalarInt(SCALAR.height);
  const tilesX = scalarInt(SCALAR.tilesX);
  const x0 = (tile % tilesX) * TILE;
  const y0 = (tile / tilesX) * TILE;
  const xEnd = min(x0 + TILE, width) - 1;
  const yEnd = min(y0 + TILE, height) - 1;
  const state = scratch();
  const plane = usize(width * height) << 2;
  for (let y = y0; y <= yEnd; y++) {
    let p = state + usize((y - y0) * VECTORS) * STATE_BACK;
    const offset = usize(y * width + x0) << 2;
    let rendered = at(ADDRESS.image) + plane + offset;
    let gradient = at(ADDRESS.imageGradient) + offset;
    for (let x = x0; x <= xEnd; x += 4, p += STATE_BACK, rendered += 16, gradient += 16) {
      const lanes = min(4, xEnd - x + 1);
      const red = loadLanes(gradient, lanes);
      const green = loadLanes(gradient + plane, lanes);
      const blue = loadLanes(gradient + 2 * plane, lanes);
      const rest = madd(
        loadLanes(rendered, lanes),
        red,
        madd(loadLanes(rendered + plane, lanes), green, mul(loadLanes(rendered + 2 * plane, lanes), blue)),
      );
      v128.store(p, splat(1));
      v128.store(p, rest, 16);
      v128.store(p, red, 32);
      v128.store(p, green, 48);
      v128.store(p, blue, 64);
    }
  }
  blendBackward(tile, state, x0, y0, xEnd, yEnd);
}

function blendBackward(tile: i32, state: usize, x0: i32, y0: i32, xEnd: i32, yEnd: i32): void {
  const splats = at(ADDRESS.splats);
  const first = load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2));
  const last = load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2), 4);
  const pairSplat = at(ADDRESS.pairSplat);
  const pairSlot = at(ADDRESS.pairSlot);
  const pairGradients = at(ADDRESS.pairGradients);
  let open = (xEnd - x0 + 1) * (yEnd - y0 + 1);
  for (let pair = first; pair < last; pair++) {
    const out = pairGradients + usize(load<i32>(pairSlot + (usize(pair) << 2))) * GRADIENT_BYTES;
    if (open <= 0) {
      memory.fill(out, 0, GRADIENT_BYTES);
      continue;
    }
    const s = splats + usize(load<i32>(pairSplat + (usize(pair) << 2))) * SPLAT_BYTES;
    const mx = load<f32>(s);
    const my = load<f32>(s, 4);
    const a = load<f32>(s, 8);
    const b = load<f32>(s, 12);
    const c = load<f32>(s, 16);
    const opacity = v128.load32_splat(s, 20);
    const red = v128.load32_splat(s, 24);
    const green = v128.load32_splat(s, 28);
    const blue = v128.load32_splat(s, 32);
    const qMax = load<f32>(s, 36);
    const extentY = load<f32>(s, 44);
    const inverseA: f32 = 1 / a;
    const scaledA = splat(a * HALF_LOG2E);
    const rowFrom = max(y0, i32(ceil<f32>(my - extentY - 0.5)));
    const rowTo = min(yEnd, i32(floor<f32>(my + extentY - 0.5)));
    let dRed = splat(0);
    let dGreen = splat(0);
    let dBlue = splat(0);
    let sq = splat(0);
    // Sums of dL/dq · (−2) times dx, dy, dx², dx·dy, dy².
    let sx = splat(0);
    let sy = splat(0);
    let sxx = splat(0);
    let sxy = splat(0);
    let syy = splat(0);
    for (let y = rowFrom; y <= rowTo; y++) {
      const dy = f32(y) + 0.5 - my;
      const bdy = b * dy;
      const cdyy = c * dy * dy;
      const discriminant = bdy * bdy - a * (cdyy - qMax);
      if (discriminant <= 0) continue;
      const root = sqrt<f32>(discriminant);
      const from = max(x0, i32(ceil<f32>(mx - (bdy + root) * inverseA - 0.5))) & ~3;
      const to = min(xEnd, i32(floor<f32>(mx - (bdy - root) * inverseA - 0.5)));
      if (to < from) continue;
      let dx = add(splat(f32(from) + 0.5 - mx), f32x4(0, 1, 2, 3));
      let p = state + usize((y - y0) * VECTORS + ((from - x0) >> 2)) * STATE_BACK;
      const end = state + usize((y - y0) * VECTORS + ((to - x0) >> 2)) * STATE_BACK;
      const linear = splat(2 * HALF_LOG2E * bdy);
      const constant = splat(HALF_LOG2E * cdyy);
      let row0 = splat(0);
      let row1 = splat(0);
      for (; p <= end; p += STATE_BACK) {
        const raw = mul(opacity, exp2(madd(dx, madd(scaledA, dx, linear), constant)));
        const alpha = f32x4.pmin(splat(ALPHA_MAX), raw);
        const seen = f32x4.ge(alpha, splat(ALPHA_MIN));
        const before = v128.load(p);
        const after = nmadd(before, alpha, before);
        const blends = f32x4.gt(after, splat(TRANSMITTANCE_MIN));
        const mask = v128.and(seen, blends);
        const weight = v128.and(mul(before, alpha), mask);
        let left = v128.bitselect(after, before, mask);
        const refused = v128.andnot(seen, blends);
        if (v128.any_true(refused)) {
          const closing = v128.and(refused, f32x4.gt(before, splat(0)));
          left = v128.bitselect(f32x4.neg(before), left, closing);
          open -= popcnt(i32x4.bitmask(closing));
        }
        v128.store(p, left);
        const uRed = v128.load(p, 32);
        const uGreen = v128.load(p, 48);
        const uBlue = v128.load(p, 64);
        const light = madd(red, uRed, madd(green, uGreen, mul(blue, uBlue)));
        const rest = nmadd(weight, light, v128.load(p, 16));
        v128.store(p, rest, 16);
        dRed = madd(weight, uRed, dRed);
        dGreen = madd(weight, uGreen, dGreen);
        dBlue = madd(weight, uBlue, dBlue);
        const free = v128.and(mask, f32x4.lt(raw, splat(ALPHA_MAX)));
        const dAlpha = sub(mul(before, light), div(rest, sub(splat(1), alpha)));
        const dq = v128.and(mul(dAlpha, raw), free);
        const dqx = mul(dq, dx);
        row0 = add(row0, dq);
        row1 = add(row1, dqx);
        sxx = madd(dqx, dx, sxx);
        dx = add(dx, splat(4));
      }
      const vdy = splat(dy);
      const row0y = mul(vdy, row0);
      sq = add(sq, row0);
      sx = add(sx, row1);
      sy = add(sy, row0y);
      sxy = madd(vdy, row1, sxy);
      syy = madd(vdy, row0y, syy);
    }
    const x = sum4(sx);
    const yy = sum4(sy);
    store<f32>(out, a * x + b * yy);
    store<f32>(out, b * x + c * yy, 4);
    store<f32>(out, -0.5 * sum4(sxx), 8);
    store<f32>(out, -sum4(sxy), 12);
    store<f32>(out, -0.5 * sum4(syy), 16);
    // dL/dopacity = Σ dL/dalpha · falloff = Σ dL/dq / opacity.
    store<f32>(out, sum4(sq) / load<f32>(s, 20), 20);
    store<f32>(out, sum4(dRed), 24);
    store<f32>(out, sum4(dGreen), 28);
    store<f32>(out, sum4(dBlue), 32);
  }
}
