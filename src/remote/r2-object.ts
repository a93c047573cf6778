/**
 * GET of an object over a wire: what is asked in headers, what the answer's header says, and that the body is all of
 * what it announced (RFC 9110 §13, §14).
 */
import type { IncomingHttpHeaders } from "node:http";
import { SplatError } from "../errors.ts";
import type { BodySink, ByteRange, ObjectAnswer, ObjectHead, ObjectQuestion } from "./r2-read.ts";
import type { Wire, WireAnswer, WireBody, WireRequest } from "./r2-wire.ts";

/** A body that is read whole, as far as it is of use. */
export interface SmallAnswer extends WireAnswer {
  readonly body: Buffer;
}

/** What a server's no means: an answer of the reader's, or an error to throw. */
export type Judge = (answer: SmallAnswer) => ObjectAnswer;

/** The body of a no says little; what is longer is a page of somebody else's. */
const REFUSAL_BYTES = 1 << 16;
/** Ends a request whose answer is another object. */
const IS_OTHER = new Error("the answer is another object");
/** Ends a request of whose answer enough was read. */
const ENOUGH_READ = new Error("enough of the answer was read");

/** Header lines that ask for it. */
export function questionHeaders({ ifMatch, ifNoneMatch }: ObjectQuestion): Record<string, string> {
  return {
    ...(ifMatch === undefined ? {} : { "if-match": ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch }),
  };
}

/** What every request asks for but no signature covers: proxies on the way may write these anew. */
export function plainHeaders({ range }: ObjectQuestion): Record<string, string> {
  return {
    // Sizes and sums are those of the stored bytes.
    "accept-encoding": "identity",
    // Some firewalls turn away whoever has no name.
    "user-agent": "splatctl",
    ...(range === undefined ? {} : { range: `bytes=${range.start}-${range.end ?? ""}` }),
  };
}

/** As `BucketReader.get`; `judge` is asked what an answer means that brings no object. */
export async function getObject(
  wire: Wire,
  request: WireRequest,
  { question, sink, judge }: { question: ObjectQuestion; sink: BodySink; judge: Judge },
  signal: AbortSignal,
): Promise<ObjectAnswer> {
  let head: ObjectHead | undefined;
  let receivedBytes = 0;
  let refused: SmallBody | undefined;
  const open = (answer: WireAnswer): WireBody => {
    if (!isSuccess(answer.status) || isPage(answer)) return (refused = new SmallBody(answer, REFUSAL_BYTES));
    const found = headOf(answer, question.range);
    // A cache on the way may not have looked at the condition.
    const isOther =
      question.ifMatch !== undefined && found.etag !== null && !isSameEtag(found.etag, question.ifMatch);
    if (isOther) throw IS_OTHER;
    head = found;
    sink.begin(found);
    return {
      take(piece) {
        receivedBytes += piece.length;
        if (found.bodyBytes !== null && receivedBytes > found.bodyBytes)
          throw torn("the object", receivedBytes, found.bodyBytes);
        return sink.take(piece);
      },
      broken: (error) => torn("the object", receivedBytes, found.bodyBytes, error),
    };
  };
  try {
    await wire.get(request, open, signal);
  } catch (thrown) {
    if (thrown === IS_OTHER) return { kind: "changed" };
    // All of the no that is of use was read.
    if (thrown !== ENOUGH_READ || refused === undefined) throw thrown;
  }
  if (refused !== undefined) return judgeRefused(refused.answer(), question, judge);
  if (head === undefined) throw new Error("an answer without a beginning");
  if (head.bodyBytes !== null && receivedBytes !== head.bodyBytes)
    throw torn("the object", receivedBytes, head.bodyBytes);
  return { kind: "found", head };
}

/** Read an answer whole. Throws `refused` when it is longer than `mostBytes`. */
export async function getSmall(
  wire: Wire,
  request: WireRequest,
  mostBytes: number,
  signal: AbortSignal,
): Promise<SmallAnswer> {
  let body: SmallBody | undefined;
  try {
    await wire.get(request, (answer) => (body = new SmallBody(answer, mostBytes)), signal);
  } catch (thrown) {
    if (thrown !== ENOUGH_READ) throw thrown;
    if (body?.isRefusal !== true)
      throw new SplatError("refused", `the bucket's server sent an answer longer than ${mostBytes} bytes`);
  }
  if (body === undefined) throw new Error("an answer without a beginning");
  return body.answer();
}

/** Collects a body up to a length. */
class SmallBody implements WireBody {
  readonly #head: WireAnswer;
  readonly #mostBytes: number;
  readonly #pieces: Uint8Array[] = [];
  #sizeBytes = 0;

  constructor(head: WireAnswer, mostBytes: number) {
    this.#head = head;
    this.#mostBytes = this.isRefusal ? Math.min(mostBytes, REFUSAL_BYTES) : mostBytes;
  }

  get isRefusal(): boolean {
    return !isSuccess(this.#head.status);
  }

  take(piece: Uint8Array): undefined {
    this.#sizeBytes += piece.length;
    this.#pieces.push(piece);
    if (this.#sizeBytes > this.#mostBytes) throw ENOUGH_READ;
  }

  broken(error: SplatError): Error {
    // The status and the header lines of a no say enough.
    return this.isRefusal
      ? ENOUGH_READ
      : torn("the answer", this.#sizeBytes, lengthOf(this.#head.headers), error);
  }

  answer(): SmallAnswer {
    return { ...this.#head, body: Buffer.concat(this.#pieces) };
  }
}

function isSuccess(status: number): boolean {
  return status === 200 || status === 206;
}

/** Whether it is a web page and no object: of a network that wants a sign-in, mostly. */
export function isPage({ headers }: WireAnswer): boolean {
  return headers.etag === undefined && /^text\/html\b/i.test(headers["content-type"] ?? "");
}

function judgeRefused(
  answer: SmallAnswer,
  { ifMatch, ifNoneMatch }: ObjectQuestion,
  judge: Judge,
): ObjectAnswer {
  if (answer.status === 304 && ifNoneMatch !== undefined) return { kind: "unchanged" };
  if (answer.status === 412 && ifMatch !== undefined) return { kind: "changed" };
  return judge(answer);
}

function headOf({ status, headers }: WireAnswer, range: ByteRange | undefined): ObjectHead {
  const contentLength = lengthOf(headers);
  const part = status === 206 ? partOf(headers, range, contentLength) : null;
  const modifiedMs = Date.parse(headers["last-modified"] ?? "");
  const sha256 = headers["x-amz-meta-sha256"];
  return {
    etag: headers.etag ?? null,
    sizeBytes: part === null ? contentLength : part.sizeBytes,
    start: part?.start ?? 0,
    bodyBytes: part?.bodyBytes ?? contentLength,
    sha256: typeof sha256 === "string" && /^[0-9a-f]{64}$/i.test(sha256) ? sha256.toLowerCase() : null,
    modifiedS: Number.isNaN(modifiedMs) ? null : modifiedMs / 1000,
  };
}

/** Which part came (RFC 9110 §14.4). Throws `unreachable` when it is not the one that was asked for. */
function partOf(
  headers: IncomingHttpHeaders,
  range: ByteRange | undefined,
  contentLength: number | null,
): { readonly start: number; readonly sizeBytes: number | null; readonly bodyBytes: number } {
  const [start, end, size] = (/^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [])
    .slice(1)
    .map(Number);
  const sizeBytes = Number.isNaN(size) ? null : size;
  const lastWanted = Math.min(range?.end ?? Infinity, (sizeBytes ?? Infinity) - 1);
  const isAsked = range !== undefined && start === range.start && end >= start && end <= lastWanted;
  // Where the size is known, so is where the part has to end.
  const isWhole = sizeBytes === null || end === lastWanted;
  const bodyBytes = end - start + 1;
  if (!isAsked || !isWhole || (contentLength ?? bodyBytes) !== bodyBytes) {
    throw new SplatError("unreachable", "the object arrived torn: not the part that was asked for", {
      hint: "Try again.",
    });
  }
  return { start, sizeBytes, bodyBytes };
}

function lengthOf(headers: IncomingHttpHeaders): number | null {
  const text = headers["content-length"];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** A `W/` in front is of no weight here: caches set it on bytes that they pass on unchanged. */
function isSameEtag(a: string, b: string): boolean {
  const bare = (etag: string): string => etag.replace(/^W\//, "");
  return bare(a) === bare(b);
}

function torn(
  what: string,
  receivedBytes: number,
  announcedBytes: number | null,
  cause?: SplatError,
): SplatError {
  const of = announcedBytes === null ? "" : ` of ${announcedBytes}`;
  const why = cause === undefined ? "" : ` (${cause.message})`;
  return new SplatError("unreachable", `${what} arrived torn: ${receivedBytes}${of} bytes${why}`, {
    hint: cause?.hint ?? "Try again.",
  });
}
