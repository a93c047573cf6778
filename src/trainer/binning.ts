/** Which splats touch which tiles, near to far: the lists the rasteriser walks. */
import { SPLAT_STRIDE, TILE, type Views } from "./memory.ts";
import { SCALAR } from "./scalars.ts";

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/** Scratch of the one thread that bins; grows with the number of Gaussians. */
export interface Binning {
  /** Splats on the image, near to far; the first `visible` count. */
  order: Uint32Array;
  visible: number;
  spare: Uint32Array;
  /** [N,4] first and last tile column, first and last tile row of each splat. */
  boxes: Int32Array;
  readonly digitCounts: Uint32Array;
  cursors: Int32Array;
}

/** Empty scratch. */
export function createBinning(): Binning {
  return {
    order: new Uint32Array(0),
    visible: 0,
    spare: new Uint32Array(0),
    boxes: new Int32Array(0),
    digitCounts: new Uint32Array(DIGITS),
    cursors: new Int32Array(0),
  };
}

/**
 * Count the (tile, splat) pairs of the projected splats, filling `slotStart`, `tileStart` and the scratch.
 * Returns the number of pairs, for which `pairSplat` and friends must have room before `fillPairs`.
 */
export function countPairs(views: Views, binning: Binning): number {
  const { scalars, splats, slotStart, tileStart } = views;
  const count = scalars[SCALAR.count];
  const tilesX = scalars[SCALAR.tilesX];
  const tiles = scalars[SCALAR.tiles];
  const tilesY = tiles / tilesX;
  if (binning.order.length < count) {
    binning.order = new Uint32Array(count);
    binning.spare = new Uint32Array(count);
    binning.boxes = new Int32Array(count * 4);
  }
  const { order, boxes } = binning;
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
    order[visible++] = i;
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
  binning.visible = visible;
  sortByDepth(views, binning);
  return pairs;
}

/** Write the pairs: splats in depth order, so each tile's list comes out near to far. Call after `countPairs`. */
export function fillPairs(views: Views, binning: Binning): void {
  const { scalars, slotStart, tileStart, pairSplat, pairSlot } = views;
  const tilesX = scalars[SCALAR.tilesX];
  const tiles = scalars[SCALAR.tiles];
  if (binning.cursors.length < tiles) binning.cursors = new Int32Array(tiles);
  const { order, visible, boxes, cursors } = binning;
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

/** Radix sort of the visible splats by depth. Depths are ≥ 0, so their bits sort as integers. */
function sortByDepth(views: Views, binning: Binning): void {
  const { depths } = views;
  const keys = new Uint32Array(depths.buffer, depths.byteOffset, depths.length);
  const { digitCounts, visible } = binning;
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    const { order, spare } = binning;
    digitCounts.fill(0);
    for (let rank = 0; rank < visible; rank++) {
      digitCounts[(keys[order[rank]] >>> shift) & (DIGITS - 1)]++;
    }
    let start = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const here = digitCounts[digit];
      digitCounts[digit] = start;
      start += here;
    }
    for (let rank = 0; rank < visible; rank++) {
      const i = order[rank];
      spare[digitCounts[(keys[i] >>> shift) & (DIGITS - 1)]++] = i;
    }
    binning.order = spare;
    binning.spare = order;
  }
}
