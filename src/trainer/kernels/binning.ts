/** Which splats touch which tiles, near to far: as `binning.ts` of the reference, on the shared arrays. */
import * as ADDRESS from "./addresses.ts";
import { SPLAT_STRIDE, TILE } from "./layout.ts";
import { at, scalarInt, scratch, setScalar } from "./memory.ts";
import * as SCALAR from "../scalars.ts";

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const SPLAT_BYTES: usize = SPLAT_STRIDE * 4;

// @ts-ignore: decorator
@inline
function tileOf(x: f32): i32 {
  return i32(floor<f32>(x * (1.0 / f32(TILE))));
}

/** Count the pairs; fills `slotStart`, `tileStart`, `boxes`, `order`. */
export function countPairs(): i32 {
  const count = scalarInt(SCALAR.count);
  const tilesX = scalarInt(SCALAR.tilesX);
  const tiles = scalarInt(SCALAR.tiles);
  const tilesY = tiles / tilesX;
  const splats = at(ADDRESS.splats);
  const slotStart = at(ADDRESS.slotStart);
  const tileStart = at(ADDRESS.tileStart);
  const boxes = at(ADDRESS.boxes);
  const order = at(ADDRESS.orderSpare);
  memory.fill(tileStart, 0, usize(tiles + 1) << 2);
  let pairs = 0;
  let visible = 0;
  for (let i = 0; i < count; i++) {
    store<i32>(slotStart + (usize(i) << 2), pairs);
    const s = splats + usize(i) * SPLAT_BYTES;
    const extentX = load<f32>(s, 40);
    if (extentX < 0) continue;
    const extentY = load<f32>(s, 44);
    const x = load<f32>(s) - 0.5;
    const y = load<f32>(s, 4) - 0.5;
    const x0 = max(0, tileOf(x - extentX));
    const x1 = min(tilesX - 1, tileOf(x + extentX));
    const y0 = max(0, tileOf(y - extentY));
    const y1 = min(tilesY - 1, tileOf(y + extentY));
    if (x1 < x0 || y1 < y0) continue;
    store<i32>(order + (usize(visible++) << 2), i);
    const box = boxes + (usize(i) << 4);
    store<i32>(box, x0);
    store<i32>(box, x1, 4);
    store<i32>(box, y0, 8);
    store<i32>(box, y1, 12);
    pairs += (x1 - x0 + 1) * (y1 - y0 + 1);
    for (let ty = y0; ty <= y1; ty++) {
      const row = tileStart + (usize(ty * tilesX + 1) << 2);
      for (let tx = x0; tx <= x1; tx++) {
        const cell = row + (usize(tx) << 2);
        store<i32>(cell, load<i32>(cell) + 1);
      }
    }
  }
  store<i32>(slotStart + (usize(count) << 2), pairs);
  let before = 0;
  for (let tile = 1; tile <= tiles; tile++) {
    const cell = tileStart + (usize(tile) << 2);
    before += load<i32>(cell);
    store<i32>(cell, before);
  }
  setScalar(SCALAR.visible, visible);
  sortByDepth(visible);
  return pairs;
}

/** Write the pairs, tile by tile, near to far. */
export function fillPairs(): void {
  const tilesX = scalarInt(SCALAR.tilesX);
  const tiles = scalarInt(SCALAR.tiles);
  const visible = scalarInt(SCALAR.visible);
  const slotStart = at(ADDRESS.slotStart);
  const boxes = at(ADDRESS.boxes);
  const order = at(ADDRESS.order);
  const cursors = at(ADDRESS.cursors);
  const pairSplat = at(ADDRESS.pairSplat);
  const pairSlot = at(ADDRESS.pairSlot);
  memory.copy(cursors, at(ADDRESS.tileStart), usize(tiles) << 2);
  for (let rank = 0; rank < visible; rank++) {
    const i = load<i32>(order + (usize(rank) << 2));
    const box = boxes + (usize(i) << 4);
    const x0 = load<i32>(box);
    const x1 = load<i32>(box, 4);
    const y1 = load<i32>(box, 12);
    let slot = load<i32>(slotStart + (usize(i) << 2));
    for (let ty = load<i32>(box, 8); ty <= y1; ty++) {
      const row = cursors + (usize(ty * tilesX) << 2);
      for (let tx = x0; tx <= x1; tx++) {
        const cell = row + (usize(tx) << 2);
        const pair = load<i32>(cell);
        store<i32>(cell, pair + 1);
        store<i32>(pairSplat + (usize(pair) << 2), i);
        store<i32>(pairSlot + (usize(pair) << 2), slot++);
      }
    }
  }
}

/** Radix sort of `orderSpare` by depth into `order`, in three passes of 11 bits. Depths are ≥ 0. */
function sortByDepth(visible: i32): void {
  const depths = at(ADDRESS.depths);
  const counts = scratch();
  let from = at(ADDRESS.orderSpare);
  let to = at(ADDRESS.order);
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    memory.fill(counts, 0, usize(DIGITS * 4));
    for (let rank = 0; rank < visible; rank++) {
      const cell = counts + (digitOf(depths, load<u32>(from + (usize(rank) << 2)), shift) << 2);
      store<i32>(cell, load<i32>(cell) + 1);
    }
    let start = 0;
    for (let digit: usize = 0; digit < usize(DIGITS); digit++) {
      const here = load<i32>(counts + (digit << 2));
      store<i32>(counts + (digit << 2), start);
      start += here;
    }
    for (let rank = 0; rank < visible; rank++) {
      const i = load<u32>(from + (usize(rank) << 2));
      const cell = counts + (digitOf(depths, i, shift) << 2);
      const place = load<i32>(cell);
      store<i32>(cell, place + 1);
      store<u32>(to + (usize(place) << 2), i);
    }
    const swap = from;
    from = to;
    to = swap;
  }
}

// @ts-ignore: decorator
@inline
function digitOf(depths: usize, i: u32, shift: i32): usize {
  return (load<u32>(depths + (usize(i) << 2)) >>> shift) & (DIGITS - 1);
}
