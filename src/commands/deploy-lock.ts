/** One change at a time of the backend in the cloud and of what is kept about it. */
import { dirname, join } from "node:path";
import { SplatError } from "../errors.ts";
import { lockFile, type FileLock, type LockOwner } from "../files/lock.ts";
import { makePrivateFolder } from "../user-config.ts";

/**
 * Work while nobody else who uses the same settings changes the backend. Throws `bad_input` when somebody does.
 * @param work is given a signal that aborts with `signal`, and when the lock is lost
 */
export async function withDeployLock(
  userFile: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const folder = dirname(userFile);
  await makePrivateFolder(folder);
  const lock = await lockDeploy(join(folder, "deploy.lock"));
  try {
    await work(AbortSignal.any([signal, lock.lost]));
  } finally {
    await lock.release();
  }
}

function lockDeploy(path: string): Promise<FileLock> {
  const inUse = (owner: LockOwner | null): SplatError => {
    const who = owner === null ? "another process" : `process ${owner.pid} on ${owner.host}`;
    return new SplatError("bad_input", `a deployment is under way already: ${who} holds it`, {
      hint: `Wait for it, or end it. If none runs, remove ${path}`,
    });
  };
  const lost = (): SplatError =>
    new SplatError("partial", `${path} is gone: another deployment may be under way`);
  return lockFile(path, { inUse, lost });
}
