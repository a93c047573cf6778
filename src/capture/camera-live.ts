/** A camera that goes on: opened again when it dies, and never waited for. */
import { SplatError, toSplatError } from "../errors.ts";
import { sleep, steadyMs } from "../time.ts";
import type { CameraPicture, OpenPictures } from "./camera-picture.ts";
import { PictureSlot } from "./camera-slot.ts";

/** What is told beside the pictures. */
export interface CameraListener {
  readonly onNote: (line: string) => void;
  readonly onWarning: (line: string) => void;
  readonly onCounts?: (counts: CameraCounts) => void;
}

/** What became of a camera's pictures before anybody looked at them. */
export interface CameraCounts {
  /** Whole pictures that came. */
  readonly received: number;
  /** Let go because newer ones came before anybody had time for them. */
  readonly dropped: number;
  /** How often the camera was opened again. */
  readonly restarts: number;
}

export interface LivePlan {
  /** As a sentence begins with it. */
  readonly name: string;
  readonly open: OpenPictures;
  /** What it is when no picture comes for so long. */
  readonly silent: (silentMs: number) => SplatError;
  /** Until the first picture of a start. */
  readonly startMs: number;
  /** Between two pictures. */
  readonly stallMs: number;
}

/** Between two tries, doubling. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/**
 * The newest pictures, oldest first; those that nobody takes in time are let go. A camera that dies is told once and
 * opened again until it is back; one that gives not a single picture at the start throws what is wrong with it. Ends
 * with the signal.
 */
export async function* livePictures(
  plan: LivePlan,
  listener: CameraListener,
  signal: AbortSignal,
): AsyncGenerator<CameraPicture> {
  const slot = new PictureSlot();
  // Also ended when the reader goes away.
  const gone = new AbortController();
  const running = keepOpen(plan, slot, listener, AbortSignal.any([signal, gone.signal])).then(
    () => slot.end(),
    (error: unknown) => slot.end(error),
  );
  try {
    for (;;) {
      const picture = await slot.take();
      if (picture === null) return;
      yield picture;
    }
  } finally {
    gone.abort();
    await running;
  }
}

async function keepOpen(
  { name, open, silent, startMs, stallMs }: LivePlan,
  slot: PictureSlot,
  listener: CameraListener,
  signal: AbortSignal,
): Promise<void> {
  let received = 0;
  let restarts = 0;
  let failures = 0;
  let isLost = false;
  const tell = (): void => listener.onCounts?.({ received, dropped: slot.dropped, restarts });
  for (;;) {
    const trouble = await once();
    if (signal.aborted) return;
    if (received === 0) throw trouble;
    if (!isLost) listener.onWarning(`${describe(trouble)}; trying again until it is back`);
    isLost = true;
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures++);
    await sleep(waitMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    restarts++;
    tell();
  }

  /** Open it, until it dies. Returns what it died of. */
  async function once(): Promise<SplatError> {
    const stop = new AbortController();
    const silence = new Silence((silentMs) => stop.abort(silent(silentMs)));
    try {
      silence.expect(startMs);
      for await (const picture of open(AbortSignal.any([signal, stop.signal]))) {
        silence.expect(stallMs);
        if (isLost) listener.onNote(`${name} is back`);
        isLost = false;
        failures = 0;
        received++;
        slot.put(picture);
        tell();
      }
      return stop.signal.aborted ? toSplatError(stop.signal.reason) : ended(name);
    } catch (thrown) {
      return toSplatError(thrown);
    } finally {
      silence.end();
    }
  }
}

/** Calls when nothing has happened for a while. One timer, however many pictures. */
class Silence {
  readonly #tell: (silentMs: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #sinceMs = 0;
  #limitMs = 0;

  constructor(tell: (silentMs: number) => void) {
    this.#tell = tell;
  }

  /** Something happened: the next is expected within `limitMs`. */
  expect(limitMs: number): void {
    this.#sinceMs = steadyMs();
    if (this.#limitMs === limitMs) return;
    this.#limitMs = limitMs;
    this.#wait(limitMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const leftMs = this.#limitMs - (steadyMs() - this.#sinceMs);
      if (leftMs > 0) this.#wait(leftMs);
      else this.#tell(this.#limitMs);
    }, ms);
  }
}

function ended(name: string): SplatError {
  return new SplatError("bad_input", `${name} has stopped sending pictures`);
}

/** What happened and why, on one line. */
function describe(error: SplatError): string {
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
