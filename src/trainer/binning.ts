/**
 * Which splats touch which tiles, near to far: the lists the rasteriser walks.
 *
 * `boxSplats` runs with the projection, chunk by chunk. Then bands of tile rows, independent of each other, first count
 * and then fill the lists of their own tiles; beside the counting, splats are sorted by depth and given their slots.
 */
import { BEFORE_BANDS } from "./kernels/layout.ts";
import { CHUNK, SPLAT_STRIDE, TILE, type Views } from "./memory.ts";
import * as SCALAR from "./scalars.ts";

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const digitCounts = new Uint32Array(DIGITS);

/** Boxes and pair counts of the projected Gaussians [from, to), one chunk. */
export function boxSplats(
  { scalars, splats, boxes, pairCounts, chunkPairs }: Views,
  from: number,
  to: number,
): void {
  const tilesX = scalars[SCALAR.tilesX];
  const tilesY = scalars[SCALAR.tiles] / tilesX;
  chunkPairs[from / CHUNK] = 0;
  for (let i = from; i < to; i++) {
    pairCounts[i] = 0;
    const s = i * SPLAT_STRIDE;
    const extentX = splats[s + 10];
    if (extentX < 0) continue;
    const extentY = splats[s + 11];
    // Pixel x covers the splat when its centre x + 0.5 does.
    const x0 = Math.max(0, Math.floor((splats[s] - extentX - 0.5) / TILE));
    const x1 = Math.min(tilesX - 1, Math.floor((splats[s] + extentX - 0.5) / TILE));
    const y0 = Math.max(0, Math.floor((splats[s + 1] - extentY - 0.5) / TILE));
    const y1 = Math.min(tilesY - 1, Math.floor((splats[s + 1] + extentY - 0.5) / TILE));
    if (x1 < x0 || y1 < y0) continue;
    boxes[i * 4] = x0;
    boxes[i * 4 + 1] = x1;
    boxes[i * 4 + 2] = y0;
    boxes[i * 4 + 3] = y1;
    pairCounts[i] = (x1 - x0 + 1) * (y1 - y0 + 1);
    chunkPairs[from / CHUNK] += pairCounts[i];
  }
}

/** The number of pairs of all chunks: `pairSplat` and friends must have room for them before `fillTiles`. */
export function countPairs({ scalars, chunkPairs }: Views): number {
  const chunks = Math.ceil(scalars[SCALAR.count] / CHUNK);
  let total = 0;
  for (let chunk = 0; chunk < chunks; chunk++) total += chunkPairs[chunk];
  return total;
}

/** Item 0 sorts, item 1 gives each splat its slots, the others count the pairs of their band's tiles. */
export function sortAndCount(views: Views, item: number): void {
  if (item === 0) sortByDepth(views, gatherVisible(views));
  else if (item === 1) startSlots(views);
  else countTiles(views, item - BEFORE_BANDS);
}

/** Splats on the image into `orderSpare`, in order. */
function gatherVisible({ scalars, pairCounts, orderSpare }: Views): number {
  const count = scalars[SCALAR.count];
  let visible = 0;
  for (let i = 0; i < count; i++) if (pairCounts[i] > 0) orderSpare[visible++] = i;
  scalars[SCALAR.visible] = visible;
  return visible;
}

function startSlots({ scalars, pairCounts, slotStart }: Views): void {
  const count = scalars[SCALAR.count];
  slotStart[0] = 0;
  for (let i = 0; i < count; i++) slotStart[i + 1] = slotStart[i] + pairCounts[i];
}

/** Tile rows [first, last] of a band. */
function bandRows({ scalars }: Views, band: number): { first: number; last: number } {
  const tilesY = scalars[SCALAR.tiles] / scalars[SCALAR.tilesX];
  const start = (of: number): number => Math.floor((tilesY * of) / scalars[SCALAR.bands]);
  return { first: start(band), last: start(band + 1) - 1 };
}

/** Pairs of each tile of a band into `cursors`. */
function countTiles(views: Views, band: number): void {
  const { scalars, pairCounts, boxes, cursors } = views;
  const count = scalars[SCALAR.count];
  const tilesX = scalars[SCALAR.tilesX];
  const { first, last } = bandRows(views, band);
  cursors.fill(0, first * tilesX, (last + 1) * tilesX);
  for (let i = 0; i < count; i++) {
    if (pairCounts[i] === 0) continue;
    const y1 = Math.min(last, boxes[i * 4 + 3]);
    for (let y = Math.max(first, boxes[i * 4 + 2]); y <= y1; y++) {
      for (let x = boxes[i * 4]; x <= boxes[i * 4 + 1]; x++) cursors[y * tilesX + x]++;
    }
  }
}

/** From the counts in `cursors` to where each tile's list begins, there and in `tileStart`. */
export function startTiles({ scalars, tileStart, cursors }: Views): void {
  const tiles = scalars[SCALAR.tiles];
  let pairs = 0;
  for (let tile = 0; tile < tiles; tile++) {
    tileStart[tile] = pairs;
    pairs += cursors[tile];
    cursors[tile] = tileStart[tile];
  }
  tileStart[tiles] = pairs;
}

/** Write the pairs of a band's tiles: splats in depth order, so each tile's list comes out near to far. */
export function fillTiles(views: Views, band: number): void {
  const { scalars, slotStart, boxes, order, cursors, pairSplat, pairSlot } = views;
  const tilesX = scalars[SCALAR.tilesX];
  const visible = scalars[SCALAR.visible];
  const { first, last } = bandRows(views, band);
  for (let rank = 0; rank < visible; rank++) {
    const i = order[rank];
    const [x0, x1, top, bottom] = [boxes[i * 4], boxes[i * 4 + 1], boxes[i * 4 + 2], boxes[i * 4 + 3]];
    const y1 = Math.min(last, bottom);
    for (let y = Math.max(first, top); y <= y1; y++) {
      let slot = slotStart[i] + (y - top) * (x1 - x0 + 1);
      for (let x = x0; x <= x1; x++) {
        const pair = cursors[y * tilesX + x]++;
        pairSplat[pair] = i;
        pairSlot[pair] = slot++;
      }
    }
  }
}

/**
 * Radix sort of the visible splats by depth, from `orderSpare` into `order`: three passes, the last ends there.
 * Depths are ≥ 0, so their bits sort as integers.
 */
function sortByDepth({ depths, order, orderSpare }: Views, visible: number): void {
  const keys = new Uint32Array(depths.buffer, depths.byteOffset, depths.length);
  let from = orderSpare;
  let to = order;
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    digitCounts.fill(0);
    for (let rank = 0; rank < visible; rank++) digitCounts[(keys[from[rank]] >>> shift) & (DIGITS - 1)]++;
    let start = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const here = digitCounts[digit];
      digitCounts[digit] = start;
      start += here;
    }
    for (let rank = 0; rank < visible; rank++) {
      const i = from[rank];
      to[digitCounts[(keys[i] >>> shift) & (DIGITS - 1)]++] = i;
    }
    [from, to] = [to, from];
  }
}
