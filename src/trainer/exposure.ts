/**
 * A camera with automatic exposure and white balance takes each frame a little differently. Before the loss the render
 * is therefore given the frame's own gain and bias per channel, y = gain · x + bias; what is viewed and what is scored
 * is the plain render. The loss's two passes do it on their way: see `loss.ts`.
 */

/** What a frame does to the render. */
export interface Exposure {
  /** [3] per channel, > 0. */
  readonly gain: readonly number[];
  /** [3] per channel, in units of full brightness. */
  readonly bias: readonly number[];
}

/** The plain render. */
export const NO_EXPOSURE: Exposure = { gain: [1, 1, 1], bias: [0, 0, 0] };
