/** How often a session that may go on is looked at, and what its trouble means: to wait, to tell, or to end. */
import type { SplatError } from "../errors.ts";
import { mayPass, type RetryPace } from "../remote/r2-pace.ts";

export interface FollowPace extends RetryPace {
  /** Between two looks while something changes. */
  readonly everyMs: number;
  /** Between two looks after a long time in which nothing did. */
  readonly longestMs: number;
  /** Each look that finds nothing new makes the next wait so many times as long. */
  readonly growth: number;
  /** For what a session may still bring that failed, or that another took over from, once nothing of it changes. */
  readonly patienceMs: number;
}

export const FOLLOW_PACE: FollowPace = {
  everyMs: 2000,
  longestMs: 30_000,
  growth: 1.5,
  patienceMs: 2 * 60_000,
  firstWaitMs: 2000,
  longestWaitMs: 30_000,
  longestUserWaitMs: 30_000,
};

/** What has worked before fails once in a while: the next look mostly works, and there is nothing to tell. */
const TOLD_AFTER = 2;
/** What has worked before may be refused in a garbled answer, or by a token that is being replaced. */
const REFUSALS = 3;

/** The wait before the next look, given the one before this look. */
export function nextWaitMs(waitMs: number, hasChanged: boolean, pace: FollowPace): number {
  return hasChanged ? pace.everyMs : Math.min(pace.longestMs, waitMs * pace.growth);
}

/** `end`: waiting does not help; `tell`: the user should know, once. */
export type Verdict = "wait" | "tell" | "end";

/** The trouble there is now, and what was told of it. */
export class FollowTrouble {
  #everWorked = false;
  #refusals = 0;
  #failures = 0;
  #isTold = false;

  /** In a row. */
  get failures(): number {
    return this.#failures;
  }

  failed(error: SplatError): Verdict {
    this.#failures++;
    if (isBug(error)) return "end";
    // What is damaged may be whole the next time.
    const isFinal = !mayPass(error) && error.code !== "bad_input";
    this.#refusals = isFinal ? this.#refusals + 1 : 0;
    if (isFinal && (!this.#everWorked || this.#refusals >= REFUSALS)) return "end";
    if (this.#isTold || (this.#everWorked && !isFinal && this.#failures < TOLD_AFTER)) return "wait";
    this.#isTold = true;
    return "tell";
  }

  /** @returns whether it was told that there is trouble, so that now its end is to be told. */
  worked(): boolean {
    const wasTold = this.#isTold;
    this.#everWorked = true;
    this.#refusals = 0;
    this.#failures = 0;
    this.#isTold = false;
    return wasTold;
  }
}

function isBug({ code }: SplatError): boolean {
  return code === "internal" || code === "usage" || code === "interrupted";
}
