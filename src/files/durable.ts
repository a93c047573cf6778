/** Files that are whole or not there: written under a temporary name, synced, then renamed. */
import { open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Ending of a file that is still being written. */
const TEMPORARY = ".part";

/**
 * Write `pieces` to `path` so that after a crash either the whole new file or what was there before is there.
 * Throws what the file system throws; then nothing of it is left.
 */
export async function writeDurably(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}${TEMPORARY}`;
  try {
    await writeSynced(temporary, pieces);
    await renameDurably(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Rename within one folder or between two of one file system, so that it survives a power cut. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Remove what a crash left half written. */
export async function removeTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith(TEMPORARY)) await rm(join(folder, name), { force: true });
  }
}

async function writeSynced(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const file = await openNew(path);
  try {
    for (const piece of pieces) await writeAll(file, piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What lies there was left by a crash, or is a link that somebody laid: neither is written into. */
async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    await rm(path);
    return await open(path, "wx");
  }
}

/** A full disk takes a part of a write before it refuses the rest. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}

/** The sync of a folder that is to begin when the one under way has ended, by path. */
const nextSyncs = new Map<string, Promise<void>>();
const lastSyncs = new Map<string, Promise<void>>();

/** Make renames in a folder survive a power cut: sync it as it is now. Calls that come while it is being synced share the next one. */
export function syncFolder(path: string): Promise<void> {
  const waiting = nextSyncs.get(path);
  if (waiting !== undefined) return waiting;
  const underWay = lastSyncs.get(path);
  if (underWay === undefined) return begin(path);
  const next = underWay
    .catch(() => undefined)
    .then(() => {
      nextSyncs.delete(path);
      return begin(path);
    });
  nextSyncs.set(path, next);
  return next;
}

function begin(path: string): Promise<void> {
  const sync = syncNow(path).finally(() => {
    if (lastSyncs.get(path) === sync) lastSyncs.delete(path);
  });
  lastSyncs.set(path, sync);
  return sync;
}

/** Not every platform can open a folder. */
async function syncNow(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
