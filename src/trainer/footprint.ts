/** What training takes of memory, computed from the layout of its arrays. */
import { sizeOf } from "./memory.ts";

/** Large enough for alignment not to count. */
const MANY = 1 << 16;

/** Bytes that one more Gaussian takes in the trainer's arrays; `shCount` = coefficients per channel. */
export function gaussianBytes(shCount: number): number {
  const [one, two] = [MANY, 2 * MANY].map((gaussians) =>
    sizeOf({ gaussians, shCount, pixels: 1, pairs: 1, threads: 1 }),
  );
  return (two - one) / MANY;
}

/** Bytes of one Gaussian in a copy of the scene: 11 numbers of shape and opacity, and its colours. */
export function copiedGaussianBytes(shCount: number): number {
  return 4 * (11 + 3 * shCount);
}
