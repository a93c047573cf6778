/** How a capture ends: intake closes, the trainer runs to its end, the last chunk is written. */
import type { SplatError } from "../errors.ts";
import { nowS } from "../time.ts";
import type { ChunkSchedule } from "./chunk-schedule.ts";
import type { FrameTable } from "./frames.ts";
import type { Intake } from "./intake.ts";
import { refuse } from "../http/refuse.ts";
import type { SavedSession } from "./saved-session.ts";
import type { Training } from "./training.ts";

export interface EndingDeps {
  readonly frames: FrameTable;
  readonly intake: Intake;
  readonly training: Training;
  readonly schedule: ChunkSchedule;
  /** Trainer's step now. */
  readonly step: () => number;
  /** Resolves when frames of before a restart are with the trainer. */
  readonly ready: () => Promise<void>;
  /** Write the session's record to disk. */
  readonly saveRecord: () => Promise<void>;
  /** Write a checkpoint; when it fails the user has been told. */
  readonly checkpoint: () => Promise<void>;
  /** Write status.json. */
  readonly publish: () => Promise<void>;
  /** The phase changed. */
  readonly changed: () => void;
}

/** Where time allows, training goes on until each frame has had so many steps on average: more adds little to see. */
const FULL_STEPS_PER_FRAME = 100;
/** However much was trained while live, rates still have to fall: this many steps a frame are made for that. */
const SETTLING_STEPS_PER_FRAME = 30;

/** The ending of one session. */
export class Ending {
  readonly #deps: EndingDeps;
  readonly #trainerEnd: Promise<void>;
  #trainerEnded: () => void = () => undefined;
  #phase: SavedSession["phase"];
  #failed = false;
  #finishS: number;
  #finishing: Promise<void> | null = null;
  #trainerAsked = false;

  constructor(deps: EndingDeps, saved: Pick<SavedSession, "phase" | "finish_seconds">) {
    this.#deps = deps;
    this.#trainerEnd = new Promise((resolve) => {
      this.#trainerEnded = resolve;
    });
    this.#phase = saved.phase;
    this.#finishS = saved.finish_seconds;
  }

  get phase(): SavedSession["phase"] | "failed" {
    return this.#failed && this.#phase !== "complete" ? "failed" : this.#phase;
  }

  get saved(): Pick<SavedSession, "phase" | "finish_seconds"> {
    return { phase: this.#phase, finish_seconds: this.#finishS };
  }

  /**
   * End intake and finish within `finishS` seconds; resolves when complete or failed. Calls after the first wait for
   * the same end. Throws `storage_full` when there is no room for its end: then the next call tries again.
   */
  async stop(finishS: number): Promise<void> {
    if (this.#phase === "complete" || this.#failed) return;
    if (this.#phase === "open") this.#finishS = finishS;
    this.#phase = "stopped";
    this.#finishing ??= this.#finish().catch((error: unknown) => {
      this.#finishing = null;
      throw error;
    });
    await this.#finishing;
  }

  /**
   * After a restart: finish what was stopped; refuse frames for what is complete.
   * @param isFinishing whether the restored trainer is in the midst of it, with a budget of its own.
   */
  async resume(isFinishing: boolean): Promise<void> {
    this.#trainerAsked = isFinishing;
    if (this.#phase === "stopped") await this.stop(this.#finishS);
    if (this.#phase === "complete") await this.#deps.intake.close(captureFinished());
  }

  trainerFinished(): void {
    this.#trainerEnded();
  }

  trainerFailed(): void {
    this.#failed = true;
    this.#trainerEnded();
  }

  async #finish(): Promise<void> {
    const { ready, intake, saveRecord, checkpoint, schedule, publish, changed } = this.#deps;
    changed();
    await saveRecord();
    await ready();
    await intake.close(captureFinished());
    await checkpoint().catch(() => undefined);
    await this.#optimise();
    if (this.#failed) return;
    await schedule.writeFinal();
    // First what is complete, then that it is.
    await checkpoint();
    this.#phase = "complete";
    await saveRecord();
    await publish();
    changed();
  }

  /** Let the trainer run to its end, once; without frames to learn from there is nothing to wait for. */
  async #optimise(): Promise<void> {
    const { frames, training } = this.#deps;
    if (frames.trainableCount === 0) return;
    if (!this.#trainerAsked) {
      const missing = FULL_STEPS_PER_FRAME * frames.trainableCount - this.#deps.step();
      const steps = Math.max(missing, SETTLING_STEPS_PER_FRAME * frames.trainableCount);
      training.finish({ steps, deadlineS: nowS() + this.#finishS });
    }
    this.#trainerAsked = true;
    await this.#trainerEnd;
  }
}

function captureFinished(): SplatError {
  return refuse("stopped", "the capture is finished", { hint: "Reset to begin another." });
}
