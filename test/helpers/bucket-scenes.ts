/** Sessions in a bucket, as a backend would have left them. */
import { createHash } from "node:crypto";
import { scenePlace, sessionPlace, statusKey } from "../../src/api/bucket-keys.ts";
import type { BucketStatus } from "../../src/api/schema.ts";
import { openBucket } from "../../src/remote/r2.ts";
import type { BucketSettings } from "../../src/remote/r2-settings.ts";

/** When the first chunk of a session was made, unless said otherwise, Unix seconds. */
const CREATED_S = 1_700_000_000;
const SIGNAL = new AbortController().signal;

export interface BucketScenes {
  /** Store `bytes` at `key`, whatever lies there. */
  put(key: string, bytes: Uint8Array | string): Promise<void>;
  /** Chunks, and the status.json that names them; `isNewest` puts that in the scene's place too. */
  session(sessionId: string, chunks: readonly Uint8Array[], options?: SessionOptions): Promise<BucketStatus>;
  /** Sessions of one scene with the same chunks, each newer than the one before, the last in the scene's place. */
  sessions(
    scene: string,
    ids: readonly string[],
    chunks: readonly Uint8Array[],
    options?: SessionOptions,
  ): Promise<void>;
  close(): void;
}

export interface SessionOptions {
  readonly scene?: string;
  readonly createdS?: number;
  readonly isNewest?: boolean;
  readonly status?: Partial<BucketStatus>;
}

/** Write into a bucket. */
export async function bucketScenes(settings: BucketSettings): Promise<BucketScenes> {
  const bucket = await openBucket(settings);
  const put = async (key: string, bytes: Uint8Array | string): Promise<void> =>
    await bucket.replace(key, typeof bytes === "string" ? Buffer.from(bytes) : bytes, "a/b", SIGNAL);
  const session: BucketScenes["session"] = async (
    sessionId,
    chunks,
    { scene = "main", createdS = CREATED_S, isNewest, status } = {},
  ) => {
    const place = sessionPlace(scene, sessionId);
    const whole = { ...statusOf(place, sessionId, chunks, createdS), ...status };
    await Promise.all(whole.chunks.map(({ key }, i) => put(key, chunks[i])));
    await put(statusKey(place), JSON.stringify(whole));
    if (isNewest === true) await put(statusKey(scenePlace(scene)), JSON.stringify(whole));
    return whole;
  };
  return {
    put,
    session,
    async sessions(scene, ids, chunks, options = {}) {
      for (const [i, id] of ids.entries()) {
        const place = { createdS: CREATED_S + 1000 * i, isNewest: i === ids.length - 1 };
        await session(id, chunks, { ...place, ...options, scene });
      }
    },
    close: () => bucket.close(),
  };
}

/** What a backend says of a complete session of such chunks, 50 frames each. */
function statusOf(
  place: string,
  sessionId: string,
  chunks: readonly Uint8Array[],
  createdS: number,
): BucketStatus {
  return {
    session_id: sessionId,
    updated_at: createdS + 10 * chunks.length,
    state: "complete",
    frame_count: 50 * chunks.length,
    gaussian_count: 1000 * chunks.length,
    complete: true,
    chunks: chunks.map((bytes, i) => {
      const name = `chunk_${String(i + 1).padStart(4, "0")}.ply`;
      return {
        name,
        index: i + 1,
        first_frame: 50 * i + 1,
        last_frame: 50 * (i + 1),
        gaussian_count: 1000 * (i + 1),
        bytes: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
        key: `${place}/${name}`,
        url: null,
        created_at: createdS + 10 * i,
      };
    }),
  };
}
