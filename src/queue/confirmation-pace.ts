/** How often a backend is asked which frames it holds for good. No clock, no network. */

/** Least time between two questions. */
const PAUSE_MS = 2000;
/** A backend in the cloud runs, and costs, as long as it is asked: less often, */
const CLOUD_PAUSE_MS = 10_000;
/** twice as seldom each time that nothing has changed, and after so long a pause (5 min) not again until something has. */
const MOST_CLOUD_PAUSES = 30;

/** What a question showed. */
export interface Standing {
  readonly durableThrough: number;
  /** Nothing more will be held than is. */
  readonly isOver: boolean;
}

/** The pace of one run. */
export class ConfirmationPace {
  readonly #isCloud: boolean;
  readonly #firstMs: number;
  readonly #mostMs: number;
  #nextMs: number;
  #accepted = 0;
  #durableThrough = -1;
  #isOver = false;
  #isAway = false;

  constructor(isCloud: boolean, firstMs = isCloud ? CLOUD_PAUSE_MS : PAUSE_MS) {
    this.#isCloud = isCloud;
    this.#firstMs = firstMs;
    this.#mostMs = MOST_CLOUD_PAUSES * firstMs;
    this.#nextMs = firstMs;
  }

  /**
   * Until the next question, while so many frames are accepted and not safe; null: not before that changes. While the
   * spool is full nothing changes by itself: a cloud is asked on and on.
   */
  pauseMs(accepted: number, isFull = false): number | null {
    if (accepted !== this.#accepted) this.#quicken();
    this.#accepted = accepted;
    if (accepted === 0) return null;
    if (!this.#isCloud) return this.#firstMs;
    if (!this.#isOver && this.#nextMs <= this.#mostMs) return this.#nextMs;
    return isFull ? this.#mostMs : null;
  }

  /** What the question showed; null when nobody answered, which says nothing of the frames. */
  saw(now: Standing | null): void {
    this.#nextMs *= 2;
    if (now === null) {
      this.#nextMs = Math.min(this.#nextMs, this.#mostMs);
      this.#isAway = true;
      return;
    }
    if (this.#isAway || now.durableThrough !== this.#durableThrough) this.#quicken();
    this.#isAway = false;
    this.#durableThrough = now.durableThrough;
    this.#isOver = now.isOver;
  }

  #quicken(): void {
    this.#nextMs = this.#firstMs;
    this.#isOver = false;
  }
}
