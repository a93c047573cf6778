/** What of a transfer is done, how fast it goes, and how long the rest will take. */
import type { SplatError } from "../errors.ts";

/** What happens to one file of a transfer. */
export type TransferEvent =
  /** Bytes that an earlier run left. */
  | { readonly kind: "resumed"; readonly entry: Transferred; readonly bytes: number }
  | { readonly kind: "progress"; readonly entry: Transferred; readonly bytes: number }
  /** `bytes` that were reported before are lost. */
  | {
      readonly kind: "retry";
      readonly entry: Transferred;
      readonly error: SplatError;
      readonly waitMs: number;
      readonly bytes: number;
    }
  | {
      readonly kind: "done";
      readonly result: {
        readonly entry: Transferred;
        readonly outcome: "downloaded" | "already" | "failed";
        readonly sizeBytes: number;
      };
    };

export interface Transferred {
  readonly key: string;
  readonly sizeBytes: number;
}

/** The rate is that of about so long, milliseconds. */
const SMOOTHING_MS = 4000;
/** Before that much time there is no rate to speak of, milliseconds. */
const FIRST_RATE_MS = 500;

/** Counts the events of one transfer; times are on any clock that does not go back. */
export class TransferTally {
  readonly files: number;
  /** Without what failed. */
  sizeBytes: number;
  filesDone = 0;
  failed = 0;
  /** What lies there or came, without what has to come again. */
  doneBytes = 0;
  readonly #bytesByKey = new Map<string, number>();
  readonly #startMs: number;
  #lastMs: number;
  /** A mean that forgets, and the share of it that is known: as Adam's moments are corrected (Kingma & Ba 2015, §3). */
  #decayingBytes = 0;
  #decayingMs = 0;

  constructor(files: number, sizeBytes: number, nowMs: number) {
    this.files = files;
    this.sizeBytes = sizeBytes;
    this.#startMs = nowMs;
    this.#lastMs = nowMs;
  }

  count(event: TransferEvent, nowMs: number): void {
    if (event.kind === "progress") this.#add(event.entry.key, event.bytes, nowMs);
    else if (event.kind === "resumed") this.#gain(event.entry.key, event.bytes);
    else if (event.kind === "retry") this.#gain(event.entry.key, -event.bytes);
    else this.#finish(event.result);
  }

  /** Bytes a second over the last seconds; null while that cannot be said. */
  bytesPerS(nowMs: number): number | null {
    if (nowMs - this.#startMs < FIRST_RATE_MS) return null;
    const fade = Math.exp(-(nowMs - this.#lastMs) / SMOOTHING_MS);
    const ms = this.#decayingMs * fade + SMOOTHING_MS * (1 - fade);
    return ms === 0 ? null : (1000 * this.#decayingBytes * fade) / ms;
  }

  /** Seconds that the rest takes at that rate; null while that cannot be said. */
  leftS(nowMs: number): number | null {
    const rate = this.bytesPerS(nowMs);
    return rate === null || rate < 1 ? null : Math.max(0, this.sizeBytes - this.doneBytes) / rate;
  }

  #add(key: string, bytes: number, nowMs: number): void {
    const fade = Math.exp(-(nowMs - this.#lastMs) / SMOOTHING_MS);
    this.#decayingBytes = this.#decayingBytes * fade + bytes;
    this.#decayingMs = this.#decayingMs * fade + SMOOTHING_MS * (1 - fade);
    this.#lastMs = nowMs;
    this.#gain(key, bytes);
  }

  #gain(key: string, bytes: number): void {
    this.#set(key, Math.max(0, (this.#bytesByKey.get(key) ?? 0) + bytes));
  }

  /** What was there before is done as well; what failed is no more than it was. */
  #finish({ entry, outcome, sizeBytes }: (TransferEvent & { kind: "done" })["result"]): void {
    if (outcome === "failed") {
      this.failed++;
      this.sizeBytes -= entry.sizeBytes;
    } else this.filesDone++;
    this.#set(entry.key, outcome === "failed" ? 0 : sizeBytes);
  }

  #set(key: string, bytes: number): void {
    this.doneBytes += bytes - (this.#bytesByKey.get(key) ?? 0);
    this.#bytesByKey.set(key, bytes);
  }
}
