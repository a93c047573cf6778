/** At most one picture passes in each stretch of time: the sharpest, and none waits longer than the stretch. */

/** A share of the stretch by which pictures may come early and still begin the next one: cameras are not punctual. */
const EARLY_SHARE = 0.25;

/** The stretch of time that is open, and the best picture in it so far. */
export class PassWindow<Picture> {
  readonly #lengthS: number;
  /** End of the stretch that is open or was last; on a grid while pictures follow one another. */
  #endS = -Infinity;
  #best: { readonly picture: Picture; readonly sharpness: number } | null = null;

  /** `maxFps` Infinity: every picture has a stretch of its own. */
  constructor(maxFps: number) {
    this.#lengthS = 1 / maxFps;
  }

  /** Seconds. */
  get lengthS(): number {
    return this.#lengthS;
  }

  /** Whether a picture of this time belongs to a stretch that has had its one already. */
  isTaken(timeS: number): boolean {
    return this.#best === null && this.#isWithin(timeS);
  }

  /** The best of the stretch, when a picture of this time is past it. */
  endedBy(timeS: number): Picture | null {
    return this.#isWithin(timeS) ? null : this.flush();
  }

  /** The best so far; the stretch has then had its one. */
  flush(): Picture | null {
    const best = this.#best;
    this.#best = null;
    return best?.picture ?? null;
  }

  /** Milliseconds that the best may wait yet when the newest picture is of this time; null when none waits. */
  waitMs(timeS: number): number | null {
    return this.#best === null ? null : Math.max(0, 1000 * Math.min(this.#lengthS, this.#endS - timeS));
  }

  /** A picture that may pass. False when one that is sharper, or as sharp and older, waits already. */
  offer(picture: Picture, timeS: number, sharpness: number): boolean {
    if (!this.#isWithin(timeS)) {
      const isNext = timeS < this.#endS + this.#lengthS && timeS >= this.#endS - this.#lengthS;
      this.#endS = (isNext ? this.#endS : timeS) + this.#lengthS;
    }
    if (this.#best !== null && this.#best.sharpness >= sharpness) return false;
    this.#best = { picture, sharpness };
    return true;
  }

  #isWithin(timeS: number): boolean {
    const startS = this.#endS - this.#lengthS * (1 + EARLY_SHARE);
    return timeS >= startS && timeS < this.#endS - this.#lengthS * EARLY_SHARE;
  }
}
