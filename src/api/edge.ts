/** What the edge of a cloud answers by itself, before or instead of the backend. Modal's are in its guide, "Web endpoint timeouts". */
import { SplatError } from "../errors.ts";

/** Where the result of a request will be that took Modal too long; null for any other answer. */
export function resultUrl(asked: string, response: Response): string | null {
  const to = response.headers.get("location");
  if (response.status !== 303 || to === null || !URL.canParse(to, asked)) return null;
  const [from, next] = [new URL(asked), new URL(to, asked)];
  return next.origin === from.origin && next.pathname === from.pathname ? next.href : null;
}

/** So often a request is made again that the edge of a cloud did not let through. */
export const EDGE_ATTEMPTS = 3;
const EDGE_WAIT_MS = { first: 250, most: 5000 } as const;

/** The edge's own no, which the backend has not seen: its body came late, or too many came at once. */
export function isPassing(thrown: unknown): thrown is SplatError {
  const { status, isForeign } = (thrown instanceof SplatError ? thrown.refusal : undefined) ?? {};
  return status === 408 || (status === 429 && isForeign === true);
}

/** How long to wait before the next attempt. */
export function edgeWaitMs({ refusal }: SplatError, attempt: number): number {
  const askedMs = refusal?.retryAfterS === undefined ? 0 : refusal.retryAfterS * 1000;
  const backOffMs = EDGE_WAIT_MS.first * 2 ** attempt;
  return Math.min(EDGE_WAIT_MS.most, Math.max(askedMs, backOffMs) + Math.random() * EDGE_WAIT_MS.first);
}
