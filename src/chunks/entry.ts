/** What the bucket holds, as commands speak of it: scene files, and the sessions that they belong to. */
import type { SceneState } from "../api/schema.ts";

/** A scene file in the bucket: mostly a chunk. What its session's status.json does not tell is null. */
export interface Entry {
  readonly key: string;
  readonly scene: string;
  readonly sessionId: string;
  /** Last part of the key: `chunk_0001.ply`. Input from elsewhere: not yet safe as a file's name. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string | null;
  /** Quotes included; known from listings only. */
  readonly etag: string | null;
  /** From 1. */
  readonly index: number | null;
  readonly firstFrame: number | null;
  readonly lastFrame: number | null;
  readonly gaussianCount: number | null;
  /** When it was made, or else when it came into the bucket, Unix seconds. */
  readonly createdAtS: number | null;
}

/** A session in the bucket, its entries from the oldest to the newest. */
export interface Session {
  readonly scene: string;
  readonly sessionId: string;
  /** What told of it: its status.json, or a listing because that was missing or damaged. */
  readonly from: "status" | "listing";
  /** null from a listing. */
  readonly state: SceneState | null;
  readonly complete: boolean;
  readonly frameCount: number | null;
  readonly gaussianCount: number | null;
  /** Unix seconds; null when nothing tells. */
  readonly updatedAtS: number | null;
  readonly entries: readonly Entry[];
}
