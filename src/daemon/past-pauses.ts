/** A folder's frames across pauses: joints are asked for while they are known, and the pictures stay on the disk. */
import type { Frame, Sample } from "../capture/sample.ts";
import type { JointLookup } from "./joint-lookup.ts";
import type { PauseSwitch } from "./pause.ts";
import { withJoints } from "./posing.ts";

/** What a pause is lived through with. */
export interface PauseParts {
  readonly pause: PauseSwitch;
  readonly joints: Pick<JointLookup, "around"> | undefined;
  /** The frame with its picture, read anew; null when it is not there any more, or comes again as another one. */
  readonly readAgain: (sample: Sample<Frame>) => Promise<Sample<Frame> | null>;
  readonly onWarning: (line: string) => void;
  /** Frames that a pause keeps in mind, without their pictures; with readings of the arm some kilobytes each. */
  readonly most?: number | undefined;
}

const MOST_HELD = 10_000;
/** So many lookups of joints are under way at once, at most. */
const LOOKUPS_AT_ONCE = 16;
const NO_BYTES = new Uint8Array();

/**
 * The same frames, in order. What comes during a pause is given at its end, with the joints that were known when it came:
 * a relay forgets them after half a minute. When the signal aborts, what was held lies in its folder still.
 */
export async function* pastPauses(
  frames: AsyncIterable<Sample<Frame>>,
  parts: PauseParts,
  signal: AbortSignal,
): AsyncGenerator<Sample<Frame>> {
  const { pause, readAgain, most = MOST_HELD } = parts;
  const source = frames[Symbol.asyncIterator]();
  const held = new HeldFrames(parts, most);
  let next: Promise<IteratorResult<Sample<Frame>>> | null = null;
  let isOver = false;
  try {
    while (!signal.aborted) {
      if (!pause.isPaused && held.size > 0) {
        const sample = await readAgain(await held.take());
        if (sample !== null) yield sample;
        continue;
      }
      if (isOver && held.size === 0) return;
      if (isOver || held.isFull) {
        await pause.whenRunning(signal);
        continue;
      }
      next ??= unheard(source.next());
      const came = await (pause.isPaused ? Promise.race([held.resumed(signal), next]) : next);
      if (came === null || signal.aborted) continue;
      next = null;
      if (came.done === true) isOver = true;
      else if (pause.isPaused || held.size > 0) await held.put(came.value, signal);
      else yield came.value;
    }
  } finally {
    const closed = source.return?.().catch(() => undefined);
    // Without the signal it may wait for a file that never comes.
    if (signal.aborted) await closed;
  }
}

/** A promise that may fail before anybody waits for it. */
function unheard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** What came during a pause, in order, without the pictures. */
class HeldFrames {
  readonly #parts: PauseParts;
  readonly #most: number;
  readonly #frames: Promise<Sample<Frame>>[] = [];
  #resumed: Promise<null> | null = null;
  #isFullTold = false;

  constructor(parts: PauseParts, most: number) {
    this.#parts = parts;
    this.#most = most;
  }

  get size(): number {
    return this.#frames.length;
  }

  get isFull(): boolean {
    return this.size >= this.#most;
  }

  /** Null at the end of the pause that is on, or with the signal: one promise, however many frames come. */
  resumed(signal: AbortSignal): Promise<null> {
    this.#resumed ??= this.#parts.pause.whenRunning(signal).then(() => {
      this.#resumed = null;
      return null;
    });
    return this.#resumed;
  }

  /** Keep one in mind, with the joints that are known now. Resolves when the next may come. */
  async put({ capturedAtS, value }: Sample<Frame>, signal: AbortSignal): Promise<void> {
    const bare = { capturedAtS, value: { ...value, bytes: NO_BYTES } };
    const posed = withJoints(bare, this.#parts.joints, signal);
    this.#frames.push(posed);
    if (this.isFull) this.#tellFull();
    if (this.size % LOOKUPS_AT_ONCE === 0) await posed;
  }

  /** The oldest of those that there are. */
  async take(): Promise<Sample<Frame>> {
    return await (this.#frames.shift() as Promise<Sample<Frame>>);
  }

  #tellFull(): void {
    if (this.#isFullTold) return;
    this.#isFullTold = true;
    this.#parts.onWarning(
      `${this.#most} images came while paused: later ones are looked at when you go on, and those whose joints ` +
        "nobody knows any more are placed where the arm was last",
    );
  }
}
