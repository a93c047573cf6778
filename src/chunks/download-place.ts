/**
 * A session's folder while files come into it: made without following links out of the user's folder, held by one
 * downloader at a time, with its SHA256SUMS.
 */
import { mkdir, readdir, realpath } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { SplatError } from "../errors.ts";
import { lockFile, type FileLock, type LockOwner } from "../files/lock.ts";
import type { FolderHold } from "./part-file.ts";
import { SumsFile } from "./sums.ts";

const LOCK_NAME = ".splatctl-lock";

/** A folder that is ours. */
interface HeldFolder {
  /** As they were when it became ours. */
  readonly names: ReadonlySet<string>;
  readonly sums: SumsFile;
}

/** See the top of the file. */
export interface Place extends FolderHold {
  readonly folder: string;
  /** Whether a file of that name was there at the beginning, however its disk writes letters with marks. */
  has(name: string): boolean;
  /**
   * Resolves when the folder is ours: nothing in it may be written before. Taking it needs a moment, in which the first
   * requests go out already.
   */
  readonly held: Promise<HeldFolder>;
  /** Note a file that is there and whole. */
  add(name: string, sha256: string): Promise<void>;
  /** Write SHA256SUMS, and let the folder go. */
  close(): Promise<void>;
}

/**
 * Make a session's folder, two levels below `root`, and begin to take it. Throws `bad_input` for a link that leads out
 * of `root`, and what the file system throws. `onLost` is called when it is ours no more; the signal ends the wait for a
 * lock whose owner may be gone.
 */
export async function openPlace(
  root: string,
  folder: string,
  onLost: (error: SplatError) => void,
  signal: AbortSignal,
): Promise<Place> {
  await mkdir(root, { recursive: true });
  const realRoot = await realpath(root);
  for (const each of [dirname(folder), folder]) await makeInside(realRoot, each);
  const before = new Set((await readdir(folder)).map((name) => name.normalize("NFC")));
  let isLost = false;
  const locking = takeLock(folder, signal);
  const confirm = async (): Promise<void> => await (await locking).confirm();
  const held = locking.then(async (lock) => {
    const lose = (): void => {
      isLost = true;
      onLost(lock.lost.reason as SplatError);
    };
    lock.lost.addEventListener("abort", lose, { once: true });
    // What the one before us did until it let go counts.
    return { names: new Set(await readdir(folder)), sums: await SumsFile.open(folder, confirm) };
  });
  // Whoever writes first sees it.
  held.catch(() => undefined);
  return {
    folder,
    has: (name) => before.has(name.normalize("NFC")),
    held,
    get isLost() {
      return isLost;
    },
    confirm,
    add: async (name, sha256) => (await held).sums.add(name, sha256),
    async close() {
      const lock = await locking;
      try {
        const { sums } = await held;
        if (!isLost) await sums.write();
      } finally {
        await lock.release();
      }
    },
  };
}

async function makeInside(realRoot: string, path: string): Promise<void> {
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const real = await realpath(path);
  if (real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return;
  throw new SplatError("bad_input", `${path} is a link that leads out of the folder: ${real}`, {
    hint: "Take the link away, or download into the folder that it leads to.",
  });
}

function takeLock(folder: string, signal: AbortSignal): Promise<FileLock> {
  return lockFile(join(folder, LOCK_NAME), {
    signal,
    inUse: (owner) =>
      new SplatError("bad_input", `${ownerWords(owner)} is downloading into ${folder}`, {
        hint: "Wait until it is done, or end it; it leaves what it has for the next run.",
      }),
    lost: () =>
      new SplatError("bad_input", `another splatctl has taken ${folder} over`, {
        hint: "This one may have been asleep for too long. Run it again when the other is done.",
      }),
  });
}

function ownerWords(owner: LockOwner | null): string {
  return owner === null ? "another splatctl" : `another splatctl (process ${owner.pid} on ${owner.host})`;
}

/** Whether upper and lower case are the same in names below `folder`, told by the first folder above with letters in it. */
export async function isCaseBlind(folder: string): Promise<boolean> {
  const path = await realpath(folder).catch(() => dirname(folder));
  const name = basename(path);
  if (name === "") return false;
  const other = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();
  if (other === name) return await isCaseBlind(dirname(path));
  return await realpath(join(dirname(path), other)).then(
    (found) => found.toLowerCase() === path.toLowerCase(),
    () => false,
  );
}
