/** Waits until a backend that has just been deployed is ready. */
import { createClient } from "../api/client.ts";
import type { ProxyAuth } from "../config.ts";
import { messageOf, SplatError } from "../errors.ts";
import { sleep, steadyMs } from "../time.ts";

/** A cold start: machine, image, CUDA, the scenes that the volume holds. */
const PATIENCE_MS = 10 * 60_000;
/** For so long after a deployment its address may be unknown at Modal's edge. */
const SETTLE_MS = 60_000;
const POLL_MS = 1000;

export interface Awaited {
  readonly url: string;
  /** What Modal's proxy asks for, where it does. */
  readonly proxyAuth: ProxyAuth | undefined;
  /** Whether it was made just now: Modal's edge may not know it yet. */
  readonly isProxyAuthNew?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Told once a second how long it takes. */
  readonly onProgress: (what: string) => void;
  /** Default ten minutes. */
  readonly patienceMs?: number | undefined;
  /** Default one minute. */
  readonly settleMs?: number | undefined;
}

/**
 * Ask for /health, which needs no token, until the trainer is ready. @returns the seconds that it took.
 * Throws `partial` when it is not within the time, what a refusal that will not pass means, and the signal's reason.
 */
export async function awaitBackend(awaited: Awaited): Promise<number> {
  const { url, proxyAuth, signal, onProgress, patienceMs = PATIENCE_MS, settleMs = SETTLE_MS } = awaited;
  const client = createClient({ url, proxyAuth, cloud: true, coldStartMs: patienceMs });
  const startMs = steadyMs();
  const waitedMs = (): number => steadyMs() - startMs;
  const tell = (): void => onProgress(`starting GPU, ${Math.round(waitedMs() / 1000)} s`);
  const told = setInterval(tell, POLL_MS);
  const patience = AbortSignal.timeout(patienceMs);
  let why = "no answer";
  try {
    tell();
    while (!patience.aborted) {
      try {
        const { trainer_ready: isReady, status } = await client.health(AbortSignal.any([signal, patience]));
        if (isReady) return Math.round(waitedMs() / 1000);
        why = `its trainer is not ready (${status})`;
      } catch (error) {
        signal.throwIfAborted();
        if (patience.aborted) break;
        const isNew = waitedMs() < settleMs;
        const isKnownSoon = isNew && awaited.isProxyAuthNew === true && isRefusedByProxy(error);
        if (!isKnownSoon && !mayPass(error, isNew)) throw error;
        why = messageOf(error);
      }
      await sleep(POLL_MS, signal);
    }
  } finally {
    clearInterval(told);
  }
  throw new SplatError(
    "partial",
    `deployed, but not ready within ${Math.round(patienceMs / 1000)} s: ${why}`,
    {
      hint: "`splatctl logs --cloud` shows what it says; `splatctl undeploy` stops it.",
    },
  );
}

/** Whether Modal's proxy did not let us through. */
export function isRefusedByProxy(error: unknown): boolean {
  if (!(error instanceof SplatError) || error.code !== "not_configured") return false;
  return error.refusal?.status === 401 && error.refusal.isForeign === true;
}

/** Whether to ask again: nothing answers yet, what answers is busy, or the address is not known yet. */
function mayPass(error: unknown, isNew: boolean): boolean {
  if (!(error instanceof SplatError)) return false;
  if (error.code === "unreachable") return true;
  const status = error.refusal?.status ?? 0;
  const isBusy = status === 408 || status === 429 || status >= 500;
  return error.code === "refused" && (isBusy || isNew);
}
