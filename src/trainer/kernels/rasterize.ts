/**
 * Splats → image and back, tile by tile: `rasterize.ts` of the reference, four pixels of a row at a time.
 *
 * A tile is 64 vectors of four pixels. For each splat the vectors it covers are found first, four rows at once, as
 * the bits of one 64-bit mask: in row y the splat's q stays below qMax between two known ends. One loop over the set
 * bits then does the blending; it has no inner loops of a few turns each, which the processor could not predict. The
 * backward pass takes over the mask that the forward pass left, cut to the vectors where something was blended or closed.
 *
 * Vector v holds row v & 15 of the tile, columns 4 (v >> 4) … + 3. The tile at hand lies in the thread's scratch,
 * vector by vector: transmittance, red, green, blue (forward); transmittance, rest of the light, dL/dred, dL/dgreen,
 * dL/dblue (backward). The transmittance of a closed pixel is negative; pixels beyond the image are closed.
 */
import * as ADDRESS from "./addresses.ts";
import { GRADIENT_STRIDE, SPLAT_STRIDE, TILE } from "./layout.ts";
import { at, scalar, scalarInt, scratch } from "./memory.ts";
import { add, div, exp2, log2, madd, mul, nmadd, splat, storeLanes, sub, sum4, sums4 } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

const ALPHA_MAX: f32 = 0.999;
const ALPHA_MIN: f32 = 1.0 / 255.0;
const TRANSMITTANCE_MIN: f32 = 1e-4;
/** exp(−q/2) = 2^(q · this). */
const HALF_LOG2E: f32 = -0.72134752044;
const SPLAT_BYTES: usize = SPLAT_STRIDE * 4;
const GRADIENT_BYTES: usize = GRADIENT_STRIDE * 4;
const VECTORS = 64;
/** Bytes per vector of the forward and of the backward state. */
const STATE: usize = 64;
const STATE_BACK: usize = 80;
/** Offsets in the scratch of what holds for the splat at hand: [4,4] dx · [16] factor of dx · [16] what is left of it. */
const DX: usize = 8192;
const LINEAR: usize = DX + 64;
const CONSTANT: usize = LINEAR + 64;

/** Blend a tile into `image`. */
export function rasterizeTile(tile: i32): void {
  const width = scalarInt(SCALAR.width);
  const height = scalarInt(SCALAR.height);
  const tilesX = scalarInt(SCALAR.tilesX);
  const x0 = (tile % tilesX) * TILE;
  const y0 = (tile / tilesX) * TILE;
  const columns = min(TILE, width - x0);
  const rows = min(TILE, height - y0);
  const state = scratch();
  for (let v = 0; v < VECTORS; v++) {
    const p = state + usize(v) * STATE;
    v128.store(p, openLanes(v, columns, rows));
    v128.store(p, splat(0), 16);
    v128.store(p, splat(0), 32);
    v128.store(p, splat(0), 48);
  }
  blend(tile, state, f32(x0), f32(y0), columns * rows);
  storeTile(state, x0, y0, columns, rows);
}

/** 1 in the lanes of vector v that lie on the image, −1 beyond it. */
// @ts-ignore: decorator
@inline
function openLanes(v: i32, columns: i32, rows: i32): v128 {
  const inside = v128.and(
    i32x4.lt_s(add_i(i32x4.splat((v >> 4) << 2), i32x4(0, 1, 2, 3)), i32x4.splat(columns)),
    i32x4.lt_s(i32x4.splat(v & 15), i32x4.splat(rows)),
  );
  return v128.bitselect(splat(1), splat(-1), inside);
}

// @ts-ignore: decorator
@inline
function add_i(a: v128, b: v128): v128 {
  return i32x4.add(a, b);
}

/**
 * For the splat at s: fill the tables of dx by column of vectors, and of the two parts of log2(alpha) by row, so that
 * log2(alpha) = dx · (a' dx + linear) + constant.
 */
// @ts-ignore: decorator
@inline
function fillTables(state: usize, s: usize, x0: f32, y0: f32): void {
  const dx = add(splat(x0 + 0.5 - load<f32>(s)), f32x4(0, 1, 2, 3));
  v128.store(state, dx, DX);
  v128.store(state, add(dx, splat(4)), DX + 16);
  v128.store(state, add(dx, splat(8)), DX + 32);
  v128.store(state, add(dx, splat(12)), DX + 48);
  const linear = splat(2 * HALF_LOG2E * load<f32>(s, 12));
  const square = splat(HALF_LOG2E * load<f32>(s, 16));
  const strength = log2(load<f32>(s, 20));
  let dy = add(splat(y0 + 0.5 - load<f32>(s, 4)), f32x4(0, 1, 2, 3));
  for (let group: usize = 0; group < 64; group += 16) {
    v128.store(state + group, mul(dy, linear), LINEAR);
    v128.store(state + group, madd(mul(dy, dy), square, splat(strength)), CONSTANT);
    dy = add(dy, splat(4));
  }
}

/** The vectors of the tile that the splat at s covers. Rows it does not touch give the root of a negative number: no bit. */
// @ts-ignore: decorator
@inline
function coverage(s: usize, x0: f32, y0: f32): u64 {
  const a = load<f32>(s, 8);
  const b = load<f32>(s, 12);
  const c = load<f32>(s, 16);
  const inverseA: f32 = 1 / a;
  const det = splat(a * c - b * b);
  const most = splat(a * load<f32>(s, 36));
  const slope = splat(-b * inverseA);
  const center = splat(load<f32>(s) - x0);
  let dy = add(splat(y0 + 0.5 - load<f32>(s, 4)), f32x4(0, 1, 2, 3));
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

function blend(tile: i32, state: usize, x0: f32, y0: f32, pixels: i32): void {
  const splats = at(ADDRESS.splats);
  const pairSplat = at(ADDRESS.pairSplat);
  const pairMask = at(ADDRESS.pairMask);
  const last = load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2), 4);
  let pair = load<i32>(at(ADDRESS.tileStart) + (usize(tile) << 2));
  let open = pixels;
  for (; pair < last && open > 0; pair++) {
    const s = splats + usize(load<i32>(pairSplat + (usize(pair) << 2))) * SPLAT_BYTES;
    let mask = coverage(s, x0, y0);
    let blended: u64 = 0;
    if (mask != 0) {
      fillTables(state, s, x0, y0);
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
function storeTile(state: usize, x0: i32, y0: i32, columns: i32, rows: i32): void {
  const width = scalarInt(SCALAR.width);
  const plane = usize(width * scalarInt(SCALAR.height)) << 2;
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
  const width = scalarInt(SCALAR.width);
  const height = scalarInt(SCALAR.height);
  const tilesX = scalarInt(SCALAR.tilesX);
  const x0 = (tile % tilesX) * TILE;
  const y0 = (tile / tilesX) * TILE;
  const columns = min(TILE, width - x0);
  const rows = min(TILE, height - y0);
  const state = scratch();
  const plane = usize(width * height) << 2;
  for (let v = 0; v < VECTORS; v++) v128.store(state + usize(v) * STATE_BACK, openLanes(v, columns, rows));
  for (let row = 0; row < rows; row++) {
    let p = state + usize(row) * STATE_BACK;
    const offset = usize((y0 + row) * width + x0) << 2;
    let rendered = at(ADDRESS.image) + plane + offset;
    let gradient = at(ADDRESS.imageGradient) + offset;
    for (let x = 0; x < columns; x += 4, p += 16 * STATE_BACK, rendered += 16, gradient += 16) {
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
  blendBackward(tile, state, f32(x0), f32(y0));
}

function blendBackward(tile: i32, state: usize, x0: f32, y0: f32): void {
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
    fillTables(state, s, x0, y0);
    const dy0 = splat(y0 + 0.5 - load<f32>(s, 4));
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
      const p = state + v * STATE_BACK;
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

/** [16] 0, 1, … 15. */
const ROWS = memory.data<f32>([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
