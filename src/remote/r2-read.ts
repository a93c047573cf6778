/**
 * Reading a bucket: what every reader of objects offers, whether it signs its requests or reads the public address.
 * One call is one attempt; when to try again is the caller's (`r2-pace.ts`). Reading is a road of its own beside the SDK
 * (`r2.ts`), because the SDK takes a third of a second to load and doubles the work of a small object.
 */
import { SplatError } from "../errors.ts";

/** Bytes `start` to `end`, both included (RFC 9110 §14.1.2); without `end` to the object's last one. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number | undefined;
}

/** What is asked of an object. */
export interface ObjectQuestion {
  readonly range?: ByteRange | undefined;
  /** ETag, quotes included: answer `changed` unless the object is still this one. */
  readonly ifMatch?: string | undefined;
  /** ETag, quotes included: answer `unchanged` when the object is still this one. */
  readonly ifNoneMatch?: string | undefined;
}

/** What an answer's header says of an object. */
export interface ObjectHead {
  /** Quotes included; null when the server gave none. */
  readonly etag: string | null;
  /** Of the whole object; null when the server does not say. */
  readonly sizeBytes: number | null;
  /** Where the body begins in the object: 0 unless a range was asked for and given. */
  readonly start: number;
  /** Of the body that follows; null when the server does not say. */
  readonly bodyBytes: number | null;
  /** As `r2.ts` keeps it with an object, hex; null when another program wrote the object. */
  readonly sha256: string | null;
  /** Unix seconds; null when the server does not say. */
  readonly modifiedS: number | null;
}

/** Where a body goes, piece by piece. Throwing or rejecting ends the request with that error. */
export interface BodySink {
  /** Once, before the first piece. */
  begin(head: ObjectHead): void;
  /**
   * A promise when the reader should wait before it brings more; it may still be open when `get` rejects because the
   * connection broke or the signal aborted. The bytes are the sink's own until it gives them back (`r2-memory.ts`), if ever.
   */
  take(piece: Uint8Array): Promise<void> | undefined;
}

/** `changed`: it is not what `ifMatch` names; `unchanged`: it still is what `ifNoneMatch` names. */
export type ObjectAnswer =
  | { readonly kind: "found"; readonly head: ObjectHead }
  | { readonly kind: "missing" }
  | { readonly kind: "unchanged" }
  | { readonly kind: "changed" };

/** An object in a listing. */
export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** Quotes included. */
  readonly etag: string | null;
  /** Unix seconds. */
  readonly modifiedS: number;
}

/** One page of a listing. */
export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** What is common to the keys below each folder, with the slash at its end; only when asked for. */
  readonly folders: readonly string[];
}

export interface ListOptions {
  /** Stop at the next slash and name what lies below as a folder. */
  readonly byFolder?: boolean | undefined;
  /** Only keys after this one, in the order of their UTF-8 bytes. */
  readonly startAfter?: string | undefined;
}

/** Reads objects. Methods throw what `r2-errors.ts` says; nothing they throw holds a key or a signature. */
export interface BucketReader {
  /** For people: name and host. */
  readonly name: string;
  /**
   * Read an object, or a part of it, into `sink`. Resolves when the whole body was taken. Throws `unreachable` when
   * the connection is cut, stalls, or ends with fewer or more bytes than were announced; `refused` (with status and
   * `Retry-After`) when the server says no; `not_configured` for what the user has to mend.
   */
  get(key: string, question: ObjectQuestion, sink: BodySink, signal: AbortSignal): Promise<ObjectAnswer>;
  /**
   * Every page below `prefix`, each one request, until the server says that there is no more. Throws `usage` where the
   * address cannot list (a public one).
   */
  list(prefix: string, options: ListOptions, signal: AbortSignal): AsyncIterable<ListPage>;
  /** Let the connections go. */
  close(): Promise<void>;
}

/** Read a small object whole. Throws `bad_input` when it is larger than `mostBytes`. */
export async function readObject(
  reader: BucketReader,
  key: string,
  { mostBytes, ...question }: ObjectQuestion & { readonly mostBytes: number },
  signal: AbortSignal,
): Promise<
  (ObjectAnswer & { kind: "found" } & { readonly bytes: Buffer }) | Exclude<ObjectAnswer, { kind: "found" }>
> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  const tooLarge = (): SplatError =>
    new SplatError("bad_input", `${key} is larger than ${mostBytes} bytes`, {
      hint: "Something else than what belongs there seems to have been stored.",
    });
  const answer = await reader.get(
    key,
    question,
    {
      begin({ bodyBytes }) {
        if (bodyBytes !== null && bodyBytes > mostBytes) throw tooLarge();
      },
      take(piece) {
        sizeBytes += piece.length;
        if (sizeBytes > mostBytes) throw tooLarge();
        pieces.push(piece);
        return undefined;
      },
    },
    signal,
  );
  return answer.kind === "found" ? { ...answer, bytes: Buffer.concat(pieces) } : answer;
}
