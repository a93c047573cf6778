/** What the trainer said about a session last. */
import type { TrainerState } from "../trainer/state.ts";
import type { FrameTable } from "./frames.ts";
import { LatencyWindow } from "./latency.ts";
import type { SavedSession } from "./saved-session.ts";
import type { TrainingEvent } from "./training.ts";

/** Takes the trainer's events; read by everything that shows how it goes. */
export class TrainerReport {
  /** From the shutter to the end of the first step that looked at the frame, ms. */
  readonly latency = new LatencyWindow();
  stepsPerSecond = 0;
  psnrTrain: number | null;
  psnrHoldout: number | null;
  readonly #frames: FrameTable;
  #step = 0;

  constructor(frames: FrameTable, saved: Pick<SavedSession, "psnr_train" | "psnr_holdout">) {
    this.#frames = frames;
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

  /** After a restart: where the trainer goes on, and what it has done with each frame. */
  restored({ step, frames }: Pick<TrainerState, "step" | "frames">): void {
    this.#step = step;
    for (const frame of this.#frames.accepted()) frame.acceptedAtStep = step;
    for (const { index, steps, psnr } of frames) {
      const frame = this.#frames.get(index);
      if (frame !== undefined) Object.assign(frame, { stepped: steps > 0, psnr, acceptedAtStep: 0 });
    }
  }

  progress(event: Extract<TrainingEvent, { type: "progress" }>): void {
    this.reached(event.step);
    this.stepsPerSecond = event.stepsPerSecond;
    // A trainer that has no frames yet, or none any more because all is done, says nothing against what was known.
    this.psnrTrain = event.psnrTrain ?? this.psnrTrain;
    this.psnrHoldout = event.psnrHoldout ?? this.psnrHoldout;
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
      if (!frame.isRestored) this.latency.addSince(frame.capturedAtS);
    }
  }
}
