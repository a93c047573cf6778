/** Motions of the simulated arm as smooth functions: joint angles over a path, and how a path is run through. */

/** [6] rad at a place on the path, 0…1. */
export type ArmPath = (place: number) => number[];

/** Every path is given at least this much length between two poses, degrees: what turns back slows down. */
const LEAST_STEP_DEG = 1.5;
/** Share of a run in which the arm gathers speed, and in which it slows down. */
const RAMP_SHARE = 0.08;

/**
 * The smooth path through poses ([N][6] rad, N ≥ 2), with continuous speed and acceleration: a natural cubic spline
 * for each joint. Places are spread by how far the fastest joint turns, so that an even run is one of even speed.
 */
export function pathThrough(poses: readonly (readonly number[])[]): ArmPath {
  const knots = [0];
  for (let i = 1; i < poses.length; i++) {
    const turns = poses[i].map((angle, joint) => Math.abs(angle - poses[i - 1][joint]));
    knots.push(knots[i - 1] + (Math.max(...turns) * 180) / Math.PI + LEAST_STEP_DEG);
  }
  const length = knots[knots.length - 1];
  const places = knots.map((knot) => knot / length);
  const joints = poses[0].map((_, joint) => poses.map((pose) => pose[joint]));
  const bends = joints.map((values) => secondDerivatives(places, values));
  return (place) => {
    const after = segmentEnd(places, place);
    const width = places[after] - places[after - 1];
    const b = (place - places[after - 1]) / width;
    const a = 1 - b;
    const bendA = ((a * a * a - a) * width * width) / 6;
    const bendB = ((b * b * b - b) * width * width) / 6;
    return joints.map(
      (values, joint) =>
        a * values[after - 1] +
        b * values[after] +
        bendA * bends[joint][after - 1] +
        bendB * bends[joint][after],
    );
  };
}

/** Second derivatives of the natural cubic spline at its knots: a tridiagonal system, solved by elimination. */
function secondDerivatives(x: readonly number[], y: readonly number[]): number[] {
  const last = x.length - 1;
  const upper = [0];
  const right = [0];
  for (let i = 1; i < last; i++) {
    const before = x[i] - x[i - 1];
    const after = x[i + 1] - x[i];
    const slopes = (y[i + 1] - y[i]) / after - (y[i] - y[i - 1]) / before;
    const pivot = 2 * (before + after) - before * upper[i - 1];
    upper.push(after / pivot);
    right.push((6 * slopes - before * right[i - 1]) / pivot);
  }
  const second = x.map(() => 0);
  for (let i = last - 1; i > 0; i--) second[i] = right[i] - upper[i] * second[i + 1];
  return second;
}

/** Index ≥ 1 of the knot that ends the segment with a place in it. */
function segmentEnd(places: readonly number[], place: number): number {
  let low = 1;
  let high = places.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle] >= place) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Place on the path, 0…1, after `runs` runs: it is run through forwards and back again, for ever, and before 0 the arm
 * waits at the start. It gathers speed and slows down without a jerk: speed and acceleration are continuous.
 */
export function backAndForth(runs: number): number {
  if (runs <= 0) return 0;
  const phase = runs % 2;
  return eased(phase <= 1 ? phase : 2 - phase);
}

function eased(share: number): number {
  if (share > 0.5) return 1 - eased(1 - share);
  const ramp = Math.min(1, share / RAMP_SHARE);
  // The integral of the smooth step 3s² − 2s³, then even speed.
  const way = RAMP_SHARE * (ramp ** 3 - ramp ** 4 / 2) + Math.max(0, share - RAMP_SHARE);
  return way / (1 - RAMP_SHARE);
}

/** One joint of the wave: it swings about a middle, at its own rate. Degrees. */
interface Swing {
  readonly middle: number;
  readonly amplitude: number;
  /** Fastest, deg/s. */
  readonly speed: number;
}

/** Within the limits of each joint; no two rates have a common multiple soon. */
const WAVE: readonly Swing[] = [
  { middle: 0, amplitude: 35, speed: 61 },
  { middle: -34, amplitude: 24, speed: 43 },
  { middle: 34, amplitude: 22, speed: 31 },
  { middle: 48, amplitude: 28, speed: 73 },
  { middle: 0, amplitude: 60, speed: 90 },
  { middle: 35, amplitude: 25, speed: 29 },
];

/** Fastest joint of the wave as it is, deg/s. */
export const WAVE_SPEED_DEG_S = Math.max(...WAVE.map((swing) => swing.speed));

/** [6] rad of the wave after so many seconds: all joints swing at once, the slowest at 30, the fastest at 90 deg/s. */
export function waveAngles(seconds: number): number[] {
  return WAVE.map(({ middle, amplitude, speed }, joint) => {
    const phase = (speed / amplitude) * seconds + joint;
    return ((middle + amplitude * Math.sin(phase)) * Math.PI) / 180;
  });
}
