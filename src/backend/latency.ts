/** Percentiles over the newest measurements of a live quantity. */
import { nowS } from "../time.ts";

/** Enough for a stable p95, few enough to follow a change within seconds. */
const WINDOW = 200;

/** p50 and p95 of the newest 200 values; null before the first. */
export class LatencyWindow {
  readonly #values: number[] = [];
  readonly #sinceS = nowS();

  /** Milliseconds; below zero (clocks of two hosts disagree) counts as zero. */
  add(ms: number): void {
    this.#values.push(Math.max(0, ms));
    if (this.#values.length > WINDOW) this.#values.shift();
  }

  /** From a shutter until now. Pictures taken before this window was there only came late; they measure nothing. */
  addSince(capturedAtS: number): void {
    if (capturedAtS >= this.#sinceS) this.add((nowS() - capturedAtS) * 1000);
  }

  percentiles(): { p50: number | null; p95: number | null } {
    const sorted = this.#values.toSorted((a, b) => a - b);
    return { p50: rank(sorted, 0.5), p95: rank(sorted, 0.95) };
  }
}

/** Nearest-rank percentile. */
function rank(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null;
  return Math.round(sorted[Math.ceil(share * sorted.length) - 1]);
}
