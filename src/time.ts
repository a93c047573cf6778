/** Clocks and waiting. */

/** Seconds since 1970 on this machine's clock: the unit of every time in the HTTP contract. */
export function nowS(): number {
  return Date.now() / 1000;
}

/** Resolve after `ms`, or at once (rejecting with the signal's reason) when aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Milliseconds on a clock that never goes back, whatever happens to the machine's: for deadlines and waiting.
 * Near Unix time as it was when the process started, so that times of files can be compared with it.
 */
export function steadyMs(): number {
  return performance.timeOrigin + performance.now();
}

let wallMinusSteadyMs = Number.NaN;

/**
 * Unix seconds on this machine's clock, finer than the millisecond that it is read in: the steady clock, kept within the
 * millisecond that the wall clock shows. Follows the wall clock when it is set or slewed.
 */
export function preciseNowS(): number {
  const wallMs = Date.now();
  const steady = steadyMs();
  const estimateMs = steady + wallMinusSteadyMs;
  // Not a number at the first call: then the wall clock's millisecond alone is known.
  if (!(estimateMs >= wallMs)) wallMinusSteadyMs = wallMs - steady;
  else if (estimateMs > wallMs + 1) wallMinusSteadyMs = wallMs + 1 - steady;
  return (steady + wallMinusSteadyMs) / 1000;
}
