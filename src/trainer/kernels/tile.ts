/**
 * The tile at hand, and what both ways through it start from.
 *
 * A tile is 64 vectors of four pixels. Vector v holds row v & 15 of the tile, columns 4 (v >> 4) … + 3. The thread's
 * scratch holds the state of the pixels, vector by vector, and behind it tables for the splat at hand.
 */
import { TILE } from "./layout.ts";
import { scalarInt } from "./memory.ts";
import { add, log2, madd, mul, splat } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

/** exp(−q/2) = 2^(q · this). */
export const HALF_LOG2E: f32 = -0.72134752044;
export const VECTORS = 64;
/** Offsets in the scratch of what holds for the splat at hand: [4,4] dx · [16] factor of dx · [16] what is left of it. */
export const DX: usize = 8192;
export const LINEAR: usize = DX + 64;
export const CONSTANT: usize = LINEAR + 64;

/** First pixel, size where the image ends sooner than the tile, the image's width, and the bytes of one of its planes. */
export let x0: i32 = 0;
export let y0: i32 = 0;
export let columns: i32 = 0;
export let rows: i32 = 0;
export let width: i32 = 0;
export let plane: usize = 0;

/** Take up a tile. */
export function enterTile(tile: i32): void {
  const height = scalarInt(SCALAR.height);
  const tilesX = scalarInt(SCALAR.tilesX);
  width = scalarInt(SCALAR.width);
  plane = usize(width * height) << 2;
  x0 = (tile % tilesX) * TILE;
  y0 = (tile / tilesX) * TILE;
  columns = min(TILE, width - x0);
  rows = min(TILE, height - y0);
}

/** 1 in the lanes of vector v that lie on the image, −1 beyond it. */
// @ts-ignore: decorator
@inline
export function openLanes(v: i32): v128 {
  const inside = v128.and(
    i32x4.lt_s(i32x4.add(i32x4.splat((v >> 4) << 2), i32x4(0, 1, 2, 3)), i32x4.splat(columns)),
    i32x4.lt_s(i32x4.splat(v & 15), i32x4.splat(rows)),
  );
  return v128.bitselect(splat(1), splat(-1), inside);
}

/**
 * For the splat at s: fill the tables of dx by column of vectors, and of the two parts of log2(alpha) by row, so that
 * log2(alpha) = dx · (a' dx + linear) + constant.
 */
// @ts-ignore: decorator
@inline
export function fillTables(state: usize, s: usize): void {
  const dx = add(splat(f32(x0) + 0.5 - load<f32>(s)), f32x4(0, 1, 2, 3));
  v128.store(state, dx, DX);
  v128.store(state, add(dx, splat(4)), DX + 16);
  v128.store(state, add(dx, splat(8)), DX + 32);
  v128.store(state, add(dx, splat(12)), DX + 48);
  const linear = splat(2 * HALF_LOG2E * load<f32>(s, 12));
  const square = splat(HALF_LOG2E * load<f32>(s, 16));
  const strength = log2(load<f32>(s, 20));
  let dy = add(splat(f32(y0) + 0.5 - load<f32>(s, 4)), f32x4(0, 1, 2, 3));
  for (let group: usize = 0; group < 64; group += 16) {
    v128.store(state + group, mul(dy, linear), LINEAR);
    v128.store(state + group, madd(mul(dy, dy), square, splat(strength)), CONSTANT);
    dy = add(dy, splat(4));
  }
}
