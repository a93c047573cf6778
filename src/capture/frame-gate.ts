/** Which pictures of a video are worth sending: sharp, well lit, new, and not more than a trainer has use for. */
import { FrameGate, type GateOptions, type GateParts, type Picture } from "./frame-gate-sieve.ts";

export type { GateCounts, GateOptions, GateParts } from "./frame-gate-sieve.ts";

/**
 * Those of the frames that pass, in order. A frame as sharp as the best of late passes at once; another waits for a
 * sharper one, at most 1/`maxFps`. Ends when they do, or the signal aborts. Throws what the frames throw.
 */
export async function* gateFrames(
  frames: AsyncIterable<Picture>,
  options: GateOptions,
  parts: GateParts,
  signal: AbortSignal,
): AsyncGenerator<Picture> {
  const gate = new FrameGate(options, parts);
  gate.tell();
  const source = frames[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<Picture>> | null = null;
  try {
    while (!signal.aborted) {
      next ??= source.next();
      const came = await firstOf(next, gate.waitMs, signal);
      if (signal.aborted) return;
      if (came === null) {
        yield* gate.flush();
        continue;
      }
      next = null;
      if (came.done === true) break;
      yield* await gate.take(came.value);
    }
    if (!signal.aborted) yield* gate.flush();
  } finally {
    // Whatever it still waits for ends in its own time: it has the same signal.
    next?.catch(() => undefined);
    void source.return?.().catch(() => undefined);
  }
}

/** What comes first: `next`, or null when the time is over or the signal aborts. Leaves nothing behind on the signal. */
function firstOf<T>(next: Promise<T>, waitMs: number | null, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => settle(() => resolve(null));
    const timer = waitMs === null ? undefined : setTimeout(giveUp, waitMs);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      act();
    };
    signal.addEventListener("abort", giveUp);
    next.then(
      (value) => settle(() => resolve(value)),
      (thrown: unknown) => settle(() => reject(thrown)),
    );
  });
}
