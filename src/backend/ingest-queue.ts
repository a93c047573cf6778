/** A bounded line for work on uploads: a few at a time, some waiting, and a clear no beyond that. */
import { refuse } from "../http/refuse.ts";

export interface IngestLimits {
  /** Jobs that run at once. */
  readonly running: number;
  /** Jobs that may wait for one of those places. */
  readonly waiting: number;
}

/** Runs jobs within its limits, first come first served. */
export class IngestQueue {
  readonly #limits: IngestLimits;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limits: IngestLimits) {
    this.#limits = limits;
  }

  /** Resolves or rejects as the job does; throws `busy` at once when too many are waiting. */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limits.running) this.#running++;
    else await this.#place();
    try {
      return await job();
    } finally {
      // The place goes to the next in line, so that a newcomer cannot overtake it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #place(): Promise<void> {
    if (this.#waiting.length >= this.#limits.waiting) {
      throw refuse("busy", "more frames are waiting to be decoded than this machine can take", {
        hint: "Send this frame again after the time in Retry-After.",
        retryAfterS: 1,
      });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
