/** Files that are whole or not there: written under a temporary name, synced, then renamed. */
import { createHash } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "../files/durable.ts";
import { refuse } from "../http/refuse.ts";

export interface WrittenFile {
  readonly sizeBytes: number;
  /** Of the content, hex. */
  readonly sha256: string;
}

/** The store is full, read-only or not ours: not a bug, and for the sender a reason to keep its frame. */
const NO_ROOM: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM"]);

/**
 * Write `slices` to `path` so that after a crash either the whole new file or the old one is there.
 * Other work runs between slices. Throws `storage_full` when there is no room or no permission.
 */
export async function writeDurably(
  path: string,
  slices: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<WrittenFile> {
  const temporary = `${path}.part`;
  try {
    const written = await writeSynced(temporary, slices);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return written;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw storageError(error);
  }
}

/** Write `bytes` to a new file and sync it, under a name that a restart clears away. Throws `storage_full`. */
export async function writeAside(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await synced(path, "wx", (file) => file.writeFile(bytes));
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined);
    throw storageError(error);
  }
}

/** `storage_full` for what a full or forbidden disk throws; anything else as it is. */
export function storageError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (!NO_ROOM.has(code)) return error;
  return refuse("storage_full", `the backend cannot write to its data folder (${code})`, {
    hint: "Make room or fix its permissions; nothing of this request was kept.",
    retryAfterS: 10,
    cause: error,
  });
}

async function writeSynced(
  path: string,
  slices: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<WrittenFile> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  await synced(path, "w", async (file) => {
    for await (const slice of slices) {
      hash.update(slice);
      sizeBytes += slice.length;
      await file.appendFile(slice);
    }
  });
  return { sizeBytes, sha256: hash.digest("hex") };
}

/** Open a file, write to it, and sync what was written before it is closed. */
async function synced(
  path: string,
  flags: "w" | "wx",
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags);
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}
