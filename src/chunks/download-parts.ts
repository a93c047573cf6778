/**
 * Fetches the bytes of one object into its half file: a small one by a single request, a large one in ranges, several
 * at a time, all of the same object (If-Match). A request that is cut goes on where it stopped.
 */
import { setMaxListeners } from "node:events";
import { SplatError, toSplatError } from "../errors.ts";
import { COMMAND_PACE, mayPass, waitAfter, type RetryPace } from "../remote/r2-pace.ts";
import type { BucketReader, ObjectHead } from "../remote/r2-read.ts";
import { sleep } from "../time.ts";
import { PartRequest } from "./download-request.ts";
import type { PartFile } from "./part-file.ts";
import { missingSpans, type Span } from "./spans.ts";

/** R2 gives one connection 50 to 100 MB a second: a part takes a fraction of a second, many times its first byte's delay. */
const PART_BYTES = 16 * 2 ** 20;
/** Objects of up to so many parts come by one request. */
const WHOLE_PARTS = 2;
/** Attempts of a request in a row that bring nothing. */
const ATTEMPTS = 6;

/** Requests for ranges beside the first of each file, that all files share. */
export interface SpareStreams {
  count: number;
}

export interface FetchTask {
  readonly reader: BucketReader;
  readonly key: string;
  readonly part: PartFile;
  /** As it was listed. */
  readonly expectedBytes: number;
  readonly spare: SpareStreams;
  readonly partBytes: number | undefined;
  readonly pace: RetryPace | undefined;
  /** Bytes that came. */
  readonly onBytes: (bytes: number) => void;
  /** An attempt failed and is made again after `waitMs`; `lostBytes` of what came will come again. */
  readonly onRetry: (error: SplatError, waitMs: number, lostBytes: number) => void;
  /**
   * What the first answer says; its bytes are written after that. Not called for a file that is resumed, and once more
   * for one that begins again.
   */
  readonly onHead: (head: ObjectHead) => Promise<void> | void;
}

/** `changed`: it is another object now, of which nothing was taken. `missing`: it is gone. */
export type Fetched =
  | { readonly kind: "whole"; readonly sizeBytes: number }
  | { readonly kind: "changed" | "missing" };

/**
 * Fetch what the half file lacks. Throws what the reader throws once attempts are used up, what the file system throws,
 * and the signal's reason; then all that came is written.
 */
export async function fetchObject(task: FetchTask, signal: AbortSignal): Promise<Fetched> {
  return await new Fetch(task, signal).run();
}

class Fetch {
  readonly #task: FetchTask;
  readonly #partBytes: number;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  /** Not yet given to a request, in order. */
  #missing: Span[];
  /** Of the object, once it is known. */
  #etag: string | null = null;
  #sizeBytes: number | null = null;
  #isKnown = false;
  #verdict: "changed" | "missing" | null = null;
  #failure: Error | null = null;
  /** The server sends the whole object whatever it is asked for: one request alone goes on. */
  #wholeRequest: PartRequest | null = null;
  readonly #streams = new Set<Promise<void>>();

  constructor(task: FetchTask, signal: AbortSignal) {
    this.#task = task;
    this.#partBytes = task.partBytes ?? PART_BYTES;
    this.#outer = signal;
    // One for each request.
    setMaxListeners(0, this.#controller.signal);
    const { source, spans } = task.part;
    if (source === null) {
      const end = task.expectedBytes > WHOLE_PARTS * this.#partBytes ? this.#partBytes : Infinity;
      this.#missing = [{ start: 0, end }];
    } else {
      this.#know(source.etag, source.sizeBytes);
      this.#missing = [...missingSpans(spans, source.sizeBytes)];
    }
  }

  async run(): Promise<Fetched> {
    const stop = (): void => this.#controller.abort(this.#outer.reason);
    if (this.#outer.aborted) stop();
    this.#outer.addEventListener("abort", stop, { once: true });
    try {
      this.#begin();
      if (this.#isKnown) this.#beginMore();
      // Those that begin meanwhile are waited for too.
      for (const stream of this.#streams) await stream;
    } finally {
      this.#outer.removeEventListener("abort", stop);
    }
    if (this.#verdict !== null) return { kind: this.#verdict };
    if (this.#failure !== null) throw this.#failure;
    return { kind: "whole", sizeBytes: this.#sizeBytes ?? 0 };
  }

  #know(etag: string | null, sizeBytes: number | null): void {
    this.#isKnown = true;
    this.#etag = etag;
    this.#sizeBytes = sizeBytes;
  }

  /** A stream takes one part after another until there are no more. */
  #begin(onEnd?: () => void): void {
    this.#streams.add(
      this.#stream()
        .catch((error: unknown) => {
          this.#failure ??= error as Error;
          this.#controller.abort(error);
        })
        .finally(onEnd),
    );
  }

  /** As many more as there are parts, and streams to spare. */
  #beginMore(): void {
    const { spare } = this.#task;
    const bytes = this.#missing.reduce((sum, { start, end }) => sum + end - start, 0);
    for (let parts = Math.ceil(bytes / this.#partBytes); parts > 0 && spare.count > 0; parts--) {
      spare.count--;
      this.#begin(() => spare.count++);
    }
  }

  async #stream(): Promise<void> {
    for (let part = this.#nextPart(); part !== null; part = this.#nextPart()) {
      await this.#fetchPart(part);
      if (this.#missing.length > 0) this.#beginMore();
    }
  }

  #nextPart(): Span | null {
    const [first, ...rest] = this.#missing;
    if (first === undefined || this.#isOver) return null;
    const end = this.#isKnown ? Math.min(first.end, first.start + this.#partBytes) : first.end;
    this.#missing = end < first.end ? [{ start: end, end: first.end }, ...rest] : rest;
    return { start: first.start, end };
  }

  get #isOver(): boolean {
    return this.#verdict !== null || this.#failure !== null;
  }

  /** One part, however many requests that takes. */
  async #fetchPart(span: Span): Promise<void> {
    const { pace = COMMAND_PACE, onRetry } = this.#task;
    const request = new PartRequest(this.#task.part, span, {
      onHead: (head) => this.#check(request, head),
      onBytes: this.#task.onBytes,
    });
    let wasForeign = false;
    for (let failures = 0; !this.#isOver && !this.#isSuperfluous(request);) {
      const fromBytes = request.reachedBytes;
      try {
        await this.#ask(request);
        if (this.#isOver || request.at === request.end) return;
        throw endedEarly(request.at - fromBytes);
      } catch (thrown) {
        if (this.#isOver || this.#isSuperfluous(request)) return;
        this.#controller.signal.throwIfAborted();
        const error = toSplatError(thrown);
        // It broke after the last byte.
        if (mayPass(error) && request.at === request.end) return;
        const isForeign = error.refusal?.isForeign === true;
        failures = request.reachedBytes > fromBytes ? 1 : failures + 1;
        // The same rule as that of `retrying`, but bytes that came make it patient again.
        if (!(mayPass(error) || (isForeign && !wasForeign)) || failures >= ATTEMPTS) throw thrown;
        wasForeign ||= isForeign;
        const waitMs = waitAfter(error, failures, pace);
        onRetry(error, waitMs, await this.#beginAgain(request));
        await sleep(waitMs, this.#controller.signal);
      }
    }
  }

  /** Of an object without an ETag nobody could tell whether the rest is of the same one. Answers how many bytes are lost. */
  async #beginAgain(request: PartRequest): Promise<number> {
    if (!this.#isKnown || this.#etag !== null) return 0;
    this.#isKnown = false;
    this.#sizeBytes = null;
    return await request.restart();
  }

  async #ask(request: PartRequest): Promise<void> {
    const { reader, key } = this.#task;
    const { at, end } = request;
    const range =
      at === 0 && end === Infinity ? undefined : { start: at, end: end === Infinity ? undefined : end - 1 };
    const ifMatch = this.#etag ?? undefined;
    let answer;
    try {
      answer = await reader.get(key, { range, ifMatch }, request, this.#controller.signal);
    } catch (error) {
      // The object is shorter than it was.
      if (isBeyondEnd(error)) return this.#end("changed");
      throw error;
    } finally {
      // What came counts, however it ended.
      await request.flush();
    }
    if (answer.kind === "found") {
      // Nothing but its end told how long it is.
      if (request.end === Infinity) this.#sizeBytes = request.end = request.at;
    } else this.#end(answer.kind === "missing" ? "missing" : "changed");
  }

  /** Whether an answer is of the object that the others are of. The first one says which that is. */
  #check(request: PartRequest, head: ObjectHead): Promise<void> | void {
    const etag = strongEtag(head.etag);
    if (!this.#isKnown) return this.#learn(request, head, etag);
    const { sizeBytes } = head;
    const isOfOtherSize = sizeBytes !== null && this.#sizeBytes !== null && sizeBytes !== this.#sizeBytes;
    if (etag !== this.#etag || isOfOtherSize) return this.#end("changed");
    this.#sizeBytes ??= sizeBytes;
    if (head.start !== request.at) this.#takeWhole(request, head);
    else if (request.end === Infinity) request.end = this.#sizeBytes ?? Infinity;
    return undefined;
  }

  #learn(request: PartRequest, head: ObjectHead, etag: string | null): Promise<void> | void {
    const { part, onHead, expectedBytes } = this.#task;
    const isWhole = head.bodyBytes === null || head.bodyBytes > request.end - request.at;
    // One that sends a part and does not say of how much sends what was listed.
    const isPart = !isWhole && request.end !== Infinity;
    this.#know(etag, head.sizeBytes ?? (isPart ? expectedBytes : null));
    const sizeBytes = this.#sizeBytes ?? Infinity;
    // Without an ETag the parts could be of different objects.
    if (isWhole || etag === null) this.#takeWhole(request, head);
    else {
      request.end = Math.min(request.end, sizeBytes);
      if (request.end < sizeBytes) this.#missing = [{ start: request.end, end: sizeBytes }];
    }
    part.setSource(
      etag === null || this.#sizeBytes === null ? null : { ...head, etag, sizeBytes: this.#sizeBytes },
    );
    const told = onHead(head);
    this.#beginMore();
    return told;
  }

  /** The server ignores ranges: this answer brings all of the object, and no other is needed. */
  #takeWhole(request: PartRequest, head: ObjectHead): void {
    if (this.#wholeRequest !== null && this.#wholeRequest !== request)
      throw new Error("another brings it all");
    this.#wholeRequest = request;
    this.#missing = [];
    request.at = head.start;
    request.end = this.#sizeBytes ?? Infinity;
  }

  #isSuperfluous(request: PartRequest): boolean {
    return this.#wholeRequest !== null && this.#wholeRequest !== request;
  }

  #end(verdict: "changed" | "missing"): void {
    this.#verdict ??= verdict;
    this.#controller.abort(new Error(`the object is ${verdict}`));
  }
}

/** Weak ones say nothing of bytes, and `If-Match` never finds them equal (RFC 9110 §13.1.1). */
function strongEtag(etag: string | null): string | null {
  return etag === null || etag.startsWith("W/") ? null : etag;
}

/** A server may send less than it was asked for without saying so. */
function endedEarly(cameBytes: number): SplatError {
  return new SplatError("unreachable", `the answer ended early, after ${cameBytes} bytes`, {
    hint: "Try again.",
  });
}

function isBeyondEnd(error: unknown): boolean {
  return error instanceof SplatError && error.refusal?.status === 416;
}
