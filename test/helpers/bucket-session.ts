/** Puts a session into a local bucket as a backend does: chunks, then the status.json that names them. */
import { createHash } from "node:crypto";
import type { BucketStatus, Chunk } from "../../src/api/schema.ts";
import type { LocalR2 } from "./r2.ts";
import { seededRandom } from "./random.ts";

export interface PutSession {
  /** Default `main`. */
  readonly scene?: string;
  readonly sessionId: string;
  /** Of each chunk in turn; what is inside is noise. */
  readonly sizes: readonly number[];
  /** Default `complete`. */
  readonly state?: BucketStatus["state"];
}

/** Chunks are of 50 frames and made a minute apart, the last of them now. Answers the bytes of each by key. */
export async function putSession(r2: LocalR2, session: PutSession): Promise<Map<string, Buffer>> {
  const { scene = "main", sessionId, sizes, state = "complete" } = session;
  const place = `scenes/${scene}/${sessionId}`;
  const stored = new Map<string, Buffer>();
  const chunks: Chunk[] = [];
  for (const [i, size] of sizes.entries()) {
    const name = `chunk_${String(i + 1).padStart(4, "0")}.ply`;
    const bytes = noise(size, `${sessionId}/${name}`);
    const key = `${place}/${name}`;
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    await r2.put(key, bytes, { sha256 });
    stored.set(key, bytes);
    chunks.push({
      name,
      key,
      sha256,
      index: i + 1,
      first_frame: i * 50 + 1,
      last_frame: (i + 1) * 50,
      gaussian_count: 1000 * (i + 1),
      bytes: size,
      url: null,
      created_at: Date.now() / 1000 - 60 * (sizes.length - 1 - i),
    });
  }
  const status: BucketStatus = {
    session_id: sessionId,
    updated_at: Date.now() / 1000,
    state,
    frame_count: 50 * sizes.length,
    gaussian_count: 1000 * sizes.length,
    complete: state === "complete",
    chunks,
  };
  for (const at of [place, `scenes/${scene}`]) await putStatus(r2, at, status);
  return stored;
}

/** Write a status.json at a place. */
export async function putStatus(r2: LocalR2, place: string, status: BucketStatus): Promise<void> {
  await r2.put(`${place}/status.json`, Buffer.from(JSON.stringify(status)));
}

/** The same for the same name, and nothing that could be compressed or taken for zeros. */
function noise(size: number, name: string): Buffer {
  const random = seededRandom(Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7));
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 4)
    bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), Math.min(at, size - 4));
  return bytes;
}
