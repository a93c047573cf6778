/**
 * L = 0.8 · mean |x − y| + 0.2 · (1 − mean SSIM(x, y)), with x the render and y the frame, and its gradient in x.
 *
 * SSIM as in Wang et al. 2004 and every splat trainer: 11×11 Gaussian window, σ = 1.5, zero padding,
 * C1 = 0.01², C2 = 0.03², values 0…1. Pixels that do not count are set to 0 on both sides, and their own SSIM, which
 * still sees neighbours that count, is left out of the mean.
 * Four passes over rows, each split into bands of one channel: blur the five moments along rows; along columns,
 * then SSIM's derivatives; blur those along rows; along columns, and combine. The blur is its own transpose.
 */
import { BAND, type Views } from "./memory.ts";
import * as SCALAR from "./scalars.ts";

/** Weight of D-SSIM; the rest is L1. */
export const SSIM_WEIGHT = 0.2;
const C1 = 0.01 ** 2;
const C2 = 0.03 ** 2;
const RADIUS = 5;

/** [11] Gaussian window, σ = 1.5, sums to 1. */
export const SSIM_WINDOW: Float64Array = gaussianWindow(1.5);
const [G0, G1, G2, G3, G4, G5] = SSIM_WINDOW;

function gaussianWindow(sigma: number): Float64Array {
  const window = new Float64Array(2 * RADIUS + 1);
  for (let i = -RADIUS; i <= RADIUS; i++) window[i + RADIUS] = Math.exp(-(i * i) / (2 * sigma * sigma));
  const sum = window.reduce((total, value) => total + value, 0);
  return window.map((value) => value / sum);
}

/** Bands of all three channels: the items of the four passes. */
export function bandCount({ scalars }: Views): number {
  return 3 * Math.ceil(scalars[SCALAR.height] / BAND);
}

/** Row scratch, zero outside the image; grown to the widest image seen. */
let rows: Float64Array[] = [];
let sums: Float64Array[] = [];
function scratch(width: number): void {
  const length = width + 2 * RADIUS;
  if (rows[0] === undefined || rows[0].length < length) {
    rows = Array.from({ length: 5 }, () => new Float64Array(length));
    sums = Array.from({ length: 5 }, () => new Float64Array(length));
  }
  for (const row of rows) row.fill(0);
}

/** The rows and the channel of one item of the four passes. */
export interface Band {
  readonly width: number;
  readonly height: number;
  readonly pixels: number;
  readonly channel: number;
  readonly from: number;
  readonly to: number;
}

/** Item → rows [from, to) of one channel. */
export function bandOf({ scalars }: Views, item: number): Band {
  const width = scalars[SCALAR.width];
  const height = scalars[SCALAR.height];
  const from = Math.floor(item / 3) * BAND;
  const to = Math.min(height, from + BAND);
  return { width, height, pixels: width * height, channel: item % 3, from, to };
}

/** Blur one padded row into `out` at `offset`. */
function blurRow(row: Float64Array, out: Float32Array, offset: number, width: number): void {
  for (let x = 0; x < width; x++) {
    out[offset + x] =
      G5 * row[x + 5] +
      G4 * (row[x + 4] + row[x + 6]) +
      G3 * (row[x + 3] + row[x + 7]) +
      G2 * (row[x + 2] + row[x + 8]) +
      G1 * (row[x + 1] + row[x + 9]) +
      G0 * (row[x] + row[x + 10]);
  }
}

/** [11] where each of the rows around the one at hand starts, and its weight: 0 outside the image. */
const starts = new Int32Array(2 * RADIUS + 1);
const weights = new Float64Array(2 * RADIUS + 1);

/** Blur row `y` along columns from `planes` planes at `offset`, into `sums`. */
function blurColumns(source: Float32Array, offset: number, planes: number, y: number, band: Band): void {
  const { width, height, pixels } = band;
  for (let plane = 0; plane < planes; plane++) {
    for (let tap = 0; tap < starts.length; tap++) {
      const row = y + tap - RADIUS;
      const inside = row >= 0 && row < height;
      starts[tap] = offset + plane * pixels + (inside ? row : y) * width;
      weights[tap] = inside ? SSIM_WINDOW[tap] : 0;
    }
    // Spelled out, so that eleven rows are read in one go instead of passing over the sum eleven times.
    const [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10] = starts;
    const [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10] = weights;
    const sum = sums[plane];
    for (let x = 0; x < width; x++) {
      sum[x] =
        w0 * source[s0 + x] +
        w1 * source[s1 + x] +
        w2 * source[s2 + x] +
        w3 * source[s3 + x] +
        w4 * source[s4 + x] +
        w5 * source[s5 + x] +
        w6 * source[s6 + x] +
        w7 * source[s7 + x] +
        w8 * source[s8 + x] +
        w9 * source[s9 + x] +
        w10 * source[s10 + x];
    }
  }
}

/**
 * Pass 0: the frame on its background into `target`; hidden pixels become 0 in target and render, so nothing after
 * this needs to know the mask. Also the band's squared error, for PSNR.
 */
export function composeTarget(views: Views, item: number): void {
  const { scalars, frameRgba, frameMask, target, image, bandSums } = views;
  const band = bandOf(views, item);
  const { width, pixels, channel } = band;
  const back = scalars[SCALAR.background + channel] * 255;
  const masked = scalars[SCALAR.masked] !== 0;
  const plane = channel * pixels;
  const render = (channel + 1) * pixels;
  let squared = 0;
  for (let p = band.from * width; p < band.to * width; p++) {
    if (masked && frameMask[p] === 0) {
      target[plane + p] = 0;
      image[render + p] = 0;
      continue;
    }
    const alpha = frameRgba[p * 4 + 3];
    const value = frameRgba[p * 4 + channel];
    const wanted = (alpha === 255 ? value : back + ((value - back) * alpha) / 255) / 255;
    target[plane + p] = wanted;
    const error = Math.min(1, Math.max(0, image[render + p])) - wanted;
    squared += error * error;
  }
  bandSums[item * 2] = squared;
}

/** Pass 1: x, y, x², y², xy of each row, blurred along the row. */
export function blurMoments(views: Views, item: number): void {
  const { image, target, blurred } = views;
  const band = bandOf(views, item);
  const { width, pixels, channel } = band;
  scratch(width);
  const [rowX, rowY, rowXX, rowYY, rowXY] = rows;
  for (let y = band.from; y < band.to; y++) {
    const renderAt = (channel + 1) * pixels + y * width;
    const targetAt = channel * pixels + y * width;
    for (let x = 0; x < width; x++) {
      const a = image[renderAt + x];
      const b = target[targetAt + x];
      rowX[x + RADIUS] = a;
      rowY[x + RADIUS] = b;
      rowXX[x + RADIUS] = a * a;
      rowYY[x + RADIUS] = b * b;
      rowXY[x + RADIUS] = a * b;
    }
    for (let moment = 0; moment < 5; moment++) {
      blurRow(rows[moment], blurred, (channel * 5 + moment) * pixels + y * width, width);
    }
  }
}

/** Pass 2: SSIM of each pixel that counts, and its derivatives in the blurred x, x² and xy. */
export function ssimDerivatives(views: Views, item: number): void {
  const { scalars, frameMask, blurred, ssimGradients, bandSums } = views;
  const masked = scalars[SCALAR.masked] !== 0;
  const band = bandOf(views, item);
  const { width, pixels, channel } = band;
  scratch(width);
  const [meanX, meanY, meanXX, meanYY, meanXY] = sums;
  let total = 0;
  for (let y = band.from; y < band.to; y++) {
    blurColumns(blurred, channel * 5 * pixels, 5, y, band);
    const out = channel * 3 * pixels + y * width;
    for (let x = 0; x < width; x++) {
      if (masked && frameMask[y * width + x] === 0) {
        for (let plane = 0; plane < 3; plane++) ssimGradients[out + plane * pixels + x] = 0;
        continue;
      }
      const mx = meanX[x];
      const my = meanY[x];
      const variances = meanXX[x] - mx * mx + (meanYY[x] - my * my) + C2;
      const means = mx * mx + my * my + C1;
      const a = 2 * mx * my + C1;
      const b = 2 * (meanXY[x] - mx * my) + C2;
      const inverse = 1 / (means * variances);
      const ssim = a * b * inverse;
      const dXY = 2 * a * inverse;
      const dXX = -ssim / variances;
      total += ssim;
      ssimGradients[out + x] = 2 * my * b * inverse - (2 * mx * ssim) / means - 2 * mx * dXX - my * dXY;
      ssimGradients[out + pixels + x] = dXX;
      ssimGradients[out + 2 * pixels + x] = dXY;
    }
  }
  bandSums[item * 2 + 1] = total;
}

/** Pass 3: those derivatives blurred along rows, over the moments that are no longer needed. */
export function blurDerivatives(views: Views, item: number): void {
  const { ssimGradients, blurred } = views;
  const band = bandOf(views, item);
  const { width, pixels, channel } = band;
  scratch(width);
  const row = rows[0];
  for (let y = band.from; y < band.to; y++) {
    for (let plane = 0; plane < 3; plane++) {
      const start = (channel * 3 + plane) * pixels + y * width;
      for (let x = 0; x < width; x++) row[x + RADIUS] = ssimGradients[start + x];
      blurRow(row, blurred, (channel * 5 + plane) * pixels + y * width, width);
    }
  }
}

/** Pass 4: dL/dx of each pixel. */
export function imageGradients(views: Views, item: number): void {
  const { scalars, image, target, blurred, imageGradient, frameMask } = views;
  const band = bandOf(views, item);
  const { width, pixels, channel } = band;
  scratch(width);
  const l1 = scalars[SCALAR.l1Weight];
  const ssim = -scalars[SCALAR.ssimWeight];
  const masked = scalars[SCALAR.masked] !== 0;
  const [dX, dXX, dXY] = sums;
  for (let y = band.from; y < band.to; y++) {
    blurColumns(blurred, channel * 5 * pixels, 3, y, band);
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      const a = image[(channel + 1) * pixels + p];
      const b = target[channel * pixels + p];
      const sign = a > b ? l1 : a < b ? -l1 : 0;
      const hidden = masked && frameMask[p] === 0;
      imageGradient[channel * pixels + p] = hidden ? 0 : ssim * (dX[x] + 2 * a * dXX[x] + b * dXY[x]) + sign;
    }
  }
}
