/** One process per data folder: a file with the owner's process id. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { messageOf, SplatError } from "../errors.ts";

/** Folders this process holds: its own id in a lock file may also be left over from before a reboot. */
const held = new Set<string>();

/** The other backend's lock, which stays in every folder that it has had. Neither can use what the other has learned. */
const OTHER_ENGINE = "backend.lock";

/**
 * Take the folder, creating it when missing; a lock whose process is gone is taken over.
 * @returns the call that gives it back.
 * Throws `bad_input` when another process or the other engine has it, or the folder cannot be written.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = resolve(join(folder, "lock"));
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw unusable(folder, error);
  });
  if (existsSync(join(folder, OTHER_ENGINE))) {
    throw new SplatError("bad_input", `the data folder ${folder} belongs to --engine gsplat`, {
      hint: "Serve it with that engine, or give another folder with --data.",
    });
  }
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(path, `${process.pid}\n`, { flag: "wx" });
      held.add(path);
      return async () => {
        held.delete(path);
        await rm(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unusable(folder, error);
      const owner = await ownerOf(path);
      if (owner !== null) throw inUse(folder, path, owner);
      await rm(path, { force: true });
    }
  }
  throw inUse(folder, path, await ownerOf(path));
}

/** Process id in the lock file while that process lives; else null. */
async function ownerOf(path: string): Promise<number | null> {
  const pid = Number.parseInt(await readFile(path, "utf8").catch(() => ""), 10);
  if (!Number.isInteger(pid) || pid <= 0) return null;
  if (pid === process.pid) return held.has(path) ? pid : null;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    // EPERM: alive, and somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM" ? pid : null;
  }
}

function inUse(folder: string, path: string, owner: number | null): SplatError {
  return new SplatError("bad_input", `the data folder ${folder} is in use by process ${owner ?? "?"}`, {
    hint: `Stop it, or give another folder with --data. If no splatctl runs, remove ${path}`,
  });
}

function unusable(folder: string, error: unknown): SplatError {
  return new SplatError("bad_input", `cannot use the data folder ${folder}: ${messageOf(error)}`, {
    hint: "Give another one with --data.",
    cause: error,
  });
}
