/**
 * Asks a backend how its scene stands, for as long as somebody looks: by its events, and by questions where they say
 * nothing. While it is away it is asked on. A backend in the cloud is asked no more when nothing happens there: each
 * question keeps a GPU that is paid for.
 */
import type { Client } from "../api/client.ts";
import type { SceneEvent, Status } from "../api/schema.ts";
import { toSplatError, type SplatError } from "../errors.ts";
import { sleep, steadyMs } from "../time.ts";

export interface FeedListener {
  onStatus(status: Status): void;
  /** Something other than a status. */
  onEvent(event: Exclude<SceneEvent, { event: "status" }>): void;
  /** It did not answer, or not with a status; it is asked again. */
  onAway(error: SplatError): void;
  /** A backend in the cloud is asked no more, until `wake`. */
  onAsleep(): void;
}

export interface Feed {
  /** Ask again, should that have ended. */
  wake(): void;
  /** Resolves when the signal aborts; rejects when the backend does not let us in. */
  readonly ended: Promise<void>;
}

export interface FeedOptions {
  /** Between two questions where there are no events, milliseconds. */
  readonly intervalMs: number;
  /** After so long without news a cloud is asked no more; default 5 minutes. */
  readonly idleMs?: number | undefined;
  /** A cloud without news is asked this rarely, milliseconds, where somebody waits for its end; default: no more. */
  readonly rareMs?: number | undefined;
}

/** A stream of events that says nothing for so long is helped by a question: joints grow old without an event. */
const QUIET_MS = 2000;
/** A connection for events that ended is made anew after so long. */
const RECONNECT_MS = 3000;
/** Each question to a cloud is paid for. */
const CLOUD_MS = 2000;
const IDLE_MS = 5 * 60_000;
const TICK_MS = 250;

/** Begin asking. */
export function startFeed(
  client: Pick<Client, "status" | "events" | "isCloud">,
  options: FeedOptions,
  listener: FeedListener,
  signal: AbortSignal,
): Feed {
  const feed = new Asking(client, options, listener, signal);
  return { wake: () => feed.wake(), ended: feed.run() };
}

class Asking {
  readonly #client: Pick<Client, "status" | "events" | "isCloud">;
  readonly #options: FeedOptions;
  readonly #listener: FeedListener;
  readonly #signal: AbortSignal;
  #isStreaming = false;
  #heardMs = Number.NEGATIVE_INFINITY;
  #newsMs = steadyMs();
  #newest = "";
  #isOver = false;
  #isAsleep = false;
  #isWoken = false;

  constructor(
    client: Pick<Client, "status" | "events" | "isCloud">,
    options: FeedOptions,
    listener: FeedListener,
    signal: AbortSignal,
  ) {
    this.#client = client;
    this.#options = options;
    this.#listener = listener;
    this.#signal = signal;
  }

  wake(): void {
    this.#newsMs = steadyMs();
    this.#isWoken = true;
  }

  async run(): Promise<void> {
    try {
      // What a stream of events costs in the cloud is a request that never ends.
      if (this.#client.isCloud) await this.#ask();
      else await Promise.all([this.#ask(), this.#stream()]);
    } catch (thrown) {
      if (!this.#signal.aborted) throw thrown;
    }
  }

  async #ask(): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      const mayRest = this.#mayRest();
      const patienceMs = mayRest ? this.#options.rareMs : this.#patienceMs();
      if (patienceMs === undefined) {
        this.#rest();
      } else if (steadyMs() - this.#heardMs >= patienceMs) {
        this.#isWoken = false;
        await this.#client.status(this.#signal).then(
          (status) => this.#take(status),
          (thrown: unknown) => this.#miss(thrown),
        );
      }
      await sleep(TICK_MS, this.#signal);
    }
  }

  #patienceMs(): number {
    if (this.#isWoken) return 0;
    if (this.#client.isCloud) return Math.max(CLOUD_MS, this.#options.intervalMs);
    return this.#isStreaming ? QUIET_MS : this.#options.intervalMs;
  }

  #mayRest(): boolean {
    if (!this.#client.isCloud || this.#isWoken) return false;
    const isQuiet = steadyMs() - this.#newsMs > (this.#options.idleMs ?? IDLE_MS);
    return this.#isOver || isQuiet;
  }

  #rest(): void {
    if (this.#isAsleep) return;
    this.#isAsleep = true;
    this.#listener.onAsleep();
  }

  async #stream(): Promise<void> {
    for (;;) {
      try {
        for await (const event of this.#client.events(this.#signal)) {
          this.#isStreaming = true;
          if (event.event === "status") this.#take(event.data);
          else this.#listener.onEvent(event);
        }
      } catch {
        // The questions tell what is wrong.
      }
      this.#isStreaming = false;
      await sleep(RECONNECT_MS, this.#signal);
    }
  }

  #take(status: Status): void {
    this.#heardMs = steadyMs();
    this.#isAsleep = false;
    this.#isOver = status.state === "complete" || status.state === "failed";
    const { session_id, state, frame_count, step, gaussian_count, chunks_uploaded } = status;
    const news = [session_id, state, frame_count, step, gaussian_count, chunks_uploaded].join();
    if (news !== this.#newest) this.#newsMs = this.#heardMs;
    this.#newest = news;
    this.#listener.onStatus(status);
  }

  #miss(thrown: unknown): void {
    if (this.#signal.aborted) return;
    const error = toSplatError(thrown);
    if (error.code === "internal" || error.code === "not_configured") throw error;
    this.#heardMs = steadyMs();
    this.#isAsleep = false;
    this.#listener.onAway(error);
  }
}
