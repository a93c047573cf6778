/** What can be measured on small grey pictures: how sharp, how bright, how far from one another. */

/** Grey levels 0…255, [height, width] row-major. */
export interface GreyPicture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** Nearly black is below the first, nearly white above the second. */
const EXPOSED_LEVELS = [20, 245] as const;
/** Grey levels squared: keeps a wall without any texture from dividing noise by nothing. */
const FLAT_ENERGY = 2;
/** Pixels that the coarse difference reaches to either side. */
const REACH = 3;
/** Blocks across the longer side. */
const BLOCKS = 8;
/** Grey levels squared per pixel: a block with less cannot tell where it has gone. */
const BLOCK_TEXTURE = 4;

/** Mean level, and the share of pixels, 0…1, that are neither nearly black nor nearly white. */
export function exposureOf({ pixels }: GreyPicture): { brightness: number; exposedShare: number } {
  const [black, white] = EXPOSED_LEVELS;
  let [sum, exposed] = [0, 0];
  for (const level of pixels) {
    sum += level;
    if (level >= black && level <= white) exposed++;
  }
  return { brightness: sum / pixels.length, exposedShare: exposed / pixels.length };
}

/**
 * Energy of the finest details over that of details three times as large, across or down, whichever is less: motion blur
 * takes the fine ones along its direction. The quotient stays much the same when the camera comes upon a scene of another
 * texture, which a Laplacian's variance (Pech-Pacheco et al. 2000) does not. 0 for pictures under 8 pixels a side.
 */
export function sharpnessOf({ width, height, pixels }: GreyPicture): number {
  if (Math.min(width, height) <= 2 * REACH + 1) return 0;
  return Math.min(detailAlong(1), detailAlong(width));

  function detailAlong(step: number): number {
    let [fine, coarse] = [0, 0];
    for (let y = REACH; y < height - REACH; y++) {
      for (let at = y * width + REACH; at < (y + 1) * width - REACH; at++) {
        const [before, after] = [pixels[at - step], pixels[at + step]];
        const bend = 2 * pixels[at] - before - after;
        const rise =
          after +
          pixels[at + 2 * step] +
          pixels[at + REACH * step] -
          before -
          pixels[at - 2 * step] -
          pixels[at - REACH * step];
        fine += bend * bend;
        coarse += rise * rise;
      }
    }
    const count = (width - 2 * REACH) * (height - 2 * REACH);
    return fine / (coarse / (REACH * REACH) + FLAT_ENERGY * count);
  }
}

/** Mean difference of two pictures, grey levels; Infinity when they differ in size. */
export function changeBetween(a: GreyPicture, b: GreyPicture): number {
  if (!isSameSize(a, b)) return Infinity;
  let sum = 0;
  for (let at = 0; at < a.pixels.length; at++) sum += Math.abs(a.pixels[at] - b.pixels[at]);
  return sum / a.pixels.length;
}

/**
 * How far the picture has moved from `a` to `b`, of its longer side: in each block, change over slope, as the constancy
 * of brightness has it (Horn & Schunck 1981), and of the blocks that have a texture the middle one, so that neither a
 * moving gripper nor a passing hand counts as the camera's motion. Brightness is evened out first. Right up to about one
 * pixel; what moved farther is told as more than that, so the pictures have to be small. Infinity when the sizes differ.
 */
export function motionBetween(a: GreyPicture, b: GreyPicture): number {
  if (!isSameSize(a, b)) return Infinity;
  const { width, height } = a;
  const side = Math.max(4, Math.round(Math.max(width, height) / BLOCKS));
  const gain = sumOf(a) / Math.max(1, sumOf(b));
  const moves: number[] = [];
  let [blocks, changes, slopes] = [0, 0, 0];
  for (let top = 0; top < height; top += side) {
    for (let left = 0; left < width; left += side) {
      const block = blockOf(a, b, gain, [left, top, side]);
      if (block.pixels === 0) continue;
      blocks++;
      changes += block.change;
      slopes += block.slope;
      if (block.slope > BLOCK_TEXTURE * block.pixels) moves.push(movedBy(block));
    }
  }
  // Where hardly any block has a texture, the picture as a whole has to tell.
  const pixels =
    moves.length >= Math.max(1, blocks / 5)
      ? moves.sort((x, y) => x - y)[moves.length >> 1]
      : movedBy({ change: changes, slope: slopes + BLOCK_TEXTURE * width * height });
  return pixels / Math.max(width, height);
}

/** An eighth of the size in each direction; each pixel the mean of 64. */
export function eighthOf({ width, height, pixels }: GreyPicture): GreyPicture {
  const [w, h] = [Math.max(1, width >> 3), Math.max(1, height >> 3)];
  const small = new Uint8Array(w * h);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let [sum, count] = [0, 0];
      for (let row = 8 * y; row < Math.min(height, 8 * y + 8); row++) {
        for (let column = 8 * x; column < Math.min(width, 8 * x + 8); column++) {
          sum += pixels[row * width + column];
          count++;
        }
      }
      small[y * w + x] = Math.round(sum / count);
    }
  }
  return { width: w, height: h, pixels: small };
}

/** Sums over a block: changes squared, slopes squared. */
function blockOf(
  a: GreyPicture,
  b: GreyPicture,
  gain: number,
  [left, top, side]: readonly [number, number, number],
): { change: number; slope: number; pixels: number } {
  const { width, height, pixels: before } = a;
  let [change, slope, count] = [0, 0, 0];
  for (let y = Math.max(1, top); y < Math.min(height - 1, top + side); y++) {
    for (let x = Math.max(1, left); x < Math.min(width - 1, left + side); x++) {
      const at = y * width + x;
      const changed = b.pixels[at] * gain - before[at];
      const across = (before[at + 1] - before[at - 1]) / 2;
      const down = (before[at + width] - before[at - width]) / 2;
      change += changed * changed;
      slope += across * across + down * down;
      count++;
    }
  }
  return { change, slope, pixels: count };
}

/** Pixels. Of a slope that may lie either way, half is along the motion. */
function movedBy({ change, slope }: { readonly change: number; readonly slope: number }): number {
  return Math.sqrt((2 * change) / Math.max(slope, Number.MIN_VALUE));
}

function isSameSize(a: GreyPicture, b: GreyPicture): boolean {
  return a.width === b.width && a.height === b.height;
}

function sumOf({ pixels }: GreyPicture): number {
  return pixels.reduce((sum, level) => sum + level, 0);
}
