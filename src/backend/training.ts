/**
 * What the backend and `splatctl train` know of the trainer: a few calls, an ordered stream of small events,
 * and snapshots. The trainer itself runs in a worker of its own (`trainer-thread.ts`) and never waits for us.
 */
import type { Gaussians } from "../splat/gaussians.ts";
import type { PointCloud } from "../splat/ply-read.ts";
import type { Camera } from "../trainer/camera.ts";
import type { Pixels, TrainerMask } from "../trainer/picture.ts";
import type { TrainerState } from "../trainer/state.ts";
import type { FramePlace, TrainerFrame, TrainerPhase, TrainerSettings } from "../trainer/train.ts";

export type { PointCloud } from "../splat/ply-read.ts";
export type { TrainerMask as SceneMask } from "../trainer/picture.ts";
export type { TrainerFrame as TrainingFrame } from "../trainer/train.ts";

export interface TrainingSettings extends TrainerSettings {
  /** Worker threads for the kernels, the trainer's own included. */
  readonly threads: number;
}

/** When to stop optimising; whichever comes first ends it. */
export interface Budget {
  /** Steps from the call on. */
  readonly steps?: number | undefined;
  /** Wall-clock end, Unix seconds. */
  readonly deadlineS?: number | undefined;
}

export interface Score {
  readonly index: number;
  /** dB, over the pixels that count, render clamped to 0…1. */
  readonly psnr: number;
  /** Mean SSIM, 11×11 Gaussian window, σ = 1.5. */
  readonly ssim: number;
}

export type TrainingEvent =
  /** At most 4 a second. */
  | {
      readonly type: "progress";
      readonly phase: TrainerPhase;
      readonly step: number;
      readonly stepsPerSecond: number;
      readonly gaussianCount: number;
      /** Mean over trained frames of their last PSNR, dB; null before any. */
      readonly psnrTrain: number | null;
      readonly psnrHoldout: number | null;
      /** [index, dB] of frames whose PSNR is new since the last event. */
      readonly framePsnr: readonly (readonly [number, number])[];
      /** Of the shared arrays and the pictures held. */
      readonly memoryBytes: number;
      /** Of the pictures held. */
      readonly pictureBytes: number;
      /** How long steps have waited for pictures since the start. */
      readonly pictureWaitMs: number;
    }
  /** The first step that looked at these frames has ended. */
  | { readonly type: "trained"; readonly indices: readonly number[] }
  /** The scene as it is now, for the latest-value slot; every 0.5…2 s while steps are made. */
  | { readonly type: "snapshot"; readonly step: number; readonly gaussians: Gaussians }
  /** `finish` has run to its end; these are the last Gaussians. */
  | {
      readonly type: "finished";
      readonly step: number;
      readonly gaussians: Gaussians;
      /** When the last step ended, Unix seconds; scoring came after. */
      readonly endedAtS: number;
    }
  | { readonly type: "failed"; readonly message: string };

/** Handle on a running trainer. Calls are ordered; none blocks. */
export interface Training {
  /** Without its picture, it is read when it is needed. */
  addFrame(frame: TrainerFrame | FramePlace): void;
  /** Replace where a frame was taken from (its pose came late, or was refined). */
  setCamera(index: number, camera: Camera): void;
  addPoints(points: PointCloud): void;
  setMask(mask: TrainerMask | null): void;
  setSettings(settings: Partial<TrainingSettings>): void;
  /**
   * Go on from a state that `checkpoint` gave, here or in another process; frames that it names must be here by now. Its
   * moments are handed over: they are gone afterwards.
   */
  restore(state: TrainerState): void;
  /** All that decides how training goes on, after all calls made so far. Null while there are no Gaussians. */
  checkpoint(): Promise<TrainerState | null>;
  /** The scene after all calls made so far. Null while there are no Gaussians. */
  snapshot(): Promise<{ gaussians: Gaussians; step: number } | null>;
  /** Optimise to the end of the budget, learning rates falling, then emit `finished`. */
  finish(budget: Budget): void;
  /** Score frames, rendering each from its own camera. */
  score(indices: readonly number[]): Promise<Score[]>;
  /** [height, width, 3] sRGB bytes of the scene from a camera. */
  render(camera: Camera): Promise<Uint8Array>;
  /** End the worker and its helpers. */
  close(): Promise<void>;
}

/** Where frames lie whose pictures the trainer does not hold. */
export interface PictureArchive {
  /** Read one again. Rejects when that is not possible any more; then the frame leaves training, unheard. */
  readonly read: (index: number) => Promise<Pixels>;
  /** The trainer does not use this memory any more. */
  readonly letGo: (pixels: Pixels) => void;
}

/** How a backend gets a trainer; tests may pass their own. Without an archive, all pictures are held. */
export type StartTraining = (
  settings: TrainingSettings,
  onEvent: (event: TrainingEvent) => void,
  archive?: PictureArchive,
) => Promise<Training>;
