/** What to do when a backend did not take something: wait and try again, set it aside, or stop. Pure. */
import type { SplatError } from "../errors.ts";

export type Verdict =
  /** Nothing is wrong with what was sent: try again after `waitMs`. */
  | { readonly kind: "retry"; readonly waitMs: number }
  /** This one will never be taken; others may. */
  | { readonly kind: "poison" }
  /** No other would be taken either. */
  | { readonly kind: "fatal" };

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;
/** A backend that asks for more patience than this is asked again all the same. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;
/** A 500 may be an outage or this one frame's doing: after so many attempts it counts as the frame's. */
const INTERNAL_ERROR_ATTEMPTS = 6;
/** The edge of a cloud says 500 of a container that went away; one frame that ends each must not hold all others up. */
const EDGE_ERROR_ATTEMPTS = 20;
/** An answer that makes no sense, or leads elsewhere, may come from a proxy: after so many it is the backend's own. */
const GARBLED_ATTEMPTS = 6;
const TRY_AGAIN_STATUSES = new Set([408, 423, 425, 429]);
/** What is wrong lies in what was sent. Any other no (credentials, address, a capture that is over) holds for all. */
const POISON_STATUSES = new Set([400, 413, 415, 422]);

/**
 * Judge a failed attempt. `attempt` counts from 0, `random` is uniform in 0…1. Outages are waited for without end;
 * the caller knows when to stop. Exponential back-off with full jitter (Brooker 2015, "Exponential Backoff and
 * Jitter", AWS Architecture Blog); `Retry-After` is honoured, with jitter on top so that waiters do not return as one.
 */
export function judge(error: SplatError, attempt: number, random: () => number = Math.random): Verdict {
  const status = error.refusal?.status;
  if (status === undefined || status < 400) {
    const isGarbled = error.code === "refused" && attempt + 1 < GARBLED_ATTEMPTS;
    const mayPass = error.code === "unreachable" || isGarbled;
    return mayPass ? retry(error, attempt, random) : { kind: "fatal" };
  }
  const internalAttempts = error.refusal?.isForeign === true ? EDGE_ERROR_ATTEMPTS : INTERNAL_ERROR_ATTEMPTS;
  if (status === 500 && attempt + 1 >= internalAttempts) return { kind: "poison" };
  if (status >= 500 || TRY_AGAIN_STATUSES.has(status)) return retry(error, attempt, random);
  return { kind: POISON_STATUSES.has(status) ? "poison" : "fatal" };
}

function retry(error: SplatError, attempt: number, random: () => number): Verdict {
  const backOffMs = random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  const retryAfterS = error.refusal?.retryAfterS;
  if (retryAfterS === undefined) return { kind: "retry", waitMs: backOffMs };
  const askedMs = Math.min(retryAfterS * 1000, LONGEST_RETRY_AFTER_MS);
  return { kind: "retry", waitMs: askedMs + random() * FIRST_WAIT_MS };
}
