/** The one refusal that has the same words wherever it is made. */
import { refuse } from "../http/refuse.ts";
import type { SplatError } from "../errors.ts";

/** Said to whoever comes while a session ends. */
export function shuttingDown(): SplatError {
  return refuse("unavailable", "the backend is shutting down or starting another session", {
    hint: "Send this again after the time in Retry-After.",
    retryAfterS: 1,
  });
}
