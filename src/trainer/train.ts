/**
 * The trainer: frames in, Gaussians out, one optimisation step at a time. Knows nothing of HTTP, files or threads;
 * whoever owns it calls `step` in a loop and may call anything else between two steps.
 */
import type { ShDegree } from "../splat/gaussians.ts";
import type { PointCloud } from "../splat/ply-read.ts";
import type { Camera } from "./camera.ts";
import type { Comparison, Engine } from "./engine.ts";
import { Exposures } from "./exposures.ts";
import { sceneExtent, type Extent } from "./extent.ts";
import { finishedShare, finishingAgain, finishProgress, type Finishing } from "./finishing.ts";
import { halvePicture, maskPicture, type Picture, type TrainerMask } from "./picture.ts";
import { randomStream, type RandomStream } from "./random.ts";
import { applySchedule, GROWTH, nextFrame, REFINE_EVERY, SETTLE_AT, shDegreeAt } from "./schedule.ts";
import { SCALAR } from "./scalars.ts";
import { addGaussians, thinOut, type Box } from "./seed.ts";
import { spawn } from "./spawn.ts";
import type { TrainerState } from "./state.ts";
import { copyOntoLive, deadGaussians, mendGaussians } from "./strategy.ts";

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
  /** Learn each frame's gain and bias, for cameras that set their own exposure. */
  readonly exposure: boolean;
}

/** A picture with its place. */
export interface TrainerFrame {
  /** Identity, ≥ 1, unique within the session. */
  readonly index: number;
  readonly camera: Camera;
  /** [height, width, 4] straight-alpha sRGB; on shared memory, handing it to another thread copies nothing. */
  readonly rgba: Uint8Array;
  /** [height, width] 0 = this pixel has no source: neither trained nor scored. Null = all pixels count. */
  readonly mask: Uint8Array | null;
  /** Never trained on, scored only. */
  readonly holdout: boolean;
}

interface FrameState {
  frame: TrainerFrame;
  /** The frame at half size while its first steps last. */
  half: Picture | null;
  steps: number;
  /** Of the last comparison at full size. */
  psnr: number | null;
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

/** A frame that has had this many steps has little left to give: live training rests until something arrives. */
const REST_AFTER_STEPS = 300;
/** A frame's first steps are made at half size (on-the-fly-nvs does the same for 5). */
const HALF_STEPS = 6;
export class Trainer {
  readonly engine: Engine;
  #random: RandomStream;
  readonly #now: () => number;
  readonly #exposures = new Exposures();
  #frames = new Map<number, FrameState>();
  #trainable: FrameState[] = [];
  #unseeded: FrameState[] = [];
  #settings: TrainerSettings;
  #sceneMask: TrainerMask | null = null;
  #extent: Extent = { size: 1, depth: 1 };
  #step = 0;
  /** Degree that the Gaussians had when they came from elsewhere. */
  #leastDegree = 0;
  #refineFrom = 0;
  #finish: Finishing | null = null;
  #done = false;

  /** `now` gives Unix seconds. The engine must have room for `settings.maxGaussians`. */
  constructor(engine: Engine, settings: TrainerSettings, now: () => number = () => Date.now() / 1000) {
    this.engine = engine;
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
    return this.#trainable.some(({ steps }) => steps < REST_AFTER_STEPS) ? "training" : "waiting";
  }

  get isLive(): boolean {
    return this.#settings.live;
  }

  /** Mean of the last PSNR of all trained (or all held-out) frames, dB; null before any. */
  meanPsnr(holdout: boolean): number | null {
    const known = [...this.#frames.values()].flatMap(({ frame, psnr }) =>
      psnr !== null && frame.holdout === holdout ? [psnr] : [],
    );
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  }

  addFrame(frame: TrainerFrame): void {
    const state: FrameState = { frame, half: null, steps: 0, psnr: null };
    this.#frames.set(frame.index, state);
    if (frame.holdout) return;
    state.half = halvePicture(frame);
    this.#trainable.push(state);
    this.#unseeded.push(state);
    this.#measure();
  }

  setCamera(index: number, camera: Camera): void {
    const state = this.#frames.get(index);
    if (state === undefined) return;
    state.frame = { ...state.frame, camera };
    if (state.half !== null) state.half = halvePicture(state.frame);
    this.#measure();
  }

  setMask(mask: TrainerMask | null): void {
    this.#sceneMask = mask;
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
    this.#unseeded = [];
  }

  /** A copy of all that decides how training goes on, but for the settings and the frames themselves. */
  checkpoint(): TrainerState {
    const unseeded = new Set(this.#unseeded);
    return {
      ...this.engine.save(),
      step: this.#step,
      refineFrom: this.#refineFrom,
      leastDegree: this.#leastDegree,
      randomState: this.#random.state(),
      frames: [...this.#frames.values()].map((state) => {
        const { frame, steps, psnr } = state;
        return { index: frame.index, steps, psnr, seeded: !unseeded.has(state) };
      }),
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
    this.#restoreFrames(
      usable ? state : { ...state, frames: state.frames.map((frame) => ({ ...frame, seeded: false })) },
    );
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

  /** One step. Null when there is nothing to do now: no frame, all at rest, or finished. */
  advance(): StepReport | null {
    const finished = this.#finish === null ? 0 : finishedShare(this.#finish, this.#step, this.#now());
    if (finished >= 1 || (this.#finish !== null && this.#trainable.length === 0)) this.#done = true;
    const { phase } = this;
    if (phase === "done" || phase === "waiting") return null;
    const { engine } = this;
    const state = this.#trainable[nextFrame(this.#trainable, phase === "training", this.#random)];
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
      size: this.#extent.size,
      gaussians: engine.count,
    });
    scalars[SCALAR.seed] = this.#settings.seed;
    const picture = state.half ?? state.frame;
    this.#draw(picture.camera, this.#background(true));
    // While its first steps last, what a frame differs in is what the Gaussians do not show yet.
    const exposed = this.#settings.exposure && state.steps >= HALF_STEPS;
    const { index } = state.frame;
    const exposure = exposed ? this.#exposures.of(index) : null;
    const { psnr } = engine.lossGradient(maskPicture(picture, this.#sceneMask), exposure);
    if (exposed) this.#exposures.learn(index, engine.exposureGradient());
    engine.backwardAndUpdate();
    this.#step++;
    state.steps++;
    if (state.half === null) state.psnr = psnr;
    if (state.steps >= HALF_STEPS) state.half = null;
    if (finished < SETTLE_AT) this.#refine();
    return { index, psnr: state.psnr, first: state.steps === 1 };
  }

  /** Compare a frame with its render, without training on it. Null when the frame is unknown. */
  score(index: number): Comparison | null {
    const state = this.#frames.get(index);
    if (state === undefined) return null;
    this.#draw(state.frame.camera, this.#background(false));
    const comparison = this.engine.compare(maskPicture(state.frame, this.#sceneMask));
    state.psnr = comparison.psnr;
    return comparison;
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
    return [...this.#frames.values()].flatMap(({ frame }) => (frame.holdout ? [frame.index] : []));
  }

  #restoreFrames({ frames }: TrainerState): void {
    const ordered = new Map<number, FrameState>();
    const seeded = new Set<FrameState>();
    for (const { index, steps, psnr, seeded: isSeeded } of frames) {
      const state = this.#frames.get(index);
      if (state === undefined) continue;
      ordered.set(index, state);
      Object.assign(state, { steps, psnr, half: steps < HALF_STEPS ? state.half : null });
      if (isSeeded) seeded.add(state);
    }
    for (const [index, state] of this.#frames) ordered.set(index, state);
    this.#frames = ordered;
    this.#trainable = [...ordered.values()].filter(({ frame }) => !frame.holdout);
    this.#unseeded = this.#trainable.filter((state) => !seeded.has(state));
    this.#measure();
  }

  #draw(camera: Camera, background: readonly number[]): void {
    const reached = Math.max(this.#leastDegree, shDegreeAt(this.#step));
    this.engine.views.scalars[SCALAR.shDegree] = Math.min(this.#settings.shDegree, reached);
    this.engine.render(camera, background);
  }

  #measure(): void {
    if (this.#trainable.length > 0)
      this.#extent = sceneExtent(this.#trainable.map(({ frame }) => frame.camera));
  }

  /**
   * Place Gaussians for a frame that has none of its own yet, before its first step: by then the scene shows what of it
   * is known. While there are none at all, any frame that shows something will do.
   */
  #seed(state: FrameState): void {
    const waiting = this.engine.count === 0 ? [state, ...this.#unseeded] : [state];
    for (const next of waiting) {
      if (!this.#unseeded.includes(next)) continue;
      this.#unseeded = this.#unseeded.filter((other) => other !== next);
      const scene = {
        cap: this.#settings.maxGaussians,
        depth: this.#extent.depth,
        bounds: this.#settings.bounds,
        random: this.#random,
      };
      const picture = maskPicture(next.half ?? next.frame, this.#sceneMask);
      spawn(this.engine, picture, scene, (camera) => this.#draw(camera, [0, 0, 0]));
      if (this.engine.count > 0) return;
    }
  }

  #refine(): void {
    if (this.#step - this.#refineFrom < REFINE_EVERY) return;
    this.#refineFrom = this.#step;
    const { engine } = this;
    const { count } = engine;
    const dead = deadGaussians(engine.views, count);
    if (dead.length > 0) copyOntoLive(engine.views, dead, count, this.#random, true);
    const grown = Math.min(this.#settings.maxGaussians, Math.floor(count * GROWTH));
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
