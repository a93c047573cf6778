/** What is said of a backend in the cloud while it is being started. */
import type { OnStarting } from "../api/waking.ts";
import type { Log } from "../log.ts";

/** For a line that moves: what to add to it now. */
export interface StartingNote {
  /** For the client. */
  readonly onStarting: OnStarting;
  /** Seconds that it has been waited for; null when it answers. */
  readonly waitedS: number | null;
  /** `line` with the note, or as it is. */
  addTo(line: string): string;
  /** Called at each change from now on; null when it is over. */
  listen(listener: OnStarting): void;
}

const TELL_EVERY_S = 15;

/** In words. */
export function describeStarting(waitedS: number): string {
  return `starting GPU, ${waitedS} s`;
}

/** A note that is empty as long as the backend answers. */
export function openStartingNote(): StartingNote {
  let waitedS: number | null = null;
  const listeners: OnStarting[] = [];
  return {
    onStarting(now) {
      waitedS = now;
      for (const listener of listeners) listener(now);
    },
    get waitedS() {
      return waitedS;
    },
    addTo(line) {
      if (waitedS === null) return line;
      return line === "" ? describeStarting(waitedS) : `${line}; ${describeStarting(waitedS)}`;
    },
    listen: (listener) => void listeners.push(listener),
  };
}

/** Tell it in lines that stay: the first at once, then one now and then. */
export function tellStarting(log: Log): OnStarting {
  let toldS = Number.NEGATIVE_INFINITY;
  return (waitedS) => {
    if (waitedS === null) toldS = Number.NEGATIVE_INFINITY;
    else if (waitedS - toldS >= TELL_EVERY_S) {
      toldS = waitedS;
      log.info(describeStarting(waitedS));
    }
  };
}
