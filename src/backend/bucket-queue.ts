/**
 * Takes what lies in the local bucket folder to the bucket, in its own time: chunks first, then the status.json that
 * names them. The folder is the truth and this a mirror of it, so a restart or an outage loses nothing: what is missing
 * in the bucket follows. Nobody waits for it.
 */
import { createHash } from "node:crypto";
import { scenePlaceOf, statusKey } from "../api/bucket-keys.ts";
import type { BucketStatus, Chunk } from "../api/schema.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { R2Bucket } from "../remote/r2.ts";
import { waitAfter } from "../remote/r2-pace.ts";
import { nowS, sleep } from "../time.ts";
import { readChunk, readSessions, readStatus } from "./bucket-folder.ts";
import { BucketTrouble, UPLOAD_PACE, type UploadPace } from "./bucket-trouble.ts";
import { createBell } from "./bell.ts";
import { UploadRecord, type Uploaded } from "./upload-record.ts";

export interface BucketQueueDeps {
  readonly bucket: R2Bucket;
  /** Folder that is laid out as the bucket. */
  readonly folder: string;
  /** File of what the bucket has. */
  readonly recordPath: string;
  readonly log: Log;
  /** Tell the user, once, wherever they look. */
  readonly warn: (message: string) => void;
  /** Something that a status shows is another. */
  readonly changed: () => void;
  readonly pace?: Partial<UploadPace> | undefined;
}

/** One session in the folder, and how far the bucket follows. */
interface Mirrored {
  readonly key: string;
  /** As in the folder. */
  status: BucketStatus;
  readonly uploaded: Uploaded;
  /** Chunks whose turn comes no more: another object has their key, or their file is damaged. */
  readonly givenUp: Set<string>;
}

const CHUNK_TYPE = "application/octet-stream";
const STATUS_TYPE = "application/json";

/** See the top of the file; make one with `BucketQueue.open`, end it with `close`. */
export class BucketQueue {
  readonly trouble: BucketTrouble;
  readonly #deps: BucketQueueDeps;
  readonly #pace: UploadPace;
  readonly #record: UploadRecord;
  /** By session key, the newest last. */
  readonly #sessions = new Map<string, Mirrored>();
  /** Scene key → key of its newest session. */
  readonly #newest = new Map<string, string>();
  /** Sessions whose status.json in the bucket may be behind. */
  readonly #behind = new Set<Mirrored>();
  /** Key of a status.json → when it was written last, ms. */
  readonly #statusAtMs = new Map<string, number>();
  readonly #bell = createBell();
  /** Ends the waits: it is closing time. */
  readonly #hurry = new AbortController();
  /** Ends everything: the time is up. */
  readonly #cut = new AbortController();
  readonly #chunkLane: Promise<void>;
  readonly #statusLane: Promise<void>;
  #chunksDone = false;

  private constructor(
    deps: BucketQueueDeps,
    record: UploadRecord,
    sessions: ReadonlyMap<string, BucketStatus>,
    newest: ReadonlyMap<string, string>,
  ) {
    this.#deps = deps;
    this.#pace = { ...UPLOAD_PACE, ...deps.pace };
    this.#record = record;
    this.trouble = new BucketTrouble(deps);
    for (const [key, status] of sessions) this.#mirror(key, status);
    for (const [scene, key] of newest) this.#newest.set(scene, key);
    this.#chunkLane = this.#sendChunks();
    this.#statusLane = this.#sendStatuses();
  }

  /** Go on with what the folder holds. Throws when the folder cannot be read. */
  static async open(deps: BucketQueueDeps): Promise<BucketQueue> {
    const record = await UploadRecord.open(deps.recordPath, deps.bucket.id);
    const sessions = await readSessions(deps.folder);
    record.keepOnly(new Set(sessions.keys()));
    const newest = new Map<string, string>();
    for (const [key] of sessions) {
      const scene = scenePlaceOf(key);
      const status = await readStatus(deps.folder, scene);
      if (status === null || key === `${scene}/${status.session_id}`) newest.set(scene, key);
    }
    return new BucketQueue(deps, record, sessions, newest);
  }

  /** The status.json of a session was written in the folder: follow it. The session is its scene's newest from now on. */
  publish(sessionKey: string, status: BucketStatus): void {
    this.#mirror(sessionKey, status);
    this.#newest.set(scenePlaceOf(sessionKey), sessionKey);
    this.#bell.ring();
  }

  /** Whether the bucket has a chunk. */
  has(sessionKey: string, chunk: Chunk): boolean {
    return this.#sessions.get(sessionKey)?.uploaded.chunks.has(chunk.name) ?? false;
  }

  /** The chunk as the bucket's readers see it. */
  shown(chunk: Chunk): Chunk {
    return { ...chunk, url: this.#deps.bucket.urlOf(chunk.key) };
  }

  /** Chunks that the bucket does not have yet. */
  get waiting(): number {
    return this.#waitingChunks().length;
  }

  /** End: what waits is tried once more, for a few seconds; the rest follows at the next start. */
  async close(): Promise<void> {
    this.#hurry.abort();
    this.#bell.ring();
    const graceMs = this.trouble.needsUser ? 0 : this.#pace.graceMs;
    const timeUp = setTimeout(() => {
      this.#cut.abort();
      this.#bell.ring();
    }, graceMs);
    await Promise.all([this.#chunkLane, this.#statusLane]);
    clearTimeout(timeUp);
    await this.#remember();
    this.#deps.bucket.close();
    if (this.waiting > 0) {
      this.#deps.log.warn(`${this.waiting} chunk(s) not in the bucket yet; they go there at the next start`);
    }
  }

  #mirror(key: string, status: BucketStatus): void {
    const known = this.#sessions.get(key);
    const session = known ?? { key, status, uploaded: this.#record.session(key), givenUp: new Set() };
    session.status = status;
    this.#sessions.set(key, session);
    this.#behind.add(session);
  }

  async #sendChunks(): Promise<void> {
    await this.#check();
    const tries = new Map<string, number>();
    while (!this.#cut.signal.aborted) {
      // What failed least goes first: no single chunk holds up the others.
      const [next] = this.#waitingChunks().sort(
        (a, b) => (tries.get(a.chunk.key) ?? 0) - (tries.get(b.chunk.key) ?? 0),
      );
      if (next === undefined) {
        if (this.#hurry.signal.aborted) break;
        await this.#bell.heard();
        continue;
      }
      const failures = (tries.get(next.chunk.key) ?? 0) + 1;
      tries.set(next.chunk.key, failures);
      await this.#attempt(() => this.#sendChunk(next.session, next.chunk), failures);
    }
    this.#chunksDone = true;
    this.#bell.ring();
  }

  async #sendStatuses(): Promise<void> {
    let failures = 0;
    while (!this.#cut.signal.aborted) {
      const next = this.#nextStatus();
      if (next === undefined) {
        if (this.#hurry.signal.aborted && this.#chunksDone) return;
        await this.#bell.heard();
      } else if (next.waitMs > 0) {
        await this.#bell.heard(next.waitMs);
      } else {
        failures = (await this.#attempt(() => this.#sendStatus(next.session), failures + 1))
          ? 0
          : failures + 1;
      }
    }
  }

  /** Do it; after a failure wait as long as is due. @returns whether it succeeded. */
  async #attempt(work: () => Promise<void>, failures: number): Promise<boolean> {
    try {
      await work();
      this.trouble.succeeded();
      return true;
    } catch (error) {
      if (this.#cut.signal.aborted) return false;
      this.#deps.log.debug(`bucket: ${messageOf(error)} (failure ${failures})`);
      this.trouble.failed(error);
      const until = this.#hurry.signal.aborted ? this.#cut.signal : this.#hurry.signal;
      await sleep(waitAfter(error, failures, this.#pace), until).catch(() => undefined);
      return false;
    }
  }

  /** Wrong keys and a missing bucket are told now, not when the first chunk is there. */
  async #check(): Promise<void> {
    const signal = AbortSignal.any([this.#hurry.signal, this.#cut.signal]);
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await this.#deps.bucket.check(signal);
        this.trouble.succeeded();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.trouble.failed(error);
        if (failures > 1) return;
        await sleep(waitAfter(error, failures, this.#pace), signal).catch(() => undefined);
      }
    }
  }

  /** The newest session's first: somebody may be watching. */
  #waitingChunks(): { session: Mirrored; chunk: Chunk }[] {
    return [...this.#sessions.values()]
      .toReversed()
      .flatMap((session) =>
        session.status.chunks
          .filter(({ name }) => !session.uploaded.chunks.has(name) && !session.givenUp.has(name))
          .map((chunk) => ({ session, chunk })),
      );
  }

  async #sendChunk(session: Mirrored, chunk: Chunk): Promise<void> {
    const { bucket, folder, log, changed } = this.#deps;
    const bytes = await readChunk(folder, chunk).catch((error: unknown) =>
      this.#giveUp(session, chunk, messageOf(error)),
    );
    if (bytes === null) return;
    const object = { bytes, sha256: chunk.sha256, contentType: CHUNK_TYPE };
    if ((await bucket.create(chunk.key, object, this.#cut.signal)) === "exists") {
      const there = await bucket.head(chunk.key, this.#cut.signal);
      if (there === null || there.sizeBytes !== chunk.bytes || there.sha256 !== chunk.sha256) {
        this.#giveUp(session, chunk, "another object lies at its key, and chunks are never overwritten");
        return;
      }
    }
    session.uploaded.chunks.add(chunk.name);
    this.#behind.add(session);
    log.info(`chunk ${chunk.index} is in the bucket: ${bucket.urlOf(chunk.key) ?? chunk.key}`);
    this.#bell.ring();
    changed();
    await this.#remember();
  }

  #giveUp(session: Mirrored, chunk: Chunk, why: string): null {
    session.givenUp.add(chunk.name);
    this.#deps.warn(`chunk ${chunk.key} does not go to the bucket: ${why}`);
    return null;
  }

  /** The status.json that is due first, and when. */
  #nextStatus(): { session: Mirrored; waitMs: number } | undefined {
    for (const session of this.#behind) {
      if (session.uploaded.told === digestOf(this.#statusFor(session))) this.#behind.delete(session);
    }
    return [...this.#behind]
      .map((session) => ({ session, waitMs: this.#statusWaitMs(session) }))
      .sort((a, b) => a.waitMs - b.waitMs)[0];
  }

  #statusWaitMs(session: Mirrored): number {
    const lastMs = this.#statusKeys(session).map((key) => this.#statusAtMs.get(key) ?? 0);
    return Math.max(0, Math.max(...lastMs) + this.#pace.statusEveryMs - Date.now());
  }

  /** The session's, then the scene's when the session is its newest. */
  #statusKeys({ key }: Mirrored): string[] {
    const scene = scenePlaceOf(key);
    return (this.#newest.get(scene) === key ? [key, scene] : [key]).map(statusKey);
  }

  /** As in the folder, without what is not in the bucket; complete only once all is there. */
  #statusFor({ status, uploaded }: Mirrored): BucketStatus {
    const chunks = status.chunks
      .filter(({ name }) => uploaded.chunks.has(name))
      .map((chunk) => this.shown(chunk));
    const isWhole = chunks.length === status.chunks.length;
    const state = status.state === "complete" && !isWhole ? "finishing" : status.state;
    return { ...status, state, complete: status.complete && isWhole, chunks };
  }

  async #sendStatus(session: Mirrored): Promise<void> {
    const status = this.#statusFor(session);
    const text = `${JSON.stringify({ ...status, updated_at: nowS() }, null, 1)}\n`;
    for (const key of this.#statusKeys(session)) {
      try {
        await this.#deps.bucket.replace(key, new TextEncoder().encode(text), STATUS_TYPE, this.#cut.signal);
      } finally {
        this.#statusAtMs.set(key, Date.now());
      }
    }
    session.uploaded.told = digestOf(status);
    // While a session goes on the next one follows soon; after a crash it is simply written once more.
    if (status.complete) await this.#remember();
  }

  async #remember(): Promise<void> {
    await this.#record.save().catch((error: unknown) => {
      this.#deps.log.debug(`what the bucket has was not noted: ${messageOf(error)}`);
    });
  }
}

function digestOf(status: BucketStatus): string {
  return createHash("sha256")
    .update(JSON.stringify({ ...status, updated_at: 0 }))
    .digest("hex");
}
