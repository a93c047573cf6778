/** When to ask the bucket again: the one policy for what reads it and what writes it. */
import { SplatError, toSplatError } from "../errors.ts";
import { sleep } from "../time.ts";

export interface RetryPace {
  /** Longest first wait after a failure; it doubles with each failure that follows. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** The same where only the user can help: wrong keys, no bucket. */
  readonly longestUserWaitMs: number;
}

/** For commands that somebody waits for. */
export const COMMAND_PACE: RetryPace = { firstWaitMs: 500, longestWaitMs: 15_000, longestUserWaitMs: 15_000 };

export interface Retrying {
  /** With the first. Default 5. */
  readonly attempts?: number | undefined;
  readonly pace?: RetryPace | undefined;
  readonly signal: AbortSignal;
  /** Told before each wait. */
  readonly onWait?: ((error: SplatError, waitMs: number) => void) | undefined;
}

const ATTEMPTS = 5;
/** A server that asks for more patience than this is asked again all the same. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;
/** S3's names for what passes although the status would not say so. */
const PASSING_CODES = new Set(["RequestTimeout", "SlowDown", "Throttling", "TooManyRequests"]);

/** Whether only the user can mend it. */
export function isForUser(error: unknown): boolean {
  return error instanceof SplatError && error.code === "not_configured";
}

/** Whether the same request may well succeed a little later: nobody answered, or a server that is busy or ill. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof SplatError)) return false;
  const { code, refusal } = error;
  if (code === "unreachable") return true;
  if (code !== "refused" || refusal === undefined) return false;
  if (PASSING_CODES.has(refusal.code)) return true;
  const { status } = refusal;
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/**
 * How long to wait after the `failures`-th failure in a row (from 1), ms; `random` is uniform in 0…1. Exponential
 * back-off with full jitter (Brooker 2015, "Exponential Backoff and Jitter", AWS Architecture Blog); `Retry-After` is
 * honoured up to five minutes.
 */
export function waitAfter(error: unknown, failures: number, pace: RetryPace, random = Math.random): number {
  const longestMs = isForUser(error) ? pace.longestUserWaitMs : pace.longestWaitMs;
  const backOffMs = random() * Math.min(longestMs, pace.firstWaitMs * 2 ** (failures - 1));
  const retryAfterS = error instanceof SplatError ? error.refusal?.retryAfterS : undefined;
  if (retryAfterS === undefined) return backOffMs;
  return Math.min(retryAfterS * 1000, LONGEST_RETRY_AFTER_MS) + random() * pace.firstWaitMs;
}

/**
 * Do `work` until it succeeds: again after what may pass, and once more after a no that did not come from the bucket
 * itself (a proxy's page, a garbled answer). Throws the last error, or the signal's reason.
 */
export async function retrying<T>(work: () => Promise<T>, options: Retrying): Promise<T> {
  const { attempts = ATTEMPTS, pace = COMMAND_PACE, signal, onWait } = options;
  let wasForeign = false;
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (thrown) {
      const error = toSplatError(thrown);
      const isForeign = error.refusal?.isForeign === true;
      const again = mayPass(error) || (isForeign && !wasForeign);
      if (!again || failures >= attempts || signal.aborted) throw error;
      wasForeign ||= isForeign;
      const waitMs = waitAfter(error, failures, pace);
      onWait?.(error, waitMs);
      await sleep(waitMs, signal);
    }
  }
}
