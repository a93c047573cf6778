/** What the trainer said about a session last. */
import { nowS } from "../time.ts";
import type { FrameTable } from "./frames.ts";
import { LatencyWindow } from "./latency.ts";
import type { SavedSession } from "./store.ts";
import type { TrainingEvent } from "./training.ts";

/** Takes the trainer's events; read by everything that shows how it goes. */
export class TrainerReport {
  /** From the shutter to the end of the first step that looked at the frame, ms. */
  readonly latency = new LatencyWindow();
  stepsPerSecond = 0;
  psnrTrain: number | null;
  psnrHoldout: number | null;
  readonly #frames: FrameTable;
  #step: number;

  constructor(frames: FrameTable, saved: Pick<SavedSession, "step" | "psnr_train" | "psnr_holdout">) {
    this.#frames = frames;
    this.#step = saved.step;
    this.psnrTrain = saved.psnr_train;
    this.psnrHoldout = saved.psnr_holdout;
  }

  /** Steps made. */
  get step(): number {
    return this.#step;
  }

  /** Events can overtake each other's step, never undo it. */
  reached(step: number): void {
    this.#step = Math.max(this.#step, step);
  }

  /** The Gaussians of before a restart are lost, and with them the steps that made them. */
  startOver(): void {
    this.#step = 0;
  }

  progress(event: Extract<TrainingEvent, { type: "progress" }>): void {
    this.reached(event.step);
    this.stepsPerSecond = event.stepsPerSecond;
    this.psnrTrain = event.psnrTrain;
    this.psnrHoldout = event.psnrHoldout;
    for (const [index, psnr] of event.framePsnr) {
      const frame = this.#frames.get(index);
      if (frame !== undefined) frame.psnr = psnr;
    }
  }

  trained(indices: readonly number[]): void {
    for (const index of indices) {
      const frame = this.#frames.get(index);
      if (frame === undefined || frame.stepped) continue;
      frame.stepped = true;
      if (!frame.isRestored) this.latency.add((nowS() - frame.capturedAtS) * 1000);
    }
  }
}
