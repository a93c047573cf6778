/** Keeps what a session has learned on disk: its record at once when it must be, a checkpoint every few seconds. */
import { messageOf } from "../errors.ts";
import { sleep } from "../time.ts";
import type { TrainerState } from "../trainer/state.ts";
import type { JointReading } from "../robot/joint-history.ts";
import type { SavedSession } from "./saved-session.ts";
import { createSerial } from "./serial.ts";
import type { SessionStore } from "./store.ts";
import type { Training } from "./training.ts";
import type { Warnings } from "./warnings.ts";

export interface SaverDeps {
  readonly store: Pick<SessionStore, "writeSession" | "checkpoints">;
  readonly training: Pick<Training, "checkpoint">;
  /** The session as it is now. */
  readonly record: () => SavedSession;
  readonly joints: () => readonly JointReading[];
  /** Trainer's step now. */
  readonly step: () => number;
  readonly warnings: Pick<Warnings, "add" | "remove">;
  /** A crash costs about this much training at most. */
  readonly everyMs: number;
}

/** Writing takes at most this share of the time, however slow the disk. */
const DISK_SHARE = 0.05;

/** Saves one session, one write of each kind at a time. */
export class Saver {
  readonly #deps: SaverDeps;
  readonly #records = createSerial();
  readonly #checkpoints = createSerial();
  readonly #closing = new AbortController();
  #waiting: Promise<void> | null = null;
  /** What the newest checkpoint holds, to write none twice. */
  #saved = "";
  #tookMs = 0;
  #trouble: string | null = null;

  constructor(deps: SaverDeps) {
    this.#deps = deps;
  }

  /** Take a checkpoint now and then whenever steps were made, until `close`. */
  async keepSaving(): Promise<void> {
    const { signal } = this.#closing;
    let savedStep = -1;
    while (!signal.aborted) {
      await sleep(Math.max(this.#deps.everyMs, this.#tookMs / DISK_SHARE), signal).catch(() => undefined);
      const step = this.#deps.step();
      if (signal.aborted || step === savedStep) continue;
      // A failure was told by then; the next round tries again.
      await this.checkpoint().then(
        () => (savedStep = step),
        () => undefined,
      );
    }
  }

  /** Write the session's record; nothing after `close`. Throws `storage_full`. */
  saveRecord(): Promise<void> {
    return this.#records(async () => {
      if (!this.#closing.signal.aborted) await this.#deps.store.writeSession(this.#deps.record());
    });
  }

  /**
   * Write a checkpoint of the trainer as it is when its turn comes; nothing when there are no Gaussians, none when
   * nothing has changed since the last, nothing after `close`. Throws `storage_full`, having said so.
   */
  checkpoint(): Promise<void> {
    // Whoever asks while one waits for its turn is served by that one.
    this.#waiting ??= this.#checkpoints(() => {
      this.#waiting = null;
      return this.#checkpoint();
    });
    return this.#waiting;
  }

  /** Write nothing more; resolves when nothing is being written. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#records(() => Promise.resolve()), this.#checkpoints(() => Promise.resolve())]);
  }

  async #checkpoint(): Promise<void> {
    const { store, training, record, joints } = this.#deps;
    if (this.#closing.signal.aborted) return;
    const trainer = await training.checkpoint();
    if (trainer === null || contentOf(trainer) === this.#saved) return;
    const startMs = performance.now();
    try {
      await store.checkpoints.write({ session: record(), joints: joints(), trainer });
    } catch (error) {
      this.#nowInTrouble(
        `no checkpoint was written: ${messageOf(error)}; training goes on, the next try follows`,
      );
      throw error;
    } finally {
      this.#tookMs = performance.now() - startMs;
    }
    this.#saved = contentOf(trainer);
    this.#nowInTrouble(null);
  }

  #nowInTrouble(message: string | null): void {
    if (message === this.#trouble) return;
    if (this.#trouble !== null) this.#deps.warnings.remove(this.#trouble);
    if (message !== null) this.#deps.warnings.add(message);
    this.#trouble = message;
  }
}

/** Equal for two states of one trainer that hold the same. */
function contentOf({ step, frames, finish, done, gaussians }: TrainerState): string {
  return [step, frames.length, finish !== null, done, gaussians.count, gaussians.shDegree].join();
}
