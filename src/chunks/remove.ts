/**
 * Takes chunks out of the bucket, in an order that no reader and no crash can make trouble of: first no status.json names
 * them any more, then they go, and of a session that goes as a whole its status.json is the last. What a killed run left
 * is found again by listing.
 */
import { scenePlace, statusKey } from "../api/bucket-keys.ts";
import type { BucketStatus } from "../api/schema.ts";
import { SplatError, toSplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import type { BucketReader } from "../remote/r2-read.ts";
import { nowS } from "../time.ts";
import { findSessions } from "./find-sessions.ts";
import { inLanes } from "./lanes.ts";
import { listObjects } from "./list-objects.ts";
import type { Doomed, DoomedSession, Removal } from "./plan-removal.ts";
import { isUnfinished, LIVE_WITHIN_S } from "./session-status.ts";
import {
  changeStatus,
  pointScene,
  readStatusFile,
  type BucketWriter,
  type StatusFile,
} from "./status-file.ts";

export interface RemoveOptions {
  /** Sessions too that are still being written. */
  readonly isForced: boolean;
  readonly onProgress?: ((removedCount: number) => void) | undefined;
}

/** What came of it. */
export interface Removed {
  /** Keys that are not in the bucket any more. */
  readonly keys: readonly string[];
  readonly failed: readonly { readonly key: string; readonly error: SplatError }[];
  /** Ids of the sessions that are gone whole. */
  readonly sessions: readonly string[];
  /** Of the session that the scene points to now, where it had to be another; null when none is left. */
  readonly newest: string | null | undefined;
}

const PARALLEL = 16;

const FORCE =
  "--force removes its chunks all the same; a backend that goes on will name them again though they are gone.";

/**
 * Throws `refused` when somebody may still write one of the sessions: it is neither complete nor failed, or nothing but
 * objects tells of it and the last one is new. A backend's first chunk comes before its first status.json.
 */
export function requireNoneLive({ sessions }: Removal): void {
  for (const { sessionId, complete, updatedAtS, state } of sessions) {
    if (state !== null) requireFinished(sessionId, { complete, state });
    else if (updatedAtS !== null && nowS() - updatedAtS < LIVE_WITHIN_S) {
      const text = `the session ${printable(sessionId)} has no status.json that can be used, and its last object is not an hour old`;
      throw new SplatError("refused", text, {
        hint: `A backend may just have begun it. ${FORCE}`,
      });
    }
  }
}

function requireFinished(sessionId: string, session: Pick<BucketStatus, "complete" | "state">): void {
  if (!isUnfinished(session)) return;
  const text = `the session ${printable(sessionId)} is not finished (${session.state}): a backend may still write it`;
  throw new SplatError("refused", text, { hint: `End it with \`splatctl stop\` first. ${FORCE}` });
}

/**
 * Remove what `removal` says. An object that cannot be removed does not hold up the others. Throws `refused` when a
 * session turns out to be live, `not_configured` when the bucket lets nobody remove anything, and `interrupted`.
 */
export async function removeChunks(
  writer: BucketWriter,
  reader: BucketReader,
  removal: Removal,
  options: RemoveOptions,
): Promise<Removed> {
  await inLanes(removal.sessions, PARALLEL, (session) => forget(writer, session, options));
  const failed: { key: string; error: SplatError }[] = [];
  const keys: string[] = [];
  const remove = async ({ key }: Pick<Doomed, "key">): Promise<boolean> => {
    const error = await removeObject(writer, key);
    if (error === null) keys.push(key);
    else failed.push({ key, error });
    options.onProgress?.(keys.length);
    return error === null;
  };
  await inLanes(
    removal.sessions.flatMap(({ doomed }) => doomed),
    PARALLEL,
    remove,
  );
  const failedKeys = new Set(failed.map(({ key }) => key));
  const whole = removal.sessions.filter(
    ({ isWhole, doomed }) => isWhole && !doomed.some(({ key }) => failedKeys.has(key)),
  );
  const end = async (session: DoomedSession): Promise<readonly DoomedSession[]> => {
    const key = statusKey(session.place);
    const left = await listObjects(reader, `${session.place}/`, writer.signal);
    // Somebody pushed into it meanwhile.
    if (left.some((object) => object.key !== key)) return [];
    return left.length === 0 || (await remove({ key })) ? [session] : [];
  };
  const empty = (await inLanes(whole, PARALLEL, end)).flat();
  const newest = empty.length === 0 ? undefined : await pointElsewhere(writer, reader, removal.scene, empty);
  return { keys, failed, sessions: empty.map(({ sessionId }) => sessionId), newest };
}

/** Let no status.json name what is about to go: the session's own, then the scene's where it is about that session. */
async function forget(writer: BucketWriter, session: DoomedSession, options: RemoveOptions): Promise<void> {
  const { place, scene, sessionId, doomed } = session;
  const gone = new Set(doomed.map(({ key }) => key));
  const without = (status: BucketStatus | "damaged" | null): BucketStatus | null => {
    if (status === null || status === "damaged" || status.session_id !== sessionId) return null;
    if (!options.isForced) requireFinished(sessionId, status);
    // What was pushed since the plan was made stays, and with it its name.
    const chunks = status.chunks.filter(({ key }) => !gone.has(key));
    if (chunks.length === status.chunks.length) return null;
    // Its time stays: a session does not become the newest, nor seem alive, because something of it went.
    return { ...status, gaussian_count: chunks.at(-1)?.gaussian_count ?? 0, chunks };
  };
  await changeStatus(writer, place, without);
  const isFollowed = await pointScene(writer, scene, ({ status }) =>
    status !== "damaged" && status?.session_id === sessionId ? sessionId : null,
  );
  // Where the session's own is missing or damaged.
  if (!isFollowed) await changeStatus(writer, scenePlace(scene), without);
}

/** @returns why it is still there; null when it is not. */
async function removeObject(
  { bucket, persist, signal }: BucketWriter,
  key: string,
): Promise<SplatError | null> {
  if (!isPlain(key)) {
    return new SplatError("bad_input", "a key with . or .. in it may mean another object on its way");
  }
  try {
    await persist(() => bucket.remove(key, signal));
    return null;
  } catch (thrown) {
    const error = toSplatError(thrown);
    if (["not_configured", "interrupted", "internal"].includes(error.code)) throw error;
    return error;
  }
}

/**
 * Let the scene's status.json say what that of the newest session says that is left; when none is, remove it.
 * @returns that session's id; undefined when the scene's was about another one already.
 */
async function pointElsewhere(
  writer: BucketWriter,
  reader: BucketReader,
  scene: string,
  gone: readonly DoomedSession[],
): Promise<string | null | undefined> {
  const ids = new Set(gone.map(({ sessionId }) => sessionId));
  // A damaged one may be a later version's: it stays, unless it tells that it is about what is gone.
  const isOrphan = ({ sessionId }: StatusFile): boolean => sessionId !== null && ids.has(sessionId);
  const newestLeft = async (): Promise<string | null> => {
    const sessions = await findSessions(reader, { scene, session: "all" }, writer.signal);
    const left = sessions.findLast(({ sessionId, from }) => from === "status" && !ids.has(sessionId));
    return left?.sessionId ?? null;
  };
  const place = scenePlace(scene);
  if (!isOrphan(await readStatusFile(writer, place))) return undefined;
  const newest = await newestLeft();
  if (await pointScene(writer, scene, (file) => (isOrphan(file) ? newest : null))) return newest;
  // Looked at again: a backend may just have begun a session.
  if (!isOrphan(await readStatusFile(writer, place))) return undefined;
  await writer.persist(() => writer.bucket.remove(statusKey(place), writer.signal));
  // Nothing removes an object only if it is what was looked at: a session that began in between is shown again.
  const begun = await newestLeft();
  const isShown = await pointScene(writer, scene, ({ status }) => (status === null ? begun : null));
  return isShown ? begun : null;
}

/** No part of the path may mean another place to whoever stands in between. */
function isPlain(key: string): boolean {
  return key.startsWith("scenes/") && key.split("/").every((part) => part !== "." && part !== "..");
}
