/** Evenly spaced moments to do something at. */
import { sleep, steadyMs } from "../time.ts";

/**
 * Moments `periodMs` apart, counted from the first: being late once shifts none of those that follow, and moments that
 * passed meanwhile are skipped and counted, never made up for in a burst.
 */
export class TickGrid {
  readonly #periodMs: number;
  readonly #startMs = steadyMs();
  #tick = -1;
  #missed = 0;

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** Moments that were skipped, since the beginning. */
  get missed(): number {
    return this.#missed;
  }

  /** On the steady clock. */
  get nextMs(): number {
    return this.#startMs + (this.#tick + 1) * this.#periodMs;
  }

  /** Wait for the next moment; the first is now. Rejects when the signal aborts. */
  async next(signal: AbortSignal): Promise<void> {
    const passed = Math.floor((steadyMs() - this.#startMs) / this.#periodMs);
    if (passed > this.#tick + 1) {
      this.#missed += passed - this.#tick - 1;
      this.#tick = passed - 1;
    }
    const waitMs = Math.round(this.nextMs - steadyMs());
    if (waitMs > 0) await sleep(waitMs, signal);
    this.#tick++;
  }
}
