/**
 * L = 0.8 · mean |x − y| + 0.2 · (1 − mean SSIM(x, y)), with x the render and y the frame, and its gradient in x.
 *
 * SSIM as in Wang et al. 2004 and every splat trainer: 11×11 Gaussian window, σ = 1.5, zero padding,
 * C1 = 0.01², C2 = 0.03², values 0…1. Pixels that do not count are set to 0 on both sides, and their own SSIM, which
 * still sees neighbours that count, is left out of the mean.
 * Two passes over blocks of one channel: SSIM and its derivatives in the blurred moments of each pixel; those blurred
 * again, which is their transpose, and combined. Each block reads RADIUS pixels around itself, so nothing blurred
 * needs a place in the shared memory.
 */
import { SSIM_C1 as C1, SSIM_C2 as C2, SSIM_RADIUS as RADIUS } from "./kernels/conventions.ts";
import { LOSS_HEIGHT, LOSS_WIDTH } from "./kernels/layout.ts";
import type { Views } from "./memory.ts";
import * as SCALAR from "./scalars.ts";

/** Weight of D-SSIM; the rest is L1. */
export const SSIM_WEIGHT = 0.2;

/** [11] Gaussian window, σ = 1.5, sums to 1. */
export const SSIM_WINDOW: Float64Array = gaussianWindow(1.5);
const [G0, G1, G2, G3, G4, G5] = SSIM_WINDOW;

function gaussianWindow(sigma: number): Float64Array {
  const window = new Float64Array(2 * RADIUS + 1);
  for (let i = -RADIUS; i <= RADIUS; i++) window[i + RADIUS] = Math.exp(-(i * i) / (2 * sigma * sigma));
  const sum = window.reduce((total, value) => total + value, 0);
  return window.map((value) => value / sum);
}

/** Blocks of all three channels: the items of both passes. */
export function lossItems({ scalars }: Views): number {
  return 3 * Math.ceil(scalars[SCALAR.width] / LOSS_WIDTH) * Math.ceil(scalars[SCALAR.height] / LOSS_HEIGHT);
}

/** A block of one channel; its pixels are those with x0 ≤ x < x1, y0 ≤ y < y1. */
interface Block {
  readonly width: number;
  readonly height: number;
  /** Of the image. */
  readonly pixels: number;
  readonly channel: number;
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

function blockOf({ scalars }: Views, item: number): Block {
  const width = scalars[SCALAR.width];
  const height = scalars[SCALAR.height];
  const columns = Math.ceil(width / LOSS_WIDTH);
  const place = Math.floor(item / 3);
  const x0 = (place % columns) * LOSS_WIDTH;
  const y0 = Math.floor(place / columns) * LOSS_HEIGHT;
  const x1 = Math.min(width, x0 + LOSS_WIDTH);
  const y1 = Math.min(height, y0 + LOSS_HEIGHT);
  return { width, height, pixels: width * height, channel: item % 3, x0, y0, x1, y1 };
}

/** A block of one channel with RADIUS pixels around it, zero where nothing counts. */
function wideImage(): Float64Array {
  return new Float64Array((LOSS_WIDTH + 2 * RADIUS) * (LOSS_HEIGHT + 2 * RADIUS));
}

const ACROSS = LOSS_WIDTH + 2 * RADIUS;
const [wideX, wideY, wideMoment, blurredRows] = [wideImage(), wideImage(), wideImage(), wideImage()];
/** Blurred x, y, x² + y², xy; or SSIM's three derivatives. */
const blurred = [wideImage(), wideImage(), wideImage(), wideImage()];

/** Rows of the block and around it that are on the image, and columns: from, to. */
function surroundings({ width, height, x0, y0, x1, y1 }: Block): readonly [number, number, number, number] {
  return [
    Math.max(0, y0 - RADIUS),
    Math.min(height, y1 + RADIUS),
    Math.max(0, x0 - RADIUS),
    Math.min(width, x1 + RADIUS),
  ];
}

/** Where pixel (x, y) lies in the block with its surroundings. */
function wideAt({ x0, y0 }: Block, x: number, y: number): number {
  return (y - y0 + RADIUS) * ACROSS + x - x0 + RADIUS;
}

/** Blur the block along rows, then along columns; the result lies where the block lies. */
function blur({ x0, y0, x1, y1 }: Block, wide: Float64Array, out: Float64Array): void {
  const rows = y1 - y0;
  for (let y = 0; y < rows + 2 * RADIUS; y++) blurLine(wide, y * ACROSS + RADIUS, 1, blurredRows, x1 - x0);
  for (let y = RADIUS; y < rows + RADIUS; y++) {
    blurLine(blurredRows, y * ACROSS + RADIUS, ACROSS, out, x1 - x0);
  }
}

/** Eleven taps, `stride` apart, around each of `count` places from `from` on. */
function blurLine(
  source: Float64Array,
  from: number,
  stride: number,
  out: Float64Array,
  count: number,
): void {
  for (let p = from; p < from + count; p++) {
    out[p] =
      G5 * source[p] +
      G4 * (source[p - stride] + source[p + stride]) +
      G3 * (source[p - 2 * stride] + source[p + 2 * stride]) +
      G2 * (source[p - 3 * stride] + source[p + 3 * stride]) +
      G1 * (source[p - 4 * stride] + source[p + 4 * stride]) +
      G0 * (source[p - 5 * stride] + source[p + 5 * stride]);
  }
}

/** The frame's value on its background, 0…1. */
function wantedAt({ scalars, frameRgba }: Views, p: number, channel: number): number {
  const back = scalars[SCALAR.background + channel] * 255;
  const alpha = frameRgba[p * 4 + 3];
  const value = frameRgba[p * 4 + channel];
  return (alpha === 255 ? value : back + ((value - back) * alpha) / 255) / 255;
}

/** Render and frame of the block and around it into `wideX` and `wideY`. */
function loadWide(views: Views, block: Block): void {
  const { scalars, image, frameMask } = views;
  const { width, pixels, channel } = block;
  const masked = scalars[SCALAR.masked] !== 0;
  const gain = scalars[SCALAR.gain + channel];
  const bias = scalars[SCALAR.bias + channel];
  wideX.fill(0);
  wideY.fill(0);
  const [top, bottom, left, right] = surroundings(block);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const p = y * width + x;
      if (masked && frameMask[p] === 0) continue;
      wideX[wideAt(block, x, y)] = gain * image[(channel + 1) * pixels + p] + bias;
      wideY[wideAt(block, x, y)] = wantedAt(views, p, channel);
    }
  }
}

/** The four moments of the block, blurred, from `wideX` and `wideY`. */
function blurMoments(block: Block): void {
  blur(block, wideX, blurred[0]);
  blur(block, wideY, blurred[1]);
  for (let i = 0; i < wideX.length; i++) wideMoment[i] = wideX[i] * wideX[i] + wideY[i] * wideY[i];
  blur(block, wideMoment, blurred[2]);
  for (let i = 0; i < wideX.length; i++) wideMoment[i] = wideX[i] * wideY[i];
  blur(block, wideMoment, blurred[3]);
}

/**
 * Pass 1: the block's part of `target`, and of `ssimGradients` SSIM's derivatives in the blurred x, x² (and y², which
 * SSIM sees only in their sum) and xy. Also the block's squared error, for PSNR, and its sum of SSIM.
 */
export function ssimDerivatives(views: Views, item: number): void {
  const { scalars, frameMask, target, ssimGradients, lossSums } = views;
  const block = blockOf(views, item);
  const { width, pixels, channel } = block;
  const masked = scalars[SCALAR.masked] !== 0;
  loadWide(views, block);
  blurMoments(block);
  const [meanX, meanY, squares, products] = blurred;
  let squared = 0;
  let total = 0;
  for (let y = block.y0; y < block.y1; y++) {
    for (let x = block.x0; x < block.x1; x++) {
      const p = y * width + x;
      const i = wideAt(block, x, y);
      const out = channel * 3 * pixels + p;
      target[channel * pixels + p] = wideY[i];
      if (masked && frameMask[p] === 0) {
        for (let plane = 0; plane < 3; plane++) ssimGradients[out + plane * pixels] = 0;
        continue;
      }
      squared += (Math.min(1, Math.max(0, wideX[i])) - wideY[i]) ** 2;
      const mx = meanX[i];
      const my = meanY[i];
      const variances = squares[i] - mx * mx - my * my + C2;
      const means = mx * mx + my * my + C1;
      const a = 2 * mx * my + C1;
      const b = 2 * (products[i] - mx * my) + C2;
      const inverse = 1 / (means * variances);
      const ssim = a * b * inverse;
      const dXY = 2 * a * inverse;
      const dXX = -ssim / variances;
      total += ssim;
      ssimGradients[out] = 2 * my * b * inverse - (2 * mx * ssim) / means - 2 * mx * dXX - my * dXY;
      ssimGradients[out + pixels] = dXX;
      ssimGradients[out + 2 * pixels] = dXY;
    }
  }
  lossSums[item * 2] = squared;
  lossSums[item * 2 + 1] = total;
}

/**
 * Pass 2: dL/dx of each pixel of the block, x the plain render; and in `lossSums`, whose sums for the comparison have
 * been read by then, the block's share of the gradient in gain and in bias.
 */
export function imageGradients(views: Views, item: number): void {
  const { scalars, image, target, imageGradient, frameMask, lossSums } = views;
  const block = blockOf(views, item);
  const { width, pixels, channel } = block;
  const l1 = scalars[SCALAR.l1Weight];
  const ssim = -scalars[SCALAR.ssimWeight];
  const masked = scalars[SCALAR.masked] !== 0;
  const gain = scalars[SCALAR.gain + channel];
  const bias = scalars[SCALAR.bias + channel];
  let gainGradient = 0;
  let biasGradient = 0;
  blurDerivatives(views, block);
  const [dX, dXX, dXY] = blurred;
  for (let y = block.y0; y < block.y1; y++) {
    for (let x = block.x0; x < block.x1; x++) {
      const p = y * width + x;
      const i = wideAt(block, x, y);
      const plain = image[(channel + 1) * pixels + p];
      const a = gain * plain + bias;
      const b = target[channel * pixels + p];
      const sign = a > b ? l1 : a < b ? -l1 : 0;
      const hidden = masked && frameMask[p] === 0;
      const gradient = hidden ? 0 : ssim * (dX[i] + 2 * a * dXX[i] + b * dXY[i]) + sign;
      imageGradient[channel * pixels + p] = gain * gradient;
      gainGradient += gradient * plain;
      biasGradient += gradient;
    }
  }
  lossSums[item * 2] = gainGradient;
  lossSums[item * 2 + 1] = biasGradient;
}

function blurDerivatives({ ssimGradients }: Views, block: Block): void {
  const { width, pixels, channel } = block;
  const [top, bottom, left, right] = surroundings(block);
  wideMoment.fill(0);
  for (let plane = 0; plane < 3; plane++) {
    const start = (channel * 3 + plane) * pixels;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++)
        wideMoment[wideAt(block, x, y)] = ssimGradients[start + y * width + x];
    }
    blur(block, wideMoment, blurred[plane]);
  }
}
