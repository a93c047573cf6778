/** One owner for a spool. */
import { join } from "node:path";
import { SplatError } from "../errors.ts";
import { lockFile, readLockOwner, type FileLock, type LockOwner } from "../files/lock.ts";

const FILE_NAME = "lock";

/**
 * Take a spool's folder, which must exist; see `lockFile`.
 * Throws `bad_input` when another process holds it, and what the file system throws.
 */
export function lockSpool(
  folder: string,
  { beatMs }: { readonly beatMs?: number | undefined } = {},
): Promise<FileLock> {
  const path = join(folder, FILE_NAME);
  return lockFile(path, {
    beatMs,
    inUse: (owner) => inUse(folder, path, owner),
    lost: () =>
      new SplatError("bad_input", `the spool ${folder} is not ours any more: ${path} is gone or another's`, {
        hint: "Frames that were sent are safe. Start the capture again.",
      }),
  });
}

/** Who holds a spool by its lock file, alive or not; null when nobody does. */
export function readSpoolOwner(folder: string): Promise<LockOwner | null> {
  return readLockOwner(join(folder, FILE_NAME));
}

function inUse(folder: string, path: string, owner: LockOwner | null): SplatError {
  const who = owner === null ? "another process" : `process ${owner.pid} on ${owner.host}`;
  return new SplatError("bad_input", `the spool ${folder} is in use by ${who}`, {
    hint: `Two captures of one folder to one backend cannot run at once: end the other. If none runs, remove ${path}`,
  });
}
