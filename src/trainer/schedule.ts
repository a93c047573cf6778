/**
 * Rates over time and which frame is next. Live training has no known end, so nothing falls until `finish` sets one;
 * then everything hangs on the fraction of the finishing phase that has passed.
 *
 * Rates: gsplat's and the Inria code's defaults (means 1.6e-4 × size, scales 5e-3, rotations 1e-3, opacities 0.05,
 * colours 2.5e-3, rest 1/20 of it) scaled for the few thousand steps that a CPU makes; chosen on training views.
 */
import { SCALAR } from "./scalars.ts";

const MEANS_RATE = 2e-4;
const MEANS_FALL = 0.01;
const SCALES_RATE = 0.01;
const QUATS_RATE = 3e-3;
const OPACITIES_RATE = 0.05;
const COLOR_RATE = 0.01;
const COLOR_REST_RATE = 5e-4;
const OTHERS_FALL = 0.2;
/**
 * Share of the finishing phase with full rates. In the few steps that a CPU makes, the scene is far from done when rates
 * that fall from the start have become small: on held-back training views this gains over 2 dB after 800 steps.
 */
const FALL_FROM = 0.7;
/** MCMC noise in units of the means' rate. The paper's 5e5 is for 30 000 steps. */
const NOISE = 5e4;
/** λ of opacity and of scale, as published. */
const REGULARISER = 0.01;

/** Steps between two degrees of spherical harmonics. */
const SH_EVERY = 250;
/** Steps between relocations. */
export const REFINE_EVERY = 100;
/** The set grows by this factor at each. */
export const GROWTH = 1.05;
/** Share of the finishing phase after which the set stays as it is. */
export const SETTLE_AT = 0.8;
/** Share of live steps that go to the newest frame (on-the-fly-nvs, ARTDECO). */
const NEWEST_SHARE = 0.2;

/** What a step's rates depend on. */
export interface Moment {
  /** Steps made before this one. */
  readonly step: number;
  /** 0…1 of the finishing phase; 0 while live. */
  readonly finished: number;
  /** Size of the scene, metres. */
  readonly size: number;
  readonly gaussians: number;
}

/** Write the rates and weights of one step. */
export function applySchedule(scalars: Float64Array, moment: Moment): void {
  const { step, size, gaussians } = moment;
  const finished = Math.max(0, (moment.finished - FALL_FROM) / (1 - FALL_FROM));
  const means = MEANS_RATE * size * MEANS_FALL ** finished;
  const fall = OTHERS_FALL ** finished;
  scalars[SCALAR.adamStep] = step + 1;
  scalars[SCALAR.meansRate] = means;
  scalars[SCALAR.logScalesRate] = SCALES_RATE * fall;
  scalars[SCALAR.quatsRate] = QUATS_RATE * fall;
  scalars[SCALAR.opacitiesRate] = OPACITIES_RATE * fall;
  scalars[SCALAR.shRate] = COLOR_RATE * fall;
  scalars[SCALAR.shRestRate] = COLOR_REST_RATE * fall;
  scalars[SCALAR.noise] = NOISE * means;
  scalars[SCALAR.opacityWeight] = REGULARISER / gaussians;
  scalars[SCALAR.scaleWeight] = REGULARISER / (3 * gaussians);
}

/** Degree of spherical harmonics after `step` steps: colour that depends on the view comes in bit by bit. */
export function shDegreeAt(step: number): number {
  return Math.floor(step / SH_EVERY);
}

/** A frame as the sampler sees it; `steps` = how often it was trained on. */
export interface Trainable {
  readonly steps: number;
}

/**
 * Position in `frames` (in order of arrival, not empty) of the next to train on: while live, now and then the newest;
 * otherwise the less trained of two drawn at random, which evens out without keeping any list.
 */
export function nextFrame(frames: readonly Trainable[], live: boolean, random: () => number): number {
  if (live && random() < NEWEST_SHARE) return frames.length - 1;
  const a = Math.floor(random() * frames.length);
  const b = Math.floor(random() * frames.length);
  return frames[b].steps < frames[a].steps ? b : a;
}
