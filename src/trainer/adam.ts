/** Adam (Kingma & Ba 2015), with the betas and epsilon of every splat trainer. */
import { BETA1, BETA2, EPSILON } from "./kernels/conventions.ts";

/** Arrays of one group of parameters, all of the same length but for `gradients`. */
export interface AdamGroup {
  readonly values: Float32Array;
  /** Of the elements from `gradientsFrom` on. */
  readonly gradients: Float64Array;
  readonly gradientsFrom: number;
  readonly moments1: Float32Array;
  readonly moments2: Float32Array;
}

/** Bias corrections 1/(1−β₁ᵗ) and 1/(1−β₂ᵗ) of step t ≥ 1. */
export function biasCorrections(step: number): readonly [number, number] {
  return [1 / (1 - BETA1 ** step), 1 / (1 - BETA2 ** step)];
}

/** One update of elements [from, to). */
export function adam(
  { values, gradients, gradientsFrom, moments1, moments2 }: AdamGroup,
  from: number,
  to: number,
  rate: number,
  [correction1, correction2]: readonly [number, number],
): void {
  for (let i = from; i < to; i++) {
    const gradient = gradients[i - gradientsFrom];
    const first = BETA1 * moments1[i] + (1 - BETA1) * gradient;
    const second = BETA2 * moments2[i] + (1 - BETA2) * gradient * gradient;
    moments1[i] = first;
    moments2[i] = second;
    values[i] -= (rate * correction1 * first) / (Math.sqrt(second * correction2) + EPSILON);
  }
}
