/** How a daemon is told to end: a signal to its process, or a call to its server. */
import { SplatError } from "../errors.ts";

/** Ctrl-C, what ends processes, and a terminal that is closed. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface StopSwitch {
  /** Aborts when the daemon is to end. */
  readonly signal: AbortSignal;
  /** Let it end. After the first call, whoever made it, a signal ends the process at once. */
  readonly stop: (reason?: SplatError) => void;
  /** Catch no signals any more. */
  readonly close: () => void;
}

/** Catch the signals that end a process, until the first of them. */
export function openStopSwitch(): StopSwitch {
  const controller = new AbortController();
  const close = (): void => SIGNALS.forEach((name) => process.removeListener(name, onSignal));
  const stop = (reason = new SplatError("interrupted", "interrupted")): void => {
    // Not while the signal is being told around: a spinner ends the process when nobody else is listening.
    setImmediate(close);
    controller.abort(reason);
  };
  const onSignal = (name: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      stop();
      return;
    }
    close();
    process.kill(process.pid, name);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return { signal: controller.signal, stop, close };
}
