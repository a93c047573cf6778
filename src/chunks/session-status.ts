/** What a status.json in the bucket says of its session. Anybody who may write there wrote it: it is not believed blindly. */
import { parseKey } from "../api/bucket-keys.ts";
import type { BucketStatus, Chunk } from "../api/schema.ts";
import { SplatError } from "../errors.ts";
import { nowS } from "../time.ts";
import type { Entry, Session } from "./entry.ts";

/** Larger than any that names a day of chunks; more is read of nobody. */
export const MOST_STATUS_BYTES = 8 * 2 ** 20;

/** A session that goes on and was heard of within this is shown as live and stays in front of others, seconds. */
export const LIVE_WITHIN_S = 60 * 60;

/** What a scene file's name ends with. */
const SCENE_FILE = /\.(?:ply|splat|spz)$/i;
const SHA256 = /^[0-9a-f]{64}$/i;

/**
 * Parts of a key that are a place of their own in a URL, and characters that are none of an id's: what a terminal obeys
 * and what turns the direction of writing.
 */
const NO_ID = /^\.{0,2}$|[/\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;
/** Half a character, which no URL can hold. */
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Keys have at most 1024 bytes (R2: limits), and more than the id is in them. */
const MOST_ID_BYTES = 512;

/** Whether a session can be called so: any text that is one part of a key. */
export function isSessionId(text: string): boolean {
  return !NO_ID.test(text) && !LONE_SURROGATE.test(text) && Buffer.byteLength(text) <= MOST_ID_BYTES;
}

/**
 * Whether somebody may write the session yet: it is neither complete nor failed. For how long nothing was heard of it
 * does not matter: a backend says nothing while the arm rests.
 */
export function isUnfinished({ complete, state }: Pick<Session, "complete" | "state">): boolean {
  return !complete && state !== "failed";
}

/** Whether somebody probably writes the session: it goes on, and at `heardAtS` something was heard of it. */
export function isLive(session: Pick<Session, "complete" | "state">, heardAtS: number | null): boolean {
  return isUnfinished(session) && heardAtS !== null && nowS() - heardAtS < LIVE_WITHIN_S;
}

/** Whether a name is that of a scene file. */
export function isSceneFile(name: string): boolean {
  return SCENE_FILE.test(name);
}

/**
 * The session that a status.json of `scene` tells of, its entries by number. Throws `bad_input` when it names a file that
 * is none of that session's own, or one file twice.
 */
export function sessionOfStatus(scene: string, status: BucketStatus): Session {
  if (!isSessionId(status.session_id)) throw damaged("it names no session");
  const entries = status.chunks.map((chunk) => entryOf(scene, status.session_id, chunk));
  if (new Set(entries.map(({ key }) => key)).size < entries.length) throw damaged("it names a file twice");
  return {
    scene,
    sessionId: status.session_id,
    from: "status",
    state: status.state,
    complete: status.complete,
    frameCount: status.frame_count,
    gaussianCount: status.gaussian_count,
    updatedAtS: status.updated_at,
    entries: entries.sort((a, b) => (a.index ?? 0) - (b.index ?? 0)),
  };
}

function entryOf(scene: string, sessionId: string, chunk: Chunk): Entry {
  const place = parseKey(chunk.key);
  if (
    place?.scene !== scene ||
    place.sessionId !== sessionId ||
    place.name !== chunk.name ||
    LONE_SURROGATE.test(chunk.key)
  ) {
    throw damaged("it names a file outside of its session");
  }
  if (!isSceneFile(chunk.name)) throw damaged("it names a file that is no scene");
  if (!SHA256.test(chunk.sha256)) throw damaged("it names a file by something that is no SHA-256");
  return {
    key: chunk.key,
    scene,
    sessionId,
    name: chunk.name,
    sizeBytes: chunk.bytes,
    sha256: chunk.sha256.toLowerCase(),
    etag: null,
    index: chunk.index,
    firstFrame: chunk.first_frame,
    lastFrame: chunk.last_frame,
    gaussianCount: chunk.gaussian_count,
    createdAtS: chunk.created_at,
  };
}

/** The error for a status.json that tells of no session. What it says is not repeated: it may be anything. */
export function damaged(why: string): SplatError {
  return new SplatError("bad_input", `the status.json in the bucket cannot be used: ${why}`);
}
