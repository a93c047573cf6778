/** A session in a bucket that grows chunk by chunk, as a backend lets it. */
import { createHash } from "node:crypto";
import type { BucketStatus, Chunk, SceneState } from "../../src/api/schema.ts";
import type { FollowPace } from "../../src/chunks/follow-pace.ts";
import { putStatus } from "./bucket-session.ts";
import type { LocalR2 } from "./r2.ts";

/** How often a session is asked after where the bucket is next door. */
export const QUICK_PACE: FollowPace = {
  everyMs: 10,
  longestMs: 40,
  growth: 1.5,
  patienceMs: 100,
  firstWaitMs: 10,
  longestWaitMs: 40,
  longestUserWaitMs: 40,
};

export interface GrowingSession {
  readonly id: string;
  readonly chunks: readonly Chunk[];
  /**
   * Store another chunk, which no status.json names yet. `changes`: what is to be said wrongly of it; `elsewhere`: it is
   * not stored.
   */
  chunk(bytes?: Uint8Array, changes?: Partial<Chunk>, where?: "elsewhere"): Promise<Chunk>;
  /** Write status.json: the session's own, and the scene's unless `own`. It names all chunks, or those of `named`. */
  publish(state?: SceneState, which?: "own", named?: readonly Chunk[], updatedAtS?: number): Promise<void>;
  /** A chunk, and the status.json that names it. */
  grow(bytes?: Uint8Array): Promise<Chunk>;
}

const FRAMES_PER_CHUNK = 50;

/** A session that is not in the bucket yet. */
export function growingSession(r2: LocalR2, id: string, scene: string): GrowingSession {
  const chunks: Chunk[] = [];
  const place = `scenes/${scene}/${id}`;
  const session: GrowingSession = {
    id,
    chunks,
    async chunk(bytes = Buffer.from(`chunk ${chunks.length + 1} of ${id}`), changes = {}, where) {
      const index = chunks.length + 1;
      const name = `chunk_${String(index).padStart(4, "0")}.ply`;
      const chunk: Chunk = {
        name,
        index,
        first_frame: chunks.length * FRAMES_PER_CHUNK + 1,
        last_frame: index * FRAMES_PER_CHUNK,
        gaussian_count: 1000 * index,
        bytes: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
        key: `${place}/${name}`,
        url: null,
        created_at: 1_700_000_000 + index,
        ...changes,
      };
      if (where === undefined) await r2.put(`${place}/${chunk.name}`, bytes, { sha256: chunk.sha256 });
      chunks.push(chunk);
      return chunk;
    },
    async publish(state = "training", which, named = chunks, updatedAtS = Date.now() / 1000) {
      const status: BucketStatus = {
        session_id: id,
        updated_at: updatedAtS,
        state,
        frame_count: chunks.length * FRAMES_PER_CHUNK,
        gaussian_count: chunks.length * 1000,
        complete: state === "complete",
        chunks: [...named],
      };
      await putStatus(r2, place, status);
      if (which !== "own") await putStatus(r2, `scenes/${scene}`, status);
    },
    async grow(bytes) {
      const chunk = await session.chunk(bytes);
      await session.publish();
      return chunk;
    },
  };
  return session;
}
