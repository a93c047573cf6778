/** Trouble told once when it begins and once when it is over, however often it flickers. */
import { steadyMs } from "../time.ts";
import type { SourceListener } from "./joint-source.ts";

/** Trouble is over when nothing failed for this long. */
const SETTLED_MS = 1000;

/** What a source has told its listener about a trouble that lasts. */
export class Outage {
  readonly #listener: SourceListener;
  readonly #over: string;
  readonly #told = new Set<string>();
  #failures = 0;
  #everWorked = false;
  #wellSinceMs: number | null = null;

  /** `over` is the note when a trouble that was told is over. */
  constructor(listener: SourceListener, over: string) {
    this.#listener = listener;
    this.#over = over;
  }

  /**
   * Something failed. A trouble of each `kind` is told once; a source that has worked before is given `patience` failures
   * in a row. Returns how many there are now.
   */
  failed(kind: string, line: string, patience = 1): number {
    this.#failures++;
    this.#wellSinceMs = null;
    const isLasting = this.#failures >= patience || !this.#everWorked;
    if (isLasting && !this.#told.has(kind)) {
      this.#told.add(kind);
      this.#listener.onWarning(line);
    }
    return this.#failures;
  }

  /** A reading came. */
  worked(): void {
    this.#failures = 0;
    this.#everWorked = true;
    if (this.#told.size === 0) return;
    this.#wellSinceMs ??= steadyMs();
    if (steadyMs() - this.#wellSinceMs < SETTLED_MS) return;
    this.#told.clear();
    this.#listener.onNote(this.#over);
  }
}

/** How long to wait before the next try: doubling from 100 ms, 2 s at most. */
export function backoffMs(failures: number): number {
  return Math.min(2000, 100 * 2 ** Math.min(failures - 1, 10));
}

/** Tells one fault from another by its words; the same one with other figures is no other. */
export function faultKind(words: string): string {
  return words.replaceAll(/-?\d[\d.e+-]*/g, "#");
}
