/**
 * What is known to be in the bucket, on disk. It saves asking again; losing it costs requests, never content, because
 * storing a chunk twice changes nothing.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { writeDurably } from "./durable.ts";
import { createSerial } from "./serial.ts";

const recordSchema = z.object({
  /** Another bucket has none of it. */
  bucket: z.string(),
  sessions: z.record(z.string(), z.object({ chunks: z.array(z.string()), told: z.string().nullable() })),
});

/** What the bucket has of one session. */
export interface Uploaded {
  /** Names of chunks. */
  readonly chunks: Set<string>;
  /** Digest of the newest status.json, `updated_at` left out; null before the first. */
  told: string | null;
}

/** The record of one data folder. */
export class UploadRecord {
  readonly #path: string;
  readonly #bucket: string;
  readonly #sessions: Map<string, Uploaded>;
  readonly #serial = createSerial();

  private constructor(path: string, bucket: string, sessions: Map<string, Uploaded>) {
    this.#path = path;
    this.#bucket = bucket;
    this.#sessions = sessions;
  }

  /** Read it; one that is missing, damaged or another bucket's counts as empty. */
  static async open(path: string, bucket: string): Promise<UploadRecord> {
    return new UploadRecord(path, bucket, await readSessionsOf(path, bucket));
  }

  /** What the bucket has of a session; change it, then `save`. */
  session(sessionKey: string): Uploaded {
    const known = this.#sessions.get(sessionKey) ?? { chunks: new Set<string>(), told: null };
    this.#sessions.set(sessionKey, known);
    return known;
  }

  /** Forget sessions that are not on this disk any more. */
  keepOnly(sessionKeys: ReadonlySet<string>): void {
    for (const key of this.#sessions.keys()) {
      if (!sessionKeys.has(key)) this.#sessions.delete(key);
    }
  }

  /** Write it. Throws `storage_full`. */
  save(): Promise<void> {
    return this.#serial(async () => {
      const sessions = Object.fromEntries(
        [...this.#sessions].map(([key, { chunks, told }]) => [key, { chunks: [...chunks], told }]),
      );
      const text = `${JSON.stringify({ bucket: this.#bucket, sessions }, null, 1)}\n`;
      await writeDurably(this.#path, [new TextEncoder().encode(text)]);
    });
  }
}

async function readSessionsOf(path: string, bucket: string): Promise<Map<string, Uploaded>> {
  try {
    const record = recordSchema.parse(JSON.parse(await readFile(path, "utf8")));
    if (record.bucket !== bucket) return new Map();
    const sessions = Object.entries(record.sessions);
    return new Map(sessions.map(([key, { chunks, told }]) => [key, { chunks: new Set(chunks), told }]));
  } catch {
    return new Map();
  }
}
