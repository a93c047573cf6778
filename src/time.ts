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
