/** What lies below a place in the bucket, whatever any status.json says. */
import { parseKey } from "../api/bucket-keys.ts";
import type { BucketReader, ListedObject, ListPage } from "../remote/r2-read.ts";
import { retrying } from "../remote/r2-pace.ts";
import type { Entry, Session } from "./entry.ts";
import { isSceneFile } from "./session-status.ts";

/** Everything below `prefix`. A page that fails is asked for again; those before it are kept. */
export async function listObjects(
  reader: BucketReader,
  prefix: string,
  signal: AbortSignal,
): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  await eachPage(reader, prefix, false, signal, ({ objects }) => {
    for (const object of objects) found.push(object);
    return objects.at(-1)?.key;
  });
  return found;
}

/** The folders below `prefix`, which ends with a slash or begins their names: each whole, with the slash at its end. */
export async function listFolders(
  reader: BucketReader,
  prefix: string,
  signal: AbortSignal,
): Promise<string[]> {
  // A page that is asked for again begins with the folder that the one before ended with.
  const found = new Set<string>();
  await eachPage(reader, prefix, true, signal, ({ folders, objects }) => {
    for (const folder of folders) found.add(folder);
    return folders.at(-1) ?? objects.at(-1)?.key;
  });
  return [...found];
}

/** `take` answers where to go on after its page. */
async function eachPage(
  reader: BucketReader,
  prefix: string,
  byFolder: boolean,
  signal: AbortSignal,
  take: (page: ListPage) => string | undefined,
): Promise<void> {
  let startAfter: string | undefined;
  const open = (): AsyncIterator<ListPage> =>
    reader.list(prefix, { byFolder, startAfter }, signal)[Symbol.asyncIterator]();
  let pages = open();
  const nextPage = async (): Promise<IteratorResult<ListPage>> => {
    try {
      return await pages.next();
    } catch (thrown) {
      pages = open();
      throw thrown;
    }
  };
  for (;;) {
    const next = await retrying(nextPage, { signal });
    if (next.done === true) return;
    startAfter = take(next.value) ?? startAfter;
  }
}

/** A session as the objects below its place show it, the oldest first; what is no scene file only tells its time. */
export function sessionOfObjects(
  scene: string,
  sessionId: string,
  objects: readonly ListedObject[],
): Session {
  const entries = objects.flatMap((object): Entry[] => {
    const name = parseKey(object.key)?.name;
    return name === undefined || !isSceneFile(name) ? [] : [entryOf(scene, sessionId, name, object)];
  });
  return {
    scene,
    sessionId,
    from: "listing",
    state: null,
    complete: false,
    frameCount: null,
    gaussianCount: null,
    updatedAtS: objects.reduce<number | null>(
      (newest, { modifiedS }) => Math.max(newest ?? 0, modifiedS),
      null,
    ),
    entries: entries.sort((a, b) => (a.createdAtS ?? 0) - (b.createdAtS ?? 0) || (a.key < b.key ? -1 : 1)),
  };
}

function entryOf(scene: string, sessionId: string, name: string, object: ListedObject): Entry {
  const number = /^chunk_(\d{1,9})\./.exec(name)?.[1];
  return {
    key: object.key,
    scene,
    sessionId,
    name,
    sizeBytes: object.sizeBytes,
    sha256: null,
    etag: object.etag,
    index: number === undefined ? null : Number(number),
    firstFrame: null,
    lastFrame: null,
    gaussianCount: null,
    createdAtS: object.modifiedS,
  };
}
