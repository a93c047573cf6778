/** What a removal would take: entries that status.json names, and what else lies below a session's place. */
import { parseKey, scenePlace, sessionPlace, statusKey } from "../api/bucket-keys.ts";
import type { BucketReader, ListedObject } from "../remote/r2-read.ts";
import type { Entry, Session } from "./entry.ts";
import { findSessions, type SessionQuestion } from "./find-sessions.ts";
import { listObjects, sessionOfObjects } from "./list-objects.ts";
import { selectEntries } from "./select.ts";

/** An object that is to go. */
export interface Doomed {
  readonly key: string;
  readonly sizeBytes: number;
}

/** What goes of one session. */
export interface DoomedSession extends Omit<Session, "entries"> {
  readonly place: string;
  readonly doomed: readonly Doomed[];
  /** Nothing of it is left, so its status.json goes as well. */
  readonly isWhole: boolean;
}

export interface Removal {
  readonly scene: string;
  /** Those of which anything goes. */
  readonly sessions: readonly DoomedSession[];
}

/**
 * What `wanted` names (see `selectEntries`) in the sessions that `question` means, or everything below their places.
 * Throws `bad_input` for a name, a glob or a session that is not there.
 */
export async function planRemoval(
  reader: BucketReader,
  question: SessionQuestion,
  wanted: readonly string[] | "all",
  signal: AbortSignal,
): Promise<Removal> {
  const { scene } = question;
  const found = await findSessions(reader, question, signal);
  const [only] = found;
  const prefix = found.length === 1 ? sessionPlace(scene, only.sessionId) : scenePlace(scene);
  const listed = found.length === 0 ? [] : await listObjects(reader, `${prefix}/`, signal);
  const objects = byPlace(listed);
  const sessions = found.map((session) => withUnnamed(session, objects.get(placeOf(session)) ?? []));
  const choice = { wanted: wanted === "all" ? [] : wanted, all: true, include: [], exclude: [] };
  const chosen = new Set(selectEntries(sessions, choice).map(({ key }) => key));
  const planned = sessions.map((session): DoomedSession => {
    const all = everything(session, objects.get(placeOf(session)) ?? []);
    const doomed = wanted === "all" ? all : all.filter(({ key }) => chosen.has(key));
    const isWhole = wanted === "all" || (doomed.length > 0 && doomed.length === all.length);
    return { ...session, place: placeOf(session), doomed, isWhole };
  });
  return { scene, sessions: planned.filter(({ isWhole, doomed }) => isWhole || doomed.length > 0) };
}

/** Objects by the place of the session that they lie in, however deep; without its status.json. */
function byPlace(objects: readonly ListedObject[]): Map<string, ListedObject[]> {
  const places = new Map<string, ListedObject[]>();
  for (const object of objects) {
    const place = object.key.split("/").slice(0, 3).join("/");
    if (object.key === statusKey(place) || object.key === place) continue;
    const there = places.get(place);
    if (there === undefined) places.set(place, [object]);
    else there.push(object);
  }
  return places;
}

/**
 * The session with the scene files, too, that its status.json does not name: some of them a killed run left. They come
 * first, so that the newest is the one that `ls` shows.
 */
function withUnnamed(session: Session, objects: readonly ListedObject[]): Session {
  const named = new Set(session.entries.map(({ key }) => key));
  const unnamed = objects.filter(({ key }) => !named.has(key) && parseKey(key) !== null);
  const more: readonly Entry[] = sessionOfObjects(session.scene, session.sessionId, unnamed).entries;
  return { ...session, entries: [...more, ...session.entries] };
}

/** What is named and what lies there; what is named alone may be gone already, and is to be forgotten. */
function everything(session: Session, objects: readonly ListedObject[]): Doomed[] {
  const sizes = new Map(session.entries.map(({ key, sizeBytes }) => [key, sizeBytes]));
  for (const { key, sizeBytes } of objects) sizes.set(key, sizeBytes);
  return [...sizes].map(([key, sizeBytes]) => ({ key, sizeBytes }));
}

function placeOf({ scene, sessionId }: Session): string {
  return sessionPlace(scene, sessionId);
}
