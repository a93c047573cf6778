/** Sends frames: several in flight, each until the backend has taken or refused it. */
import type { Client } from "../api/client.ts";
import type { SplatError } from "../errors.ts";
import { nowS, sleep, steadyMs } from "../time.ts";
import { Patience, persist } from "./persist.ts";

type UploadArguments = Parameters<Client["uploadFrame"]>;

/** A frame as it is sent. `sent_at` is added at each attempt. */
export interface Upload {
  readonly frame: UploadArguments[0];
  readonly meta: UploadArguments[1];
}

/** What happens to uploads, as it happens. */
export type UploadEvent =
  | {
      readonly kind: "accepted";
      readonly name: string;
      readonly duplicate: boolean;
      /** Which capture took it, in which process of the backend. */
      readonly sessionId: string;
      readonly bootId: string;
    }
  /** The backend will never take it. */
  | { readonly kind: "rejected"; readonly name: string; readonly reason: string }
  /** Given up because the run ended; it may be sent in another. */
  | { readonly kind: "unsent"; readonly name: string }
  /** An attempt failed, another follows after `waitMs`. */
  | {
      readonly kind: "waiting";
      readonly name: string;
      readonly error: SplatError;
      readonly waitMs: number;
    };

export interface UploaderOptions<U extends Upload = Upload> {
  readonly client: Pick<Client, "uploadFrame">;
  /** Uploads under way at once. */
  readonly inFlight: number;
  /** Least time between the starts of two uploads, milliseconds. */
  readonly minIntervalMs: number;
  /** How long the backend may go on not answering; Infinity for ever. */
  readonly giveUpAfterMs: number;
  /** After the signal: how long uploads under way may go on trying. */
  readonly drainMs: number;
  readonly onEvent: (event: UploadEvent, upload: U) => void;
  readonly random?: (() => number) | undefined;
}

/**
 * Send every frame of a source, starting them in order. The source is asked for the next frame only when there is room
 * for it, and its signal aborts when no more will be taken. When `signal` aborts, frames under way are still seen
 * through. Returns what ended the run early, or null. Throws only what the source throws.
 */
export async function uploadFrames<U extends Upload>(
  source: (signal: AbortSignal) => AsyncIterable<U>,
  options: UploaderOptions<U>,
  signal: AbortSignal,
): Promise<SplatError | null> {
  const uploader = new Uploader(options, signal);
  try {
    for await (const upload of source(uploader.taking)) {
      await uploader.start(upload);
      if (uploader.taking.aborted) break;
    }
  } finally {
    await uploader.drained();
  }
  return uploader.fatal;
}

/** The uploads under way in one run. */
class Uploader<U extends Upload> {
  readonly #options: UploaderOptions<U>;
  readonly #patience: Patience;
  readonly #active = new Set<Promise<void>>();
  /** No more frames are taken. */
  readonly #stop = new AbortController();
  /** No more attempts are made. */
  readonly #quit = new AbortController();
  readonly taking: AbortSignal;
  fatal: SplatError | null = null;
  #nextStartMs = 0;

  constructor(options: UploaderOptions<U>, signal: AbortSignal) {
    this.#options = options;
    this.#patience = new Patience(options.giveUpAfterMs);
    this.taking = AbortSignal.any([signal, this.#stop.signal]);
    this.taking.addEventListener("abort", () => {
      setTimeout(() => this.#quit.abort(), options.drainMs).unref();
    });
  }

  /** Start an upload; resolves when there is room for another. */
  async start(upload: U): Promise<void> {
    const { minIntervalMs, inFlight } = this.#options;
    const waitMs = this.#nextStartMs - steadyMs();
    if (waitMs > 0) await sleep(waitMs, this.taking).catch(() => undefined);
    if (this.taking.aborted) {
      this.#options.onEvent({ kind: "unsent", name: upload.frame.name }, upload);
      return;
    }
    this.#nextStartMs = Math.max(steadyMs(), this.#nextStartMs) + minIntervalMs;
    const task = this.#send(upload).finally(() => this.#active.delete(task));
    this.#active.add(task);
    while (this.#active.size >= inFlight) await Promise.race(this.#active);
  }

  async drained(): Promise<void> {
    await Promise.all(this.#active);
  }

  async #send(upload: U): Promise<void> {
    const { client, onEvent, random } = this.#options;
    const { frame, meta } = upload;
    const { name } = frame;
    const ended = await persist(
      () => client.uploadFrame(frame, { ...meta, sent_at: nowS() }, this.#quit.signal),
      {
        patience: this.#patience,
        signal: this.#quit.signal,
        onWait: (error, waitMs) => onEvent({ kind: "waiting", name, error, waitMs }, upload),
        random,
      },
    );
    if (ended.kind === "done") {
      const { duplicate, session_id: sessionId, boot_id: bootId } = ended.value;
      onEvent({ kind: "accepted", name, duplicate, sessionId, bootId }, upload);
    } else if (ended.kind === "poison") {
      onEvent({ kind: "rejected", name, reason: reasonOf(ended.error) }, upload);
    } else {
      onEvent({ kind: "unsent", name }, upload);
      if (ended.kind === "fatal") this.#end(ended.error);
    }
  }

  #end(error: SplatError): void {
    this.fatal ??= error;
    this.#stop.abort();
    this.#quit.abort();
  }
}

function reasonOf(error: SplatError): string {
  return error.refusal === undefined ? error.message : `${error.refusal.code}: ${error.message}`;
}
