/** What a trainer is made of at a moment: enough to go on from there as if it had never stopped. */
import { allocateGaussians, type Gaussians } from "../splat/gaussians.ts";
import type { FrameExposure } from "./exposures.ts";
import type { FinishProgress } from "./finishing.ts";

/** Gaussians with Adam's two moments of each of their numbers, in the same shape. */
export interface Optimised {
  readonly gaussians: Gaussians;
  readonly moments1: Gaussians;
  readonly moments2: Gaussians;
}

/** What training has done with one frame. */
export interface FrameProgress {
  readonly index: number;
  readonly steps: number;
  /** Of the last comparison at full size, dB. */
  readonly psnr: number | null;
  /** Whether Gaussians have been placed in front of it. */
  readonly seeded: boolean;
  /** Whether its picture was in memory; default: it was. */
  readonly held?: boolean | undefined;
}

/** Everything but the settings and the frames themselves, which their owner keeps. */
export interface TrainerState extends Optimised {
  readonly step: number;
  /** Step of the last relocation and growth. */
  readonly refineFrom: number;
  /** The degree in use is at least this one, however few steps were made. */
  readonly leastDegree: number;
  /** Seed of a random stream that goes on where this one stood. */
  readonly randomState: number;
  /** In order of arrival, which decides what is drawn next. */
  readonly frames: readonly FrameProgress[];
  /** Of frames that were trained with one. */
  readonly exposures: readonly FrameExposure[];
  readonly finish: FinishProgress | null;
  readonly done: boolean;
}

/** The state of a trainer that was given these Gaussians and has made no step. */
export function untrainedState(gaussians: Gaussians): TrainerState {
  return {
    gaussians,
    moments1: allocateGaussians(gaussians.count, gaussians.shDegree),
    moments2: allocateGaussians(gaussians.count, gaussians.shDegree),
    step: 0,
    refineFrom: 0,
    leastDegree: gaussians.shDegree,
    randomState: 0,
    frames: [],
    exposures: [],
    finish: null,
    done: false,
  };
}
