/**
 * Which splats touch which tiles, near to far: as `binning.ts` of the reference, on all threads. Bands of tile rows are
 * independent: each counts and fills the lists of its own tiles, while one thread sorts by depth.
 */
import * as ADDRESS from "./addresses.ts";
import { BEFORE_BANDS, CHUNK, SPLAT_STRIDE, TILE } from "./layout.ts";
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

// @ts-ignore: decorator
@inline
function word(region: i32, index: i32): usize {
  return at(region) + (usize(index) << 2);
}

/** Boxes and pair counts of the projected Gaussians [from, to), one chunk. */
export function boxSplats(from: i32, to: i32): void {
  const tilesX = scalarInt(SCALAR.tilesX);
  const tilesY = scalarInt(SCALAR.tiles) / tilesX;
  let splat = at(ADDRESS.splats) + usize(from) * SPLAT_BYTES;
  let box = at(ADDRESS.boxes) + (usize(from) << 3);
  let counted = word(ADDRESS.pairCounts, from);
  let total = 0;
  for (let i = from; i < to; i++, splat += SPLAT_BYTES, box += 8, counted += 4) {
    let pairs = 0;
    const extentX = load<f32>(splat, 40);
    if (extentX >= 0) {
      const extentY = load<f32>(splat, 44);
      // Pixel x covers the splat when its centre x + 0.5 does.
      const x = load<f32>(splat) - 0.5;
      const y = load<f32>(splat, 4) - 0.5;
      const x0 = max(0, tileOf(x - extentX));
      const x1 = min(tilesX - 1, tileOf(x + extentX));
      const y0 = max(0, tileOf(y - extentY));
      const y1 = min(tilesY - 1, tileOf(y + extentY));
      if (x1 >= x0 && y1 >= y0) {
        store<u16>(box, u16(x0));
        store<u16>(box, u16(x1), 2);
        store<u16>(box, u16(y0), 4);
        store<u16>(box, u16(y1), 6);
        pairs = (x1 - x0 + 1) * (y1 - y0 + 1);
      }
    }
    store<i32>(counted, pairs);
    total += pairs;
  }
  store<i32>(word(ADDRESS.chunkPairs, from / CHUNK), total);
}

/** The number of pairs of all chunks. */
export function countPairs(): i32 {
  const chunks = (scalarInt(SCALAR.count) + CHUNK - 1) / CHUNK;
  let total = 0;
  for (let chunk = 0; chunk < chunks; chunk++) total += load<i32>(word(ADDRESS.chunkPairs, chunk));
  return total;
}

/** Item 0 sorts, item 1 gives each splat its slots, the others count the pairs of their band's tiles. */
export function sortAndCount(item: i32): void {
  if (item == 0) sortByDepth(gatherVisible());
  else if (item == 1) startSlots();
  else countTiles(item - BEFORE_BANDS);
}

/** Splats on the image into `orderSpare`, in order. */
function gatherVisible(): i32 {
  const count = scalarInt(SCALAR.count);
  const counted = at(ADDRESS.pairCounts);
  let order = at(ADDRESS.orderSpare);
  let visible = 0;
  for (let i = 0; i < count; i++) {
    if (load<i32>(counted + (usize(i) << 2)) == 0) continue;
    store<i32>(order, i);
    order += 4;
    visible++;
  }
  setScalar(SCALAR.visible, visible);
  return visible;
}

function startSlots(): void {
  const count = scalarInt(SCALAR.count);
  const counted = at(ADDRESS.pairCounts);
  const slotStart = at(ADDRESS.slotStart);
  let pairs = 0;
  for (let i = 0; i < count; i++) {
    store<i32>(slotStart + (usize(i) << 2), pairs);
    pairs += load<i32>(counted + (usize(i) << 2));
  }
  store<i32>(slotStart + (usize(count) << 2), pairs);
}

/** First tile row of a band; of the band after the last, the number of tile rows. */
function bandStart(band: i32): i32 {
  const tilesY = scalarInt(SCALAR.tiles) / scalarInt(SCALAR.tilesX);
  return (tilesY * band) / scalarInt(SCALAR.bands);
}

/** Pairs of each tile of a band into `cursors`. */
function countTiles(band: i32): void {
  const count = scalarInt(SCALAR.count);
  const tilesX = scalarInt(SCALAR.tilesX);
  const first = bandStart(band);
  const last = bandStart(band + 1) - 1;
  const cursors = at(ADDRESS.cursors);
  memory.fill(cursors + (usize(first * tilesX) << 2), 0, usize((last - first + 1) * tilesX) << 2);
  let box = at(ADDRESS.boxes);
  let counted = at(ADDRESS.pairCounts);
  for (let i = 0; i < count; i++, box += 8, counted += 4) {
    if (load<i32>(counted) == 0) continue;
    const y0 = max(first, i32(load<u16>(box, 4)));
    const y1 = min(last, i32(load<u16>(box, 6)));
    if (y0 > y1) continue;
    const x0 = i32(load<u16>(box));
    const x1 = i32(load<u16>(box, 2));
    for (let y = y0; y <= y1; y++) {
      const row = cursors + (usize(y * tilesX) << 2);
      for (let x = x0; x <= x1; x++) {
        const cell = row + (usize(x) << 2);
        store<i32>(cell, load<i32>(cell) + 1);
      }
    }
  }
}

/** From the counts in `cursors` to where each tile's list begins, there and in `tileStart`. */
export function startTiles(): void {
  const tiles = scalarInt(SCALAR.tiles);
  const tileStart = at(ADDRESS.tileStart);
  const cursors = at(ADDRESS.cursors);
  let pairs = 0;
  for (let tile = 0; tile < tiles; tile++) {
    const here = load<i32>(cursors + (usize(tile) << 2));
    store<i32>(tileStart + (usize(tile) << 2), pairs);
    store<i32>(cursors + (usize(tile) << 2), pairs);
    pairs += here;
  }
  store<i32>(tileStart + (usize(tiles) << 2), pairs);
}

/** Write the pairs of a band's tiles: splats in depth order, so each tile's list comes out near to far. */
export function fillTiles(band: i32): void {
  const tilesX = scalarInt(SCALAR.tilesX);
  const visible = scalarInt(SCALAR.visible);
  const first = bandStart(band);
  const last = bandStart(band + 1) - 1;
  const slotStart = at(ADDRESS.slotStart);
  const boxes = at(ADDRESS.boxes);
  const order = at(ADDRESS.order);
  const cursors = at(ADDRESS.cursors);
  const pairSplat = at(ADDRESS.pairSplat);
  const pairSlot = at(ADDRESS.pairSlot);
  for (let rank = 0; rank < visible; rank++) {
    const i = load<i32>(order + (usize(rank) << 2));
    const box = boxes + (usize(i) << 3);
    const top = i32(load<u16>(box, 4));
    const y0 = max(first, top);
    const y1 = min(last, i32(load<u16>(box, 6)));
    if (y0 > y1) continue;
    const x0 = i32(load<u16>(box));
    const x1 = i32(load<u16>(box, 2));
    let slot = load<i32>(slotStart + (usize(i) << 2)) + (y0 - top) * (x1 - x0 + 1);
    for (let y = y0; y <= y1; y++) {
      const row = cursors + (usize(y * tilesX) << 2);
      for (let x = x0; x <= x1; x++) {
        const cell = row + (usize(x) << 2);
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
