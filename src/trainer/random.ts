/** Seeded random numbers, so that a run can be repeated. */

/** Numbers in [0, 1), one per call. */
export interface RandomStream {
  (): number;
  /** Seed of a stream that goes on where this one stands. */
  state(): number;
}

/** A stream of random numbers: mulberry32 (Tommy Ettinger, public domain). */
export function randomStream(seed: number): RandomStream {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return Object.assign(next, { state: () => state });
}

/**
 * A 32-bit hash of three integers: random numbers that depend on what they are for (seed, step, index) and not on
 * who draws them first. The finaliser is murmur3's (Austin Appleby, public domain).
 */
export function hash3(a: number, b: number, c: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77) ^ Math.imul(c, 0xc2b2ae3d);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
