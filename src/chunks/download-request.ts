/** One part's bytes on their way from the wire to the file. */
import { SplatError } from "../errors.ts";
import { giveBack } from "../remote/r2-memory.ts";
import type { BodySink, ObjectHead } from "../remote/r2-read.ts";
import { steadyMs } from "../time.ts";
import type { PartFile } from "./part-file.ts";
import type { Span } from "./spans.ts";

/** Written at a time: a system call for each piece of 64 KiB would cost more than its bytes. */
const WRITE_BYTES = 2 ** 20;
/** Slow bytes are written after so long, so that a kill does not lose them. */
const WRITE_AFTER_MS = 2000;

export interface RequestEvents {
  /** What an answer says of the object; its bytes are written after that. */
  readonly onHead: (head: ObjectHead) => Promise<void> | void;
  /** Bytes that came. */
  readonly onBytes: (bytes: number) => void;
}

/** See the top of the file. It outlives the request: another one goes on where it stopped. */
export class PartRequest implements BodySink {
  readonly #part: PartFile;
  readonly #events: RequestEvents;
  /** Where the next byte belongs. */
  at: number;
  /** Infinity: to the object's end, wherever that is. */
  end: number;
  /** How far it has come in any attempt: a server that starts from 0 each time makes no progress by that. */
  reachedBytes: number;
  #pieces: Uint8Array[] = [];
  #piecesBytes = 0;
  #writing: Promise<void> | null = null;
  #writtenMs = steadyMs();
  #preparing: Promise<void> | null = null;
  /** Of a write that nobody waited for. */
  #trouble: Error | null = null;

  constructor(part: PartFile, { start, end }: Span, events: RequestEvents) {
    this.#part = part;
    this.#events = events;
    this.at = start;
    this.reachedBytes = start;
    this.end = end;
  }

  begin(head: ObjectHead): void {
    this.#preparing = this.#events.onHead(head) ?? null;
    // Seen by the first write.
    this.#preparing?.catch(() => undefined);
  }

  take(piece: Uint8Array): Promise<void> | undefined {
    if (this.at + piece.length > this.end)
      throw new SplatError("unreachable", "the object arrived torn: more of it than was asked for", {
        hint: "Try again.",
      });
    this.#pieces.push(piece);
    this.#piecesBytes += piece.length;
    this.at += piece.length;
    this.reachedBytes = Math.max(this.reachedBytes, this.at);
    this.#events.onBytes(piece.length);
    if (this.#trouble !== null) return Promise.reject(this.#trouble);
    if (this.#piecesBytes < WRITE_BYTES && steadyMs() - this.#writtenMs < WRITE_AFTER_MS) return undefined;
    // The next mebibyte comes while this one is written.
    if (this.#writing === null) return void this.#write();
    return this.#writing.then(() => void this.#write());
  }

  /** Resolves when all that came is in the file. */
  async flush(): Promise<void> {
    await this.#preparing;
    // Behind one there may be another that waits for it.
    while (this.#writing !== null) await this.#writing.catch(() => undefined);
    if (this.#trouble === null && this.#piecesBytes > 0) await this.#write().catch(() => undefined);
    if (this.#trouble !== null) throw this.#trouble;
  }

  /** Begin the object from its first byte again, after `flush`; resolves with how many bytes that costs. */
  async restart(): Promise<number> {
    const lostBytes = this.at;
    await this.#part.clear();
    this.at = 0;
    this.end = Infinity;
    return lostBytes;
  }

  #write(): Promise<void> {
    const pieces = this.#pieces;
    const start = this.at - this.#piecesBytes;
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#writtenMs = steadyMs();
    const writing = (this.#preparing ?? Promise.resolve())
      .then(() => this.#part.write(start, pieces))
      .then(() => giveBack(pieces))
      .finally(() => {
        if (this.#writing === writing) this.#writing = null;
      });
    writing.catch((error: unknown) => (this.#trouble ??= error as Error));
    this.#writing = writing;
    return writing;
  }
}
