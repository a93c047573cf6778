/** Which sessions a scene has in the bucket, and what is in them. */
import { parseKey, scenePlace, sessionPlace, statusKey } from "../api/bucket-keys.ts";
import { SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import { readObject, type BucketReader } from "../remote/r2-read.ts";
import type { Session } from "./entry.ts";
import { inLanes } from "./lanes.ts";
import { listFolders, listObjects, sessionOfObjects } from "./list-objects.ts";
import { isSessionId, MOST_STATUS_BYTES } from "./session-status.ts";
import { retrying } from "../remote/r2-pace.ts";

export interface SessionQuestion {
  readonly scene: string;
  /** `latest`, `all`, or a session's id. */
  readonly session: string;
}

/** Sessions that are asked for at a time. */
const PARALLEL = 8;
/** Session ids that an error names. */
const MOST_NAMED = 5;
/**
 * Sessions from the oldest to the newest; none when the scene has none. Reads status.json, and lists what lies there
 * where that is missing or damaged. Throws `bad_input` for a session id that the bucket does not know, `usage` where
 * only a listing could tell and the reader cannot list.
 */
export async function findSessions(
  reader: BucketReader,
  { scene, session }: SessionQuestion,
  signal: AbortSignal,
): Promise<readonly Session[]> {
  if (session === "all") return await allSessions(reader, scene, signal);
  if (session === "latest") return await latestSession(reader, scene, signal);
  if (!isSessionId(session)) {
    throw new SplatError("usage", "that is no session's id", {
      hint: "Give latest, all, or an id as `chunks ls` shows it.",
    });
  }
  return [await namedSession(reader, scene, session, signal)];
}

async function allSessions(reader: BucketReader, scene: string, signal: AbortSignal): Promise<Session[]> {
  const prefix = `${scenePlace(scene)}/`;
  const folders = await listFolders(reader, prefix, signal);
  const ids = folders.map((folder) => folder.slice(prefix.length, -1)).filter((id) => id !== "");
  const sessions = await inLanes(ids, PARALLEL, (id) => oneSession(reader, scene, id, signal));
  return sessions.filter((found) => found !== null).sort((a, b) => (a.updatedAtS ?? 0) - (b.updatedAtS ?? 0));
}

async function latestSession(reader: BucketReader, scene: string, signal: AbortSignal): Promise<Session[]> {
  const told = await readStatus(reader, scene, scenePlace(scene), signal);
  if (told !== null) return [told];
  const newestById = new Map<string, number>();
  const objects = await listObjects(reader, `${scenePlace(scene)}/`, signal).catch(cannotList(reader, scene));
  for (const { key, modifiedS } of objects) {
    const id = parseKey(key)?.sessionId;
    if (id !== undefined) newestById.set(id, Math.max(newestById.get(id) ?? 0, modifiedS));
  }
  const [latest] = [...newestById].sort(([, a], [, b]) => b - a);
  const session = latest === undefined ? null : await oneSession(reader, scene, latest[0], signal);
  return session === null ? [] : [session];
}

async function namedSession(
  reader: BucketReader,
  scene: string,
  id: string,
  signal: AbortSignal,
): Promise<Session> {
  const session = await oneSession(reader, scene, id, signal).catch(cannotList(reader, scene));
  if (session !== null) return session;
  const prefix = `${scenePlace(scene)}/`;
  const similar = await listFolders(reader, `${prefix}${id}`, signal);
  const ids = similar.slice(0, MOST_NAMED).map((folder) => printable(folder.slice(prefix.length, -1)));
  throw new SplatError("bad_input", `the bucket has no session ${printable(id)} of scene ${scene}`, {
    hint:
      ids.length > 0
        ? `Give the whole id: ${ids.join(", ")}${similar.length > ids.length ? ", …" : ""}`
        : "`splatctl chunks ls --session all` shows which there are.",
  });
}

/** null when nothing of it is in the bucket. */
async function oneSession(
  reader: BucketReader,
  scene: string,
  id: string,
  signal: AbortSignal,
): Promise<Session | null> {
  const place = sessionPlace(scene, id);
  const told = await readStatus(reader, scene, place, signal);
  if (told?.sessionId === id) return told;
  const objects = await listObjects(reader, `${place}/`, signal);
  return objects.length === 0 ? null : sessionOfObjects(scene, id, objects);
}

/** null when it is missing, damaged, or tells of what is not its own. */
async function readStatus(
  reader: BucketReader,
  scene: string,
  place: string,
  signal: AbortSignal,
): Promise<Session | null> {
  const question = { mostBytes: MOST_STATUS_BYTES };
  try {
    // What parses the answer is loaded while it is on its way.
    const [answer, { parseSessionStatus }] = await Promise.all([
      retrying(() => readObject(reader, statusKey(place), question, signal), { signal }),
      import("./parse-status.ts"),
    ]);
    return answer.kind === "found" ? parseSessionStatus(scene, answer.bytes) : null;
  } catch (thrown) {
    if (thrown instanceof SplatError && thrown.code === "bad_input") return null;
    throw thrown;
  }
}

/** Say why a listing was needed. */
function cannotList(reader: BucketReader, scene: string): (thrown: unknown) => never {
  return (thrown) => {
    if (!(thrown instanceof SplatError) || thrown.code !== "usage") throw thrown;
    throw new SplatError(
      "usage",
      `${reader.name}: there is no status.json of scene ${scene} that can be used, and a public address shows no list`,
      {
        cause: thrown,
        hint: "Check --scene and --session, or leave out --public to read with the bucket's keys.",
      },
    );
  };
}
