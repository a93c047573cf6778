/** What the user is told of the bucket's trouble: once when it begins, once when it is over. */
import { messageOf, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import { isForUser, type RetryPace } from "../remote/r2-pace.ts";

export interface UploadPace extends RetryPace {
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

/** A few failures in a row are nothing to tell: the next try mostly works. */
const TOLD_AFTER = 4;
/** One answer may be garbled on its way, or a new token not be known everywhere yet. */
const TOLD_TO_USER_AFTER = 2;

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
