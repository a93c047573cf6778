/** The exposure of every frame: learnt beside the Gaussians, held near none at all, and near it in the mean. */
import type { Exposure } from "./exposure.ts";

const BETA1 = 0.9;
const BETA2 = 0.99;
const EPSILON = 1e-12;
/** Of log gain and of bias at a frame's first step. */
const RATE = 0.02;
const BIAS_RATE = 0.005;
/**
 * Rates fall as 1 / (1 + steps / this) (Robbins & Monro 1951): fifty steps go a quarter of the way to twice the light, and
 * what is found by then no longer follows the noise of single steps, which would cost the scene a decibel.
 */
const SLOWING = 5;
/** λ of λ/2 · (log gain² + bias²): what the Gaussians can explain is theirs. */
const PRIOR = 0.02;
/** No frame is further off than two stops either way. */
const MOST_LOG_GAIN = Math.log(4);
const MOST_BIAS = 0.3;

/** One frame's numbers: log gain [3], bias [3]; and Adam's moments of each. */
export interface FrameExposure {
  readonly index: number;
  readonly steps: number;
  readonly values: readonly number[];
  readonly moments1: readonly number[];
  readonly moments2: readonly number[];
}

const NONE = [0, 0, 0, 0, 0, 0];

/** See the top of the file. Frames are known by their index, from their first step on. */
export class Exposures {
  #frames = new Map<number, FrameExposure>();

  /**
   * The exposure of a frame. The mean over all frames is taken off: otherwise scene and exposures could brighten and
   * darken together, and the plain render would show a light that no frame had.
   */
  of(index: number): Exposure {
    const own = this.#frames.get(index);
    const relative = own === undefined ? NONE : own.values.map((value, i) => value - this.#mean(i));
    return { gain: relative.slice(0, 3).map(Math.exp), bias: relative.slice(3) };
  }

  /** One step of Adam; `gradient` [6] is the loss's in the gains and biases that `of` gave. */
  learn(index: number, gradient: ArrayLike<number>): void {
    const { gain } = this.of(index);
    const before = this.#frames.get(index);
    const steps = (before?.steps ?? 0) + 1;
    const rate = 1 / (1 + (steps - 1) / SLOWING);
    const values: number[] = [];
    const moments1: number[] = [];
    const moments2: number[] = [];
    for (let i = 0; i < 6; i++) {
      const value = before?.values[i] ?? 0;
      const slope = gradient[i] * (i < 3 ? gain[i] : 1) + PRIOR * value;
      moments1[i] = BETA1 * (before?.moments1[i] ?? 0) + (1 - BETA1) * slope;
      moments2[i] = BETA2 * (before?.moments2[i] ?? 0) + (1 - BETA2) * slope * slope;
      const first = moments1[i] / (1 - BETA1 ** steps);
      const second = moments2[i] / (1 - BETA2 ** steps);
      const next = value - (rate * (i < 3 ? RATE : BIAS_RATE) * first) / (Math.sqrt(second) + EPSILON);
      const most = i < 3 ? MOST_LOG_GAIN : MOST_BIAS;
      values[i] = Math.min(most, Math.max(-most, next));
    }
    if (values.every(Number.isFinite)) this.#frames.set(index, { index, steps, values, moments1, moments2 });
  }

  /** All frames', in the order in which they came in: their mean hangs on it in the last bit. */
  save(): FrameExposure[] {
    return [...this.#frames.values()];
  }

  /** Go on from what `save` gave; frames whose numbers are not finite start anew. */
  restore(frames: readonly FrameExposure[]): void {
    const isSound = ({ values, moments1, moments2 }: FrameExposure): boolean =>
      [values, moments1, moments2].every((numbers) => numbers.length === 6 && numbers.every(Number.isFinite));
    this.#frames = new Map(frames.filter(isSound).map((frame) => [frame.index, frame]));
  }

  #mean(i: number): number {
    let sum = 0;
    for (const { values } of this.#frames.values()) sum += values[i];
    return sum / this.#frames.size;
  }
}
