/** Every frame the trainer knows, and how far training has come with each. Pictures: see `held-pictures.ts`. */
import type { Camera } from "./camera.ts";
import { sceneExtent, type Extent } from "./extent.ts";
import { HeldPictures, type HeldFrame, type PictureSource } from "./held-pictures.ts";
import { halveCamera, type Pixels } from "./picture.ts";
import { RECIPE } from "./schedule.ts";
import type { FrameProgress } from "./state.ts";

/** A frame without its picture: that is asked for when it is needed. */
export interface FramePlace {
  /** Identity, ≥ 1, unique within the session. */
  readonly index: number;
  readonly camera: Camera;
  /** Never trained on, scored only. */
  readonly holdout: boolean;
}

/** A picture with its place. */
export interface TrainerFrame extends FramePlace, Pixels {}

export interface FrameState extends HeldFrame {
  camera: Camera;
  order: number;
  steps: number;
  /** Of the last comparison at full size. */
  psnr: number | null;
  /** Whether Gaussians have been placed in front of it. */
  seeded: boolean;
}

/** A frame that has had this many steps has little left to give: live training rests until something arrives. */
const REST_AFTER_STEPS = 300;

/** See the top of the file. */
export class Frames {
  readonly pictures: HeldPictures<FrameState>;
  #all = new Map<number, FrameState>();
  #nextOrder = 0;
  #trainedCount = 0;
  /** Frames to train on that have not had enough steps to rest. */
  #restlessCount = 0;
  #extent: Extent | null = null;

  constructor(budgetBytes: number, source: PictureSource) {
    this.pictures = new HeldPictures(budgetBytes, source, (frame) => this.#remove(frame));
  }

  /** Frames to train on, their pictures held or not. */
  get trainedCount(): number {
    return this.#trainedCount;
  }

  /** Whether some frame has something left to give. */
  get isRestless(): boolean {
    return this.#restlessCount > 0;
  }

  /** Where the scene is, by the cameras trained on; without any, a unit. */
  get extent(): Extent {
    if (this.#trainedCount === 0) return { size: 1, depth: 1 };
    this.#extent ??= sceneExtent(
      [...this.#all.values()].filter(({ holdout }) => !holdout).map(({ camera }) => camera),
    );
    return this.#extent;
  }

  get(index: number): FrameState | undefined {
    return this.#all.get(index);
  }

  add(frame: FramePlace | TrainerFrame): void {
    const { index, camera, holdout } = frame;
    const place = { index, camera, holdout, order: this.#nextOrder++ };
    const state: FrameState = { ...place, steps: 0, psnr: null, seeded: false, pixels: null, half: null };
    this.#all.set(index, state);
    if (!holdout) {
      this.#trainedCount++;
      this.#restlessCount++;
      this.#extent = null;
    }
    this.pictures.add(state, "rgba" in frame ? { rgba: frame.rgba, mask: frame.mask } : null);
  }

  setCamera(index: number, camera: Camera): void {
    const state = this.#all.get(index);
    if (state === undefined) return;
    state.camera = camera;
    if (state.half !== null) state.half = { ...state.half, camera: halveCamera(camera) };
    this.#extent = null;
  }

  /** A picture that was asked for; null when it cannot be read any more, and then its frame is forgotten. */
  supply(index: number, pixels: Pixels | null): void {
    const state = this.#all.get(index);
    if (state?.holdout === true && pixels === null) this.pictures.forget(state);
    else this.pictures.supply(index, pixels);
  }

  /** A step was made on this frame; `psnr` null when it was made at half size. */
  stepped(state: FrameState, psnr: number | null): void {
    state.steps++;
    if (state.steps === REST_AFTER_STEPS) this.#restlessCount--;
    if (psnr !== null) state.psnr = psnr;
    if (state.steps >= RECIPE.halfSteps) this.pictures.dropHalf(state);
  }

  /** No frame that is here needs Gaussians of its own. */
  countAsSeeded(): void {
    for (const state of this.#all.values()) state.seeded = true;
  }

  /** Mean of the last PSNR of all trained (or all held-out) frames, dB; null before any. */
  meanPsnr(ofHoldouts: boolean): number | null {
    let sum = 0;
    let count = 0;
    for (const { psnr, holdout } of this.#all.values()) {
      if (psnr === null || holdout !== ofHoldouts) continue;
      sum += psnr;
      count++;
    }
    return count === 0 ? null : sum / count;
  }

  /** Held-out frames' indices. */
  holdouts(): number[] {
    return [...this.#all.values()].filter(({ holdout }) => holdout).map(({ index }) => index);
  }

  progress(): FrameProgress[] {
    return [...this.#all.values()].map(({ index, steps, psnr, seeded, holdout, pixels }) => {
      return { index, steps, psnr, seeded: seeded || holdout, held: pixels !== null };
    });
  }

  /** Frames that are named and here go on where they stood, in that order; the others come after as new ones. */
  restore(progress: readonly FrameProgress[]): void {
    const ordered = new Map<number, FrameState>();
    const wanted: FrameState[] = [];
    const others: FrameState[] = [];
    for (const { index, steps, psnr, seeded, held = true } of progress) {
      const state = this.#all.get(index);
      if (state === undefined) continue;
      ordered.set(index, state);
      Object.assign(state, { steps, psnr, seeded });
      if (steps >= RECIPE.halfSteps) this.pictures.dropHalf(state);
      (held ? wanted : others).push(state);
    }
    for (const [index, state] of this.#all) ordered.set(index, state);
    this.#nextOrder = 0;
    for (const state of ordered.values()) state.order = this.#nextOrder++;
    this.#all = ordered;
    this.#restlessCount = [...ordered.values()].filter(
      ({ holdout, steps }) => !holdout && steps < REST_AFTER_STEPS,
    ).length;
    this.#extent = null;
    this.pictures.restore(wanted, others);
  }

  #remove(state: FrameState): void {
    if (!this.#all.delete(state.index) || state.holdout) return;
    this.#trainedCount--;
    if (state.steps < REST_AFTER_STEPS) this.#restlessCount--;
    this.#extent = null;
  }
}
