/**
 * Rates over time and which frame is next. Live training has no known end, so nothing falls until `finish` sets one;
 * then everything hangs on how much of the finishing phase has passed, and on how many steps were made before it.
 *
 * Rates: gsplat's and the Inria code's defaults (means 1.6e-4 × size, scales 5e-3, rotations 1e-3, opacities 0.05,
 * colours 2.5e-3, rest 1/20 of it) scaled for the few thousand steps that a CPU makes; chosen on training views.
 */
import * as SCALAR from "./scalars.ts";

/** The numbers that decide how training goes; one set for every scene. */
export const RECIPE = {
  /** Adam's rates at the start; the means' is in units of the scene's size. */
  meansRate: 2e-4,
  scalesRate: 0.01,
  quatsRate: 3e-3,
  opacitiesRate: 0.05,
  colorRate: 0.01,
  colorRestRate: 5e-4,
  /** What the rates fall to by the end of the finishing phase, as a share of the start. */
  meansFall: 0.01,
  othersFall: 0.2,
  /**
   * Share of all steps, those before the finishing phase included, with full rates. In the few steps that a CPU makes, the
   * scene is far from done when rates that fall from the start have become small; after long live training they fall at once.
   */
  fallFrom: 0.6,
  /** MCMC noise in units of the means' rate. The paper's 5e5 is for 30 000 steps. */
  noise: 2e4,
  /** λ of opacity and of scale. Published: 0.01, for runs ten times as long. */
  opacityWeight: 0.005,
  scaleWeight: 0.005,
  /** Steps between two degrees of spherical harmonics. */
  shEvery: 250,
  /** Steps between relocations. */
  refineEvery: 100,
  /** The set grows by this factor at each. */
  growth: 1.08,
  /** A frame's first steps are made at half size: a quarter of the work while the large shapes form. */
  halfSteps: 6,
  /**
   * 1 = Adam leaves the shape of a Gaussian alone while the step's image does not show it, as it does its colour in any
   * case. 0: on held-back views the regularisers and momentum of the unseen are worth 0.04 dB (chair) and 0.2 dB (fox).
   */
  sparseAdam: 0,
  /** Share of the finishing phase after which the set stays as it is. */
  settleAt: 0.8,
};

/** Share of live steps that go to the newest frame (on-the-fly-nvs, ARTDECO). */
const NEWEST_SHARE = 0.2;

/** What a step's rates depend on. */
export interface Moment {
  /** Steps made before this one. */
  readonly step: number;
  /** 0…1 of the finishing phase; 0 while live. */
  readonly finished: number;
  /** Steps made before the finishing phase. */
  readonly before: number;
  /** Size of the scene, metres. */
  readonly size: number;
  readonly gaussians: number;
}

/** Write the rates and weights of one step. */
export function applySchedule(scalars: Float64Array, moment: Moment): void {
  const { step, size, gaussians } = moment;
  const finished = fallen(moment);
  const means = RECIPE.meansRate * size * RECIPE.meansFall ** finished;
  const fall = RECIPE.othersFall ** finished;
  scalars[SCALAR.adamStep] = step + 1;
  scalars[SCALAR.meansRate] = means;
  scalars[SCALAR.logScalesRate] = RECIPE.scalesRate * fall;
  scalars[SCALAR.quatsRate] = RECIPE.quatsRate * fall;
  scalars[SCALAR.opacitiesRate] = RECIPE.opacitiesRate * fall;
  scalars[SCALAR.shRate] = RECIPE.colorRate * fall;
  scalars[SCALAR.shRestRate] = RECIPE.colorRestRate * fall;
  scalars[SCALAR.sparseAdam] = RECIPE.sparseAdam;
  scalars[SCALAR.noise] = RECIPE.noise * means;
  scalars[SCALAR.opacityWeight] = RECIPE.opacityWeight / gaussians;
  scalars[SCALAR.scaleWeight] = RECIPE.scaleWeight / (3 * gaussians);
}

/** 0…1 of the way that rates fall. */
function fallen({ step, before, finished }: Moment): number {
  if (finished <= 0) return 0;
  // As many steps as the phase will have if it goes on as it did.
  const planned = (step - before) / finished;
  const full = planned > 0 ? (RECIPE.fallFrom * (before + planned) - before) / planned : RECIPE.fallFrom;
  const from = Math.max(0, full);
  return Math.max(0, (finished - from) / (1 - from));
}

/** Degree of spherical harmonics after `step` steps: colour that depends on the view comes in bit by bit. */
export function shDegreeAt(step: number): number {
  return Math.floor(step / RECIPE.shEvery);
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
