/** Gaussians → splats, as `projection.ts` of the reference, four at a time. */
import * as ADDRESS from "./addresses.ts";
import { colorFour } from "./colors.ts";
import * as RULE from "./conventions.ts";
import {
  BLUR,
  CX,
  CY,
  DET,
  FILTER_MIN,
  FX,
  FY,
  get,
  HEIGHT,
  INVERSE_Z,
  laneMask,
  loadCamera,
  loadFour,
  loadShapes,
  OPACITY,
  PLACE,
  projectShapes,
  put,
  SHARP,
  SPLAT,
  WIDTH,
  XX,
  XY,
  YY,
} from "./four.ts";
import { SPLAT_STRIDE } from "./layout.ts";
import { at, scalar, scratch } from "./memory.ts";
import { add, and, between, div, log, madd, mul, root, splat, sub, transpose } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

const NEAR: f32 = f32(RULE.NEAR);
const ALPHA_MIN: f32 = f32(RULE.ALPHA_MIN);
const EXTENT_MAX: f32 = f32(RULE.EXTENT_MAX);
const CORRELATION_MAX: f32 = f32(RULE.CORRELATION_MAX);
/** Larger determinants are refused: their products no longer fit a float. */
const DET_MAX: f32 = 1e37;
const SPLAT_BYTES: usize = SPLAT_STRIDE * 4;

/** Project Gaussians [from, to), one chunk, into `splats` and `depths`. */
export function project(from: i32, to: i32): void {
  const s = scratch();
  loadCamera(s);
  const antialiased = scalar(SCALAR.antialiased) == 1;
  for (let i = from; i < to; i += 4) {
    loadFour(s, usize(i));
    const inFront = f32x4.ge(get(s, PLACE + 32), splat(NEAR));
    const solid = f32x4.ge(get(s, OPACITY), splat(ALPHA_MIN));
    const shown = and(laneMask((1 << min(4, to - i)) - 1), and(inFront, solid));
    if (v128.any_true(shown)) projectFour(s, usize(i), shown, antialiased);
    else hideFour(usize(i));
  }
}

function hideFour(i: usize): void {
  const splats = at(ADDRESS.splats) + i * SPLAT_BYTES;
  for (let lane: usize = 0; lane < 4; lane++) store<f32>(splats + lane * SPLAT_BYTES, -1, 40);
  v128.store(at(ADDRESS.depths) + (i << 2), splat(0));
}

/** `candidates`: lanes that may be shown at all. */
function projectFour(s: usize, i: usize, candidates: v128, antialiased: bool): void {
  loadShapes(s, at(ADDRESS.quats) + (i << 4));
  projectShapes(s);
  const det = get(s, DET);
  const xx = add(get(s, XX), splat(BLUR));
  const yy = add(get(s, YY), splat(BLUR));
  let opacity = get(s, OPACITY);
  if (antialiased) opacity = mul(opacity, root(f32x4.pmax(div(get(s, SHARP), det), splat(FILTER_MIN))));
  const qMax = mul(splat(2), log(mul(opacity, splat(1 / ALPHA_MIN))));
  const extentX = root(mul(qMax, xx));
  const extentY = root(mul(qMax, yy));
  const x = madd(mul(get(s, FX), get(s, PLACE)), get(s, INVERSE_Z), get(s, CX));
  const y = madd(mul(get(s, FY), get(s, PLACE + 16)), get(s, INVERSE_Z), get(s, CY));
  const a = div(yy, det);
  const c = div(xx, det);
  // A needle thousands of pixels long would come out of rounding with q < 0 somewhere.
  const limit = mul(splat(CORRELATION_MAX), mul(root(a), root(c)));
  const b = between(f32x4.neg(div(get(s, XY), det)), f32x4.neg(limit), limit);
  // Written so that NaN anywhere is refused too.
  let shown = and(candidates, f32x4.ge(opacity, splat(ALPHA_MIN)));
  shown = and(shown, and(f32x4.gt(add(x, extentX), splat(0)), f32x4.lt(sub(x, extentX), get(s, WIDTH))));
  shown = and(shown, and(f32x4.gt(add(y, extentY), splat(0)), f32x4.lt(sub(y, extentY), get(s, HEIGHT))));
  shown = and(shown, f32x4.lt(add(extentX, extentY), splat(EXTENT_MAX)));
  shown = and(shown, and(f32x4.gt(det, splat(0)), f32x4.lt(det, splat(DET_MAX))));
  v128.store(at(ADDRESS.depths) + (i << 2), and(get(s, PLACE + 32), shown));
  const lanes = i32x4.bitmask(shown);
  if (lanes == 0) return hideFour(i);
  colorFour(s, i, lanes);
  put(s, SPLAT, x);
  put(s, SPLAT + 16, y);
  put(s, SPLAT + 32, a);
  put(s, SPLAT + 48, b);
  put(s, SPLAT + 64, c);
  put(s, SPLAT + 80, opacity);
  put(s, SPLAT + 144, qMax);
  put(s, SPLAT + 160, v128.bitselect(extentX, splat(-1), shown));
  put(s, SPLAT + 176, extentY);
  const splats = at(ADDRESS.splats) + i * SPLAT_BYTES;
  for (let part: usize = 0; part < 3; part++) {
    transpose(s + SPLAT + part * 64, 16, splats + part * 16, SPLAT_BYTES);
  }
}
