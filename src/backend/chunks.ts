/** Numbered chunks of the scene and the status.json beside them, in the folder that is laid out as the bucket. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BucketStatus, Chunk } from "../api/schema.ts";
import type { Gaussians } from "../splat/gaussians.ts";
import { encodePly } from "../splat/ply.ts";
import { nowS } from "../time.ts";
import { scenePlaceOf, statusKey } from "../api/bucket-keys.ts";
import type { BucketQueue } from "./bucket-queue.ts";
import { storageError, writeDurably } from "./durable.ts";
import { createSerial } from "./serial.ts";

/** A bucket takes one write per key and second; the same pace is kept here. */
const STATUS_EVERY_MS = 1200;

export interface ChunkWriterDeps {
  /** Folder that is laid out as the bucket. */
  readonly bucketFolder: string;
  /** The session's place in it. */
  readonly sessionKey: string;
  /** Takes it all to the bucket; null when there is none and the folder stands for it. */
  readonly uploads: BucketQueue | null;
  /** What status.json says. */
  readonly status: () => BucketStatus;
  /** status.json was not written. */
  readonly onError: (error: unknown) => void;
}

/** Writes one session's chunks. */
export class ChunkWriter {
  readonly #deps: ChunkWriterDeps;
  readonly #written: Chunk[];
  readonly #serial = createSerial();
  #timer: NodeJS.Timeout | undefined;
  #statusAtMs = 0;
  #closed = false;

  /** @param written chunks of before a restart. */
  constructor(deps: ChunkWriterDeps, written: readonly Chunk[]) {
    this.#deps = deps;
    this.#written = [...written];
  }

  get written(): readonly Chunk[] {
    return this.#written;
  }

  /** The chunks as those who read the bucket see them. */
  get shown(): Chunk[] {
    const { uploads } = this.#deps;
    if (uploads === null) return [...this.#written];
    return this.#written.map((chunk) => (this.#isUploaded(chunk) ? uploads.shown(chunk) : chunk));
  }

  /** How many chunks are in the bucket. */
  get uploadedCount(): number {
    return this.#written.filter((chunk) => this.#isUploaded(chunk)).length;
  }

  /** What keeps chunks from the bucket now; null when nothing does. */
  get trouble(): string | null {
    return this.#deps.uploads?.trouble.current ?? null;
  }

  /** Newest frame that a chunk covers, 0 before the first. */
  get lastFrame(): number {
    return this.#written.at(-1)?.last_frame ?? 0;
  }

  /** Write the scene as the next chunk, up to and with `lastFrame`. Throws `storage_full`. */
  async write(gaussians: Gaussians, lastFrame: number): Promise<Chunk> {
    const index = this.#written.length + 1;
    const name = `chunk_${String(index).padStart(4, "0")}.ply`;
    const key = `${this.#deps.sessionKey}/${name}`;
    const file = await this.#put(key, encodePly(gaussians));
    const chunk: Chunk = {
      name,
      index,
      first_frame: Math.min(this.lastFrame + 1, lastFrame),
      last_frame: lastFrame,
      gaussian_count: gaussians.count,
      bytes: file.sizeBytes,
      sha256: file.sha256,
      key,
      url: null,
      created_at: nowS(),
    };
    this.#written.push(chunk);
    return chunk;
  }

  /** Something in status.json changed: write it soon, many changes at once. */
  statusChanged(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const waitMs = Math.max(0, this.#statusAtMs + STATUS_EVERY_MS - Date.now());
    this.#timer = setTimeout(() => {
      this.writeStatus().catch(this.#deps.onError);
    }, waitMs);
    this.#timer.unref();
  }

  /** Write status.json now: the session's, then the scene's; nothing after `close`. */
  writeStatus(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#statusAtMs = Date.now();
    return this.#serial(async () => {
      if (this.#closed) return;
      const { sessionKey, uploads } = this.#deps;
      const status = this.#deps.status();
      const content = new TextEncoder().encode(`${JSON.stringify(status, null, 1)}\n`);
      await this.#put(statusKey(sessionKey), [content]);
      await this.#put(statusKey(scenePlaceOf(sessionKey)), [content]);
      uploads?.publish(sessionKey, status);
    });
  }

  /** Write no more status.json; resolves when none is being written. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#serial(() => Promise.resolve());
  }

  #isUploaded(chunk: Chunk): boolean {
    const { uploads, sessionKey } = this.#deps;
    return uploads === null || uploads.has(sessionKey, chunk);
  }

  async #put(key: string, slices: Iterable<Uint8Array>) {
    const { bucketFolder, sessionKey } = this.#deps;
    await mkdir(join(bucketFolder, sessionKey), { recursive: true }).catch((error: unknown) => {
      throw storageError(error);
    });
    return await writeDurably(join(bucketFolder, key), slices);
  }
}
