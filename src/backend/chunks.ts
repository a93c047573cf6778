/**
 * Numbered chunks of the scene and the status.json beside them, laid out in a folder exactly as in the bucket:
 * `<prefix>/<scene>/<session_id>/chunk_0001.ply`.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BucketStatus, Chunk } from "../api/schema.ts";
import type { Gaussians } from "../splat/gaussians.ts";
import { encodePly } from "../splat/ply.ts";
import { nowS } from "../time.ts";
import { storageError, writeDurably } from "./durable.ts";
import { createSerial } from "./serial.ts";

/** A bucket takes one write per key and second; the same pace is kept here. */
const STATUS_EVERY_MS = 1200;

export interface ChunkPlace {
  /** Folder that stands for the bucket. */
  readonly bucketFolder: string;
  readonly prefix: string;
  readonly scene: string;
  readonly sessionId: string;
}

/** Writes one session's chunks. */
export class ChunkWriter {
  readonly #place: ChunkPlace;
  readonly #status: () => BucketStatus;
  readonly #onError: (error: unknown) => void;
  readonly #written: Chunk[];
  readonly #serial = createSerial();
  #timer: NodeJS.Timeout | undefined;
  #statusAtMs = 0;
  #closed = false;

  /** @param written chunks of before a restart. */
  constructor(
    place: ChunkPlace,
    written: readonly Chunk[],
    status: () => BucketStatus,
    onError: (error: unknown) => void,
  ) {
    this.#place = place;
    this.#written = [...written];
    this.#status = status;
    this.#onError = onError;
  }

  get written(): readonly Chunk[] {
    return this.#written;
  }

  /** Newest frame that a chunk covers, 0 before the first. */
  get lastFrame(): number {
    return this.#written.at(-1)?.last_frame ?? 0;
  }

  /** Write the scene as the next chunk, up to and with `lastFrame`. Throws `storage_full`. */
  async write(gaussians: Gaussians, lastFrame: number): Promise<Chunk> {
    const index = this.#written.length + 1;
    const name = `chunk_${String(index).padStart(4, "0")}.ply`;
    const key = `${this.#sessionKey()}/${name}`;
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
      this.writeStatus().catch(this.#onError);
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
      const content = new TextEncoder().encode(`${JSON.stringify(this.#status(), null, 1)}\n`);
      await this.#put(`${this.#sessionKey()}/status.json`, [content]);
      await this.#put(`${this.#sceneKey()}/status.json`, [content]);
    });
  }

  /** Write no more status.json; resolves when none is being written. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#serial(() => Promise.resolve());
  }

  #sceneKey(): string {
    return `${this.#place.prefix}/${this.#place.scene}`;
  }

  #sessionKey(): string {
    return `${this.#sceneKey()}/${this.#place.sessionId}`;
  }

  async #put(key: string, slices: Iterable<Uint8Array>) {
    await mkdir(join(this.#place.bucketFolder, this.#sessionKey()), { recursive: true }).catch(
      (error: unknown) => {
        throw storageError(error);
      },
    );
    return await writeDurably(join(this.#place.bucketFolder, key), slices);
  }
}
