/**
 * The trainer: frames in, Gaussians out, one optimisation step at a time. Knows nothing of HTTP, files or threads;
 * whoever owns it calls `step` in a loop and may call anything else between two steps.
 */
import type { ShDegree } from "../splat/gaussians.ts";
import type { PointCloud } from "../splat/ply-read.ts";
import type { Camera } from "./camera.ts";
import type { Comparison, Engine } from "./engine.ts";
import { Exposures } from "./exposures.ts";
import { finishedShare, finishingAgain, finishProgress, type Finishing } from "./finishing.ts";
import { Frames, type FramePlace, type FrameState, type TrainerFrame } from "./frames.ts";
import { NO_SOURCE, type PictureSource } from "./held-pictures.ts";
import { createMasking, type Masking, type Picture, type Pixels, type TrainerMask } from "./picture.ts";
import { randomStream, type RandomStream } from "./random.ts";
import { applySchedule, nextFrame, RECIPE, shDegreeAt } from "./schedule.ts";
import * as SCALAR from "./scalars.ts";
import { addGaussians, thinOut, type Box } from "./seed.ts";
import { spawn } from "./spawn.ts";
import type { TrainerState } from "./state.ts";
import { copyOntoLive, deadGaussians, mendGaussians } from "./strategy.ts";

export type { FramePlace, TrainerFrame } from "./frames.ts";

export interface TrainerSettings {
  readonly maxGaussians: number;
  readonly shDegree: ShDegree;
  /** Colour behind the scene; images with alpha are composited on it too. */
  readonly background: "black" | "white" | "random";
  readonly seed: number;
  /** Train as frames arrive; false = wait for `finish`. */
  readonly live: boolean;
  /** Where first Gaussians may lie; null = anywhere in front of a frame. */
  readonly bounds: Box | null;
  /** Bytes that decoded pictures may take; beyond it they are let go and asked for again. Default: no limit. */
  readonly frameBytes?: number | undefined;
  /** Learn each frame's gain and bias, for cameras that set their own exposure. */
  readonly exposure: boolean;
  /** Make splats fainter as the blur widens them (Mip-Splatting's 2D filter); viewers must do the same. */
  readonly antialiased: boolean;
}

export type TrainerPhase = "waiting" | "training" | "finishing" | "done";

/** What one step did. */
export interface StepReport {
  readonly index: number;
  /** Of the frame at full size, dB; null while it is trained at half size. */
  readonly psnr: number | null;
  /** This was the frame's first step. */
  readonly first: boolean;
}

export class Trainer {
  readonly engine: Engine;
  #random: RandomStream;
  readonly #now: () => number;
  readonly #frames: Frames;
  readonly #exposures = new Exposures();
  #settings: TrainerSettings;
  #masked: Masking = createMasking(null);
  #step = 0;
  /** Degree that the Gaussians had when they came from elsewhere. */
  #leastDegree = 0;
  #refineFrom = 0;
  #finish: Finishing | null = null;
  #done = false;
  #awaitsPicture = false;

  /**
   * `now` gives Unix seconds; `source`, the pictures of frames that have none in memory. The engine must have room for
   * `settings.maxGaussians`.
   */
  constructor(
    engine: Engine,
    settings: TrainerSettings,
    now: () => number = () => Date.now() / 1000,
    source: PictureSource = NO_SOURCE,
  ) {
    this.engine = engine;
    this.#frames = new Frames(settings.frameBytes ?? Infinity, source);
    this.#settings = settings;
    this.#random = randomStream(settings.seed);
    this.#now = now;
  }

  get step(): number {
    return this.#step;
  }

  get phase(): TrainerPhase {
    if (this.#done) return "done";
    if (this.#finish !== null) return "finishing";
    if (!this.#settings.live) return "waiting";
    return this.#frames.isRestless ? "training" : "waiting";
  }

  get isLive(): boolean {
    return this.#settings.live;
  }

  /** Whether the next step waits for a picture that was asked for. */
  get awaitsPicture(): boolean {
    return this.#awaitsPicture;
  }

  /** Bytes that the pictures in memory take. */
  get pictureBytes(): number {
    return this.#frames.pictures.bytes;
  }

  /** Mean of the last PSNR of all trained (or all held-out) frames, dB; null before any. */
  meanPsnr(holdout: boolean): number | null {
    return this.#frames.meanPsnr(holdout);
  }

  /** A frame came, with its picture or without. */
  addFrame(frame: FramePlace | TrainerFrame): void {
    this.#frames.add(frame);
  }

  /** A picture that the source was asked for; null = it cannot be read any more: its frame leaves training. */
  supplyPicture(index: number, pixels: Pixels | null): void {
    this.#frames.supply(index, pixels);
  }

  setCamera(index: number, camera: Camera): void {
    this.#frames.setCamera(index, camera);
  }

  setMask(mask: TrainerMask | null): void {
    this.#masked = createMasking(mask);
  }

  setSettings(settings: Partial<TrainerSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
    const shCount = (this.#settings.shDegree + 1) ** 2;
    this.engine.ensure({ gaussians: this.#settings.maxGaussians, shCount });
    if (this.engine.count > this.#settings.maxGaussians) this.engine.count = this.#settings.maxGaussians;
  }

  /** Start from known points, up to the cap; frames that have arrived before need no Gaussians of their own then. */
  addPoints(points: PointCloud): void {
    addGaussians(this.engine, thinOut(points, this.#settings.maxGaussians - this.engine.count));
    // Points that are all broken are none.
    if (this.engine.count > 0) this.#frames.countAsSeeded();
  }

  /** A copy of all that decides how training goes on, but for the settings and the frames themselves. */
  checkpoint(): TrainerState {
    return {
      ...this.engine.save(),
      step: this.#step,
      refineFrom: this.#refineFrom,
      leastDegree: this.#leastDegree,
      randomState: this.#random.state(),
      frames: this.#frames.progress(),
      exposures: this.#exposures.save(),
      finish: this.#finish === null ? null : finishProgress(this.#finish, this.#step, this.#now()),
      done: this.#done,
    };
  }

  /**
   * Go on from a state of this or another trainer. Frames that it names and that are here go on where they stood; those
   * it does not name are new. Above the cap, restored Gaussians stay.
   */
  restore(state: TrainerState): void {
    this.engine.load(state);
    this.#step = state.step;
    this.#refineFrom = state.refineFrom;
    this.#leastDegree = state.leastDegree;
    this.#random = randomStream(state.randomState);
    this.#finish = state.finish === null ? null : finishingAgain(state.finish, state.step, this.#now());
    this.#done = state.done;
    this.#exposures.restore(state.exposures);
    const usable = mendGaussians(this.engine.views, this.engine.count, this.#random);
    if (!usable) this.engine.count = 0;
    const { frames } = state;
    this.#frames.restore(usable ? frames : frames.map((frame) => ({ ...frame, seeded: false })));
  }

  /** Let rates fall to the end of the budget; whichever of the two comes first ends training. */
  finish(budget: { readonly steps?: number | undefined; readonly deadlineS?: number | undefined }): void {
    this.#finish = {
      fromStep: this.#step,
      fromS: this.#now(),
      steps: budget.steps ?? Infinity,
      deadlineS: budget.deadlineS ?? Infinity,
    };
  }

  /** One step. Null when there is nothing to do now: no frame, all at rest, a picture not here yet, or finished. */
  advance(): StepReport | null {
    this.#awaitsPicture = false;
    const finished = this.#finish === null ? 0 : finishedShare(this.#finish, this.#step, this.#now());
    if (finished >= 1 || (this.#finish !== null && this.#frames.trainedCount === 0)) this.#done = true;
    const { phase } = this;
    if (phase === "done" || phase === "waiting") return null;
    this.#awaitsPicture = !this.#frames.pictures.ready(this.#step);
    if (this.#awaitsPicture) return null;
    const { held } = this.#frames.pictures;
    // None of them could be read: the next look finds nothing to train on.
    if (held.length === 0) return this.advance();
    const { engine } = this;
    const state = held[nextFrame(held, phase === "training", this.#random)];
    this.#seed(state);
    if (engine.count === 0) {
      // Every frame is transparent: there is nothing to finish.
      this.#done = this.#finish !== null;
      return null;
    }
    const { scalars } = engine.views;
    applySchedule(scalars, {
      step: this.#step,
      finished,
      before: this.#finish?.fromStep ?? 0,
      size: this.#frames.extent.size,
      gaussians: engine.count,
    });
    scalars[SCALAR.seed] = this.#settings.seed;
    const picture = state.half ?? pictureOf(state);
    if (picture === null) throw new Error(`frame ${state.index} is held without a picture`);
    this.#draw(picture.camera, this.#background(true));
    // While its first steps last, what a frame differs in is what the Gaussians do not show yet.
    const exposed = this.#settings.exposure && state.steps >= RECIPE.halfSteps;
    const exposure = exposed ? this.#exposures.of(state.index) : undefined;
    const { psnr } = engine.lossGradient(this.#masked(picture), exposure);
    if (exposed) this.#exposures.learn(state.index, engine.exposureGradient());
    engine.backwardAndUpdate();
    this.#step++;
    this.#frames.stepped(state, state.half === null ? psnr : null);
    if (finished < RECIPE.settleAt) this.#refine();
    return { index: state.index, psnr: state.psnr, first: state.steps === 1 };
  }

  /**
   * Compare a frame with its render, without training on it. Null when the frame is unknown, or when its picture is
   * neither in memory nor given.
   */
  score(index: number, given: Pixels | null = null): Comparison | null {
    const state = this.#frames.get(index);
    const pixels = state?.pixels ?? given;
    if (state === undefined || pixels === null) return null;
    this.#draw(state.camera, this.#background(false));
    const comparison = this.engine.compare(this.#masked({ camera: state.camera, ...pixels }));
    state.psnr = comparison.psnr;
    return comparison;
  }

  /** Whether this frame is known, and its picture not in memory. */
  lacksPicture(index: number): boolean {
    return this.#frames.get(index)?.pixels === null;
  }

  /** [height, width, 3] sRGB bytes of the scene as `camera` sees it. */
  render(camera: Camera): Uint8Array {
    this.#draw(camera, this.#background(false));
    const { image } = this.engine.views;
    const pixels = camera.width * camera.height;
    const bytes = new Uint8Array(pixels * 3);
    for (let p = 0; p < pixels; p++) {
      for (let channel = 0; channel < 3; channel++) {
        const value = image[(channel + 1) * pixels + p];
        bytes[p * 3 + channel] = Math.round(255 * Math.min(1, Math.max(0, value)));
      }
    }
    return bytes;
  }

  /** Held-out frames' indices. */
  holdouts(): number[] {
    return this.#frames.holdouts();
  }

  #draw(camera: Camera, background: readonly number[]): void {
    const reached = Math.max(this.#leastDegree, shDegreeAt(this.#step));
    this.engine.views.scalars[SCALAR.antialiased] = this.#settings.antialiased ? 1 : 0;
    this.engine.views.scalars[SCALAR.shDegree] = Math.min(this.#settings.shDegree, reached);
    this.engine.render(camera, background);
  }

  /**
   * Place Gaussians for a frame that has none of its own yet, before its first step: by then the scene shows what of it
   * is known. While there are none at all, any frame that shows something will do.
   */
  #seed(state: FrameState): void {
    if (state.seeded && this.engine.count > 0) return;
    const waiting = this.engine.count === 0 ? [state, ...this.#frames.pictures.held] : [state];
    for (const next of waiting) {
      const picture = next.half ?? pictureOf(next);
      if (next.seeded || picture === null) continue;
      next.seeded = true;
      const scene = {
        cap: this.#settings.maxGaussians,
        depth: this.#frames.extent.depth,
        bounds: this.#settings.bounds,
        random: this.#random,
      };
      spawn(this.engine, this.#masked(picture), scene, (camera) => this.#draw(camera, [0, 0, 0]));
      if (this.engine.count > 0) return;
    }
  }

  #refine(): void {
    if (this.#step - this.#refineFrom < RECIPE.refineEvery) return;
    this.#refineFrom = this.#step;
    const { engine } = this;
    const { count } = engine;
    const dead = deadGaussians(engine.views, count);
    if (dead.length > 0) copyOntoLive(engine.views, dead, count, this.#random, true);
    const grown = Math.min(this.#settings.maxGaussians, Math.floor(count * RECIPE.growth));
    if (grown <= count) return;
    const added = Array.from({ length: grown - count }, (_, i) => count + i);
    if (copyOntoLive(engine.views, added, count, this.#random, false)) engine.count = grown;
  }

  #background(training: boolean): readonly number[] {
    if (this.#settings.background === "white") return [1, 1, 1];
    if (this.#settings.background === "black" || !training) return [0, 0, 0];
    return [this.#random(), this.#random(), this.#random()];
  }
}

function pictureOf({ camera, pixels }: FrameState): Picture | null {
  return pixels === null ? null : { camera, ...pixels };
}
