/** Seeded randomness for tests: the same numbers on every run. */
import { allocateGaussians, type Gaussians, type ShDegree } from "../../src/splat/gaussians.ts";

/** A generator of numbers in 0…1 (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Gaussians with every value drawn from −1…1. */
export function randomGaussians(count: number, shDegree: ShDegree, seed = 1): Gaussians {
  const random = seededRandom(seed);
  const gaussians = allocateGaussians(count, shDegree);
  const { means, logScales, quats, opacities, sh } = gaussians;
  for (const values of [means, logScales, quats, opacities, sh]) {
    for (let i = 0; i < values.length; i++) values[i] = random() * 2 - 1;
  }
  return gaussians;
}
