/** Reads a source of joints as the relay would, and keeps what it yields and tells. */
import { setTimeout as delay } from "node:timers/promises";
import type { JointReading } from "../../src/robot/joint-history.ts";
import type { JointSource } from "../../src/robot/joint-source.ts";

export interface Recording {
  readonly readings: readonly JointReading[];
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
  /** Ends the source; resolves once it has ended, rejects with what it threw. */
  stop(): Promise<void>;
}

/** Start reading; `eachMs` makes a slow reader. */
export function record(source: JointSource, eachMs = 0): Recording {
  const readings: JointReading[] = [];
  const notes: string[] = [];
  const warnings: string[] = [];
  const ending = new AbortController();
  const listener = {
    onNote: (line: string): unknown => notes.push(line),
    onWarning: (line: string): unknown => warnings.push(line),
  };
  const ended = (async (): Promise<void> => {
    for await (const reading of source(listener, ending.signal)) {
      readings.push(reading);
      if (eachMs > 0) await delay(eachMs);
    }
  })();
  // Looked at by stop(); until then it is nobody's.
  ended.catch(() => undefined);
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended;
  };
  return { readings, notes, warnings, stop };
}

/** Wait until something is so. Throws after 10 s, saying what was awaited. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 5) {
    if (isSo()) return;
    await delay(5);
  }
  throw new Error(`waited in vain until ${what}`);
}
