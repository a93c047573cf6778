/** Which splats touch which tiles, near to far: the lists the rasteriser walks. */
import { SPLAT_STRIDE, TILE, type Views } from "./memory.ts";
import * as SCALAR from "./scalars.ts";

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const digitCounts = new Uint32Array(DIGITS);

/**
 * Count the (tile, splat) pairs of the projected splats, filling `slotStart`, `tileStart`, `boxes` and `order`.
 * Returns the number of pairs, for which `pairSplat` and friends must have room before `fillPairs`.
 */
export function countPairs(views: Views): number {
  const { scalars, splats, slotStart, tileStart, boxes, orderSpare } = views;
  const count = scalars[SCALAR.count];
  const tilesX = scalars[SCALAR.tilesX];
  const tiles = scalars[SCALAR.tiles];
  const tilesY = tiles / tilesX;
  tileStart.fill(0, 0, tiles + 1);
  let pairs = 0;
  let visible = 0;
  for (let i = 0; i < count; i++) {
    slotStart[i] = pairs;
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
    orderSpare[visible++] = i;
    boxes[i * 4] = x0;
    boxes[i * 4 + 1] = x1;
    boxes[i * 4 + 2] = y0;
    boxes[i * 4 + 3] = y1;
    pairs += (x1 - x0 + 1) * (y1 - y0 + 1);
    for (let y = y0; y <= y1; y++) {
      for (let x = x0; x <= x1; x++) tileStart[y * tilesX + x + 1]++;
    }
  }
  slotStart[count] = pairs;
  for (let tile = 0; tile < tiles; tile++) tileStart[tile + 1] += tileStart[tile];
  scalars[SCALAR.visible] = visible;
  sortByDepth(views);
  return pairs;
}

/** Write the pairs: splats in depth order, so each tile's list comes out near to far. Call after `countPairs`. */
export function fillPairs(views: Views): void {
  const { scalars, slotStart, tileStart, pairSplat, pairSlot, order, boxes, cursors } = views;
  const tilesX = scalars[SCALAR.tilesX];
  const tiles = scalars[SCALAR.tiles];
  const visible = scalars[SCALAR.visible];
  cursors.set(tileStart.subarray(0, tiles));
  for (let rank = 0; rank < visible; rank++) {
    const i = order[rank];
    let slot = slotStart[i];
    const x1 = boxes[i * 4 + 1];
    const y1 = boxes[i * 4 + 3];
    for (let y = boxes[i * 4 + 2]; y <= y1; y++) {
      for (let x = boxes[i * 4]; x <= x1; x++) {
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
function sortByDepth({ scalars, depths, order, orderSpare }: Views): void {
  const keys = new Uint32Array(depths.buffer, depths.byteOffset, depths.length);
  const visible = scalars[SCALAR.visible];
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
