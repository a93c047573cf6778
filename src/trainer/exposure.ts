/**
 * A camera with automatic exposure and white balance takes each frame a little differently. Before the loss the render
 * is therefore given the frame's own gain and bias per channel, y = gain · x + bias; what is viewed and what is scored
 * is the plain render.
 *
 * Two passes over planes, in the loss's bands: one before it and one after, which also undoes the first, since the way
 * back through the rasteriser starts from the plain render.
 */
import { bandOf } from "./loss.ts";
import type { Views } from "./memory.ts";
import * as SCALAR from "./scalars.ts";

/** What a frame does to the render. */
export interface Exposure {
  /** [3] per channel, > 0. */
  readonly gain: readonly number[];
  /** [3] per channel, in units of full brightness. */
  readonly bias: readonly number[];
}

/** Before the loss: the render as the frame's camera would have taken it, in place. */
export function applyExposure(views: Views, item: number): void {
  const { scalars, image } = views;
  const { width, pixels, channel, from, to } = bandOf(views, item);
  const gain = scalars[SCALAR.gain + channel];
  const bias = scalars[SCALAR.bias + channel];
  const plane = (channel + 1) * pixels;
  for (let p = plane + from * width; p < plane + to * width; p++) image[p] = gain * image[p] + bias;
}

/**
 * After the loss: its gradient in the plain render, and the plain render again, both in place; the band's share of the
 * gradient in gain and in bias into `bandSums`, whose sums for the comparison have been read by then.
 */
export function exposureGradients(views: Views, item: number): void {
  const { scalars, image, imageGradient, bandSums } = views;
  const { width, pixels, channel, from, to } = bandOf(views, item);
  const gain = scalars[SCALAR.gain + channel];
  const bias = scalars[SCALAR.bias + channel];
  const inverse = 1 / gain;
  const plane = channel * pixels;
  let gainGradient = 0;
  let biasGradient = 0;
  for (let p = plane + from * width; p < plane + to * width; p++) {
    const gradient = imageGradient[p];
    const value = (image[p + pixels] - bias) * inverse;
    image[p + pixels] = value;
    imageGradient[p] = gain * gradient;
    gainGradient += gradient * value;
    biasGradient += gradient;
  }
  bandSums[item * 2] = gainGradient;
  bandSums[item * 2 + 1] = biasGradient;
}
