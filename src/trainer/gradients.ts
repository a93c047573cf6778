/** Room for the gradients of one chunk of Gaussians: they are used up where they were made, so no more are ever kept. */
import { GRADIENT_STRIDE } from "./memory.ts";

/** Gradients of the loss in consecutive Gaussians, one row each. */
export interface Gradients {
  /** [N,9] in each splat. */
  readonly splats: Float64Array;
  readonly means: Float64Array;
  readonly logScales: Float64Array;
  readonly quats: Float64Array;
  readonly opacities: Float64Array;
  /** [N,3,K] */
  readonly sh: Float64Array;
}

/** Zeros for `count` Gaussians of `shCount` coefficients per channel. */
export function allocateGradients(count: number, shCount: number): Gradients {
  return {
    splats: new Float64Array(count * GRADIENT_STRIDE),
    means: new Float64Array(count * 3),
    logScales: new Float64Array(count * 3),
    quats: new Float64Array(count * 4),
    opacities: new Float64Array(count),
    sh: new Float64Array(count * 3 * shCount),
  };
}
