/** Live events to any number of readers. A slow reader skips; nobody waits for it. */
import { encodeEvent } from "../api/events.ts";
import type { SceneEvent, Status } from "../api/schema.ts";

/** At most four status events a second. */
const STATUS_EVERY_MS = 250;
const HEARTBEAT_MS = 15_000;
/** Events kept for a reader that lags; the oldest go first. */
const MAX_WAITING = 256;
/** Of these only the newest matters to somebody who lags. */
const LATEST_ONLY: ReadonlySet<SceneEvent["event"]> = new Set(["status", "splat"]);

interface Reader {
  readonly waiting: SceneEvent[];
  wake: () => void;
}

/** The event streams of one scene. */
export class LiveEvents {
  readonly #status: () => Status;
  readonly #readers = new Set<Reader>();
  #statusTimer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `status` is asked for when a status event is due and somebody listens. */
  constructor(status: () => Status) {
    this.#status = status;
  }

  /** Hand an event to every reader. */
  publish(event: SceneEvent): void {
    for (const reader of this.#readers) {
      const { waiting } = reader;
      const stale = LATEST_ONLY.has(event.event) ? waiting.findIndex((old) => old.event === event.event) : -1;
      if (stale !== -1) waiting.splice(stale, 1);
      waiting.push(event);
      if (waiting.length > MAX_WAITING) waiting.shift();
      reader.wake();
    }
  }

  /** Something in the status changed: tell the readers soon, many changes at once. */
  statusChanged(): void {
    if (this.#statusTimer !== undefined || this.#readers.size === 0) return;
    this.#statusTimer = setTimeout(() => {
      this.#statusTimer = undefined;
      this.publish({ event: "status", data: this.#status() });
    }, STATUS_EVERY_MS);
  }

  /** A new reader's stream of server-sent events; it starts with the status as it is now. */
  stream(): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    const reader: Reader = { waiting: [{ event: "status", data: this.#status() }], wake: () => undefined };
    return new ReadableStream<Uint8Array>({
      start: () => {
        this.#readers.add(reader);
      },
      // Called only when the last piece has left, so what piles up does so in `waiting`, which is bounded.
      pull: async (controller) => {
        if (reader.waiting.length === 0 && !this.#closed) await nextEvent(reader);
        const event = reader.waiting.shift();
        if (event !== undefined) controller.enqueue(encoder.encode(encodeEvent(event)));
        else if (this.#closed) controller.close();
        else controller.enqueue(encoder.encode(": still here\n\n"));
      },
      cancel: () => {
        this.#readers.delete(reader);
        reader.wake();
      },
    });
  }

  /** End every stream after what is waiting in it. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#statusTimer);
    for (const reader of this.#readers) reader.wake();
    this.#readers.clear();
  }
}

/** Resolves with the next event, or when it is time to show that the line still stands. */
function nextEvent(reader: Reader): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, HEARTBEAT_MS);
    timer.unref();
    reader.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
