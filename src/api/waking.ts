/** A backend in the cloud may have to be started by the very request that is made: how long to wait, and what to tell. */
import { steadyMs } from "../time.ts";

/** Told while nothing answers: seconds since the first request that waits; null when that is over. */
export type OnStarting = (waitedS: number | null) => void;

/** One request, from its start. */
export interface WakingCall {
  /** How long its answer may take. */
  readonly patienceMs: number;
  /** It is over; `isAnswered` when the backend, or what stands before it, has said something. */
  readonly end: (isAnswered: boolean) => void;
}

/** A cold start takes minutes where a picture of gigabytes has to be loaded and a GPU found. */
export const COLD_START_MS = 10 * 60_000;
/** Nothing was heard for so long: the next answer may take a start. Less than the usual patience, so that a request that
 * found its backend gone waits long when it is made again. */
const COLD_AFTER_MS = 20_000;
/** An answer that takes longer than this is told about. */
const TELL_AFTER_S = 3;
const TELL_EVERY_MS = 1000;

/** The requests to one backend: how long the answer of one that has answered just now may take, and of any other. */
export function watchWaking(
  { warmMs, coldMs }: { readonly warmMs: number; readonly coldMs: number },
  onStarting: OnStarting = () => undefined,
): () => WakingCall {
  let [lastAnswerMs, sinceMs, waiting] = [Number.NEGATIVE_INFINITY, 0, 0];
  let isTold = false;
  let timer: NodeJS.Timeout | undefined;

  function tell(): void {
    // Rounded before it is compared: a timer may fire a little early.
    const waitedS = Math.round((steadyMs() - sinceMs) / 1000);
    if (waitedS < TELL_AFTER_S) return;
    isTold = true;
    onStarting(waitedS);
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
    if (isTold) onStarting(null);
    isTold = false;
  }

  return () => {
    const nowMs = steadyMs();
    const isCold = nowMs - lastAnswerMs > COLD_AFTER_MS;
    waiting++;
    if (isCold && timer === undefined) {
      sinceMs = nowMs;
      timer = setInterval(tell, TELL_EVERY_MS).unref();
    }
    let isOver = false;
    return {
      patienceMs: isCold ? Math.max(warmMs, coldMs) : warmMs,
      end(isAnswered) {
        if (isOver) return;
        isOver = true;
        waiting--;
        if (isAnswered) lastAnswerMs = steadyMs();
        if (isAnswered || waiting === 0) stop();
      },
    };
  };
}
