/** Says that something is waited for, where it is not there soon. */
import type { Log } from "../log.ts";

/** Nobody wonders before. */
const FIRST_MS = 2000;
const AGAIN_MS = 15_000;

/** Do `work`, and say in a line now and then that `what` is waited for, as long as it takes. */
export async function tellWaiting<T>(log: Log, what: string, work: () => Promise<T>): Promise<T> {
  let waitedMs = 0;
  let timer: NodeJS.Timeout | undefined;
  const tellIn = (ms: number): void => {
    timer = setTimeout(() => {
      waitedMs += ms;
      log.info(`waiting for ${what}, ${Math.round(waitedMs / 1000)} s`);
      tellIn(AGAIN_MS);
    }, ms);
    timer.unref();
  };
  tellIn(FIRST_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}
