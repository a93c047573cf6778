/** Ends a request that nothing is heard of any more. */
import { SplatError } from "../errors.ts";
import { silent, unreachable, type Asked } from "./failure.ts";

/** A signal that fires when the caller's does, or when nothing was heard for a while. */
export interface Watch {
  readonly signal: AbortSignal;
  /** Something moved: count from now. */
  touch(): void;
  /** Nobody is waiting for the backend now. */
  pause(): void;
  /** From the next move on, so long may pass in silence. */
  setPatience(silenceMs: number): void;
  /** Stop watching. Given what was thrown, answers what to throw instead: the caller's reason wins. */
  end(thrown?: unknown): unknown;
}

/** Watch one request; `patienceMs` may pass between two moves. */
export function watchSilence(patienceMs: number, asked: Asked, caller: AbortSignal | undefined): Watch {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  let silenceMs = patienceMs;
  const pause = (): void => clearTimeout(timer);
  const touch = (): void => {
    pause();
    if (ended) return; // a refused upload may still be read for a while
    timer = setTimeout(() => controller.abort(silent(asked, silenceMs)), silenceMs);
  };
  const onCaller = (): void => controller.abort(caller?.reason);
  if (caller?.aborted === true) onCaller();
  caller?.addEventListener("abort", onCaller, { once: true });
  touch();
  return {
    signal: controller.signal,
    touch,
    pause,
    setPatience: (ms) => void (silenceMs = ms),
    end(thrown) {
      ended = true;
      pause();
      caller?.removeEventListener("abort", onCaller);
      if (controller.signal.aborted) return controller.signal.reason as unknown;
      return thrown instanceof SplatError ? thrown : unreachable(asked, thrown);
    },
  };
}
