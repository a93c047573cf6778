/** Looks at one status.json again and again, and reads it only when it is another. */
import { SplatError } from "../errors.ts";
import { readObject, type BucketReader } from "../remote/r2-read.ts";
import type { Session } from "./entry.ts";
import { parseSessionStatus } from "./parse-status.ts";
import { MOST_STATUS_BYTES } from "./session-status.ts";

export type Look =
  | { readonly kind: "status"; readonly session: Session }
  | { readonly kind: "unchanged" }
  | { readonly kind: "missing" };

/** One status.json, and which state of it was read last. */
export class StatusLook {
  readonly #reader: BucketReader;
  readonly #scene: string;
  readonly #key: string;
  readonly #sessionId: string | null;
  #etag: string | undefined;
  /** For servers that give no ETag. */
  #bytes: Buffer | undefined;

  /** @param sessionId the session that it must be of; null = any */
  constructor(reader: BucketReader, scene: string, key: string, sessionId: string | null) {
    this.#reader = reader;
    this.#scene = scene;
    this.#key = key;
    this.#sessionId = sessionId;
  }

  /** One attempt. Throws what the reader throws, and `bad_input` when what lies there is no status.json. */
  async look(signal: AbortSignal): Promise<Look> {
    const question = { ifNoneMatch: this.#etag, mostBytes: MOST_STATUS_BYTES };
    const answer = await readObject(this.#reader, this.#key, question, signal);
    if (answer.kind === "unchanged") return { kind: "unchanged" };
    if (answer.kind !== "found") {
      this.#etag = undefined;
      this.#bytes = undefined;
      return { kind: "missing" };
    }
    if (this.#bytes?.equals(answer.bytes) === true) return { kind: "unchanged" };
    const session = parseSessionStatus(this.#scene, answer.bytes);
    if (session.sessionId !== (this.#sessionId ?? session.sessionId)) {
      throw new SplatError("bad_input", "the status.json in the bucket is that of another session");
    }
    // Only now: what was damaged on its way is asked for again.
    this.#etag = answer.head.etag ?? undefined;
    this.#bytes = answer.bytes;
    return { kind: "status", session };
  }
}
