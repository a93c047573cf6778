/** When to try the bucket again, and what the user is told of it: once when trouble begins, once when it is over. */
import { messageOf, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";

export interface UploadPace {
  /** Longest first wait after a failure; it doubles with each failure that follows. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** The same where only the user can help: wrong keys, no bucket. */
  readonly longestUserWaitMs: number;
  /** Between two writes of one status.json: R2 takes one write a second of a key. */
  readonly statusEveryMs: number;
  /** What is under way may take this long at the end. */
  readonly graceMs: number;
}

export const UPLOAD_PACE: UploadPace = {
  firstWaitMs: 500,
  longestWaitMs: 30_000,
  longestUserWaitMs: 120_000,
  statusEveryMs: 1200,
  graceMs: 5000,
};

/** A server that asks for more patience than this is asked again all the same. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;
/** A few failures in a row are nothing to tell: the next try mostly works. */
const TOLD_AFTER = 4;
/** One answer may be garbled on its way, or a new token not be known everywhere yet. */
const TOLD_TO_USER_AFTER = 2;

/** Whether only the user can mend it. */
export function isForUser(error: unknown): boolean {
  return error instanceof SplatError && error.code === "not_configured";
}

/**
 * How long to wait after the `failures`-th failure in a row (from 1), ms; `random` is uniform in 0…1. Exponential
 * back-off with full jitter (Brooker 2015, "Exponential Backoff and Jitter", AWS Architecture Blog); `Retry-After` is
 * honoured up to five minutes.
 */
export function waitAfter(error: unknown, failures: number, pace: UploadPace, random = Math.random): number {
  const longestMs = isForUser(error) ? pace.longestUserWaitMs : pace.longestWaitMs;
  const backOffMs = random() * Math.min(longestMs, pace.firstWaitMs * 2 ** (failures - 1));
  const retryAfterS = error instanceof SplatError ? error.refusal?.retryAfterS : undefined;
  if (retryAfterS === undefined) return backOffMs;
  return Math.min(retryAfterS * 1000, LONGEST_RETRY_AFTER_MS) + random() * pace.firstWaitMs;
}

export interface TroubleDeps {
  readonly log: Log;
  /** For what the user has to mend; shown wherever they look. */
  readonly warn: (message: string) => void;
  /** `current` is another. */
  readonly changed: () => void;
}

/** The bucket's trouble as it stands. */
export class BucketTrouble {
  readonly #deps: TroubleDeps;
  #failures = 0;
  #current: string | null = null;
  #isForUser = false;

  constructor(deps: TroubleDeps) {
    this.#deps = deps;
  }

  /** What is wrong now; null when nothing is. */
  get current(): string | null {
    return this.#current;
  }

  /** Whether waiting will not help. */
  get needsUser(): boolean {
    return this.#isForUser;
  }

  failed(error: unknown): void {
    this.#failures++;
    const forUser = isForUser(error);
    // What only the user can mend stays told until something succeeds.
    if (this.#isForUser && !forUser) return;
    if (this.#failures < (forUser ? TOLD_TO_USER_AFTER : TOLD_AFTER)) return;
    const told = describe(error);
    if (forUser && this.#current !== told) this.#deps.warn(told);
    if (!forUser && this.#current === null) {
      this.#deps.log.warn(`${told}; chunks wait on disk and are tried again`);
    }
    this.#set(told, forUser);
  }

  succeeded(): void {
    this.#failures = 0;
    if (this.#current === null) return;
    this.#deps.log.info("the bucket takes what waited");
    this.#set(null, false);
  }

  #set(current: string | null, forUser: boolean): void {
    const isOther = current !== this.#current;
    this.#current = current;
    this.#isForUser = forUser;
    if (isOther) this.#deps.changed();
  }
}

function describe(error: unknown): string {
  const hint = error instanceof SplatError ? error.hint : undefined;
  return hint === undefined ? messageOf(error) : `${messageOf(error)}. ${hint}`;
}
