/**
 * Where things lie in a bucket, and in the folder that mirrors it (contract: objects in the bucket):
 * `scenes/<scene>/<session_id>/chunk_0001.ply`, a status.json beside the chunks, and one beside the sessions.
 * A place is a key without what follows its last slash.
 */

/** What all keys of ours begin with. */
export const PREFIX = "scenes";

/** The place of a scene: its newest session's status.json lies there. */
export function scenePlace(scene: string): string {
  return `${PREFIX}/${scene}`;
}

/** A session's place, which tells it from every other. */
export function sessionPlace(scene: string, sessionId: string): string {
  return `${PREFIX}/${scene}/${sessionId}`;
}

/** Where the status of a session, or of a scene's newest session, lies. */
export function statusKey(place: string): string {
  return `${place}/status.json`;
}

/** What a key of ours says; null for any other key. */
export function parseKey(key: string): { scene: string; sessionId: string; name: string } | null {
  const [prefix, scene, sessionId, name, ...more] = key.split("/");
  if (prefix !== PREFIX || more.length > 0 || !scene || !sessionId || !name) return null;
  return { scene, sessionId, name };
}

/** The place of the scene that a session's place belongs to. */
export function scenePlaceOf(place: string): string {
  return place.slice(0, place.lastIndexOf("/"));
}
