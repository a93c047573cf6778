/**
 * One owner for a spool: a file that says who holds it, with a beat that goes on while the owner lives.
 * Whether the beat has stopped is watched on a clock that never goes back, so a machine's clock set wrong changes
 * nothing. The model is `persist-root-lock.ts` of miniflare.
 */
import { randomUUID } from "node:crypto";
import { link, open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { SplatError } from "../errors.ts";
import { nowS, sleep } from "../time.ts";

export interface SpoolLock {
  /** Aborts, with a SplatError, when the spool is not ours any more. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

const ownerSchema = z.object({
  token: z.string(),
  pid: z.int(),
  host: z.string(),
  /** Counts up while the owner lives. */
  beat: z.int(),
  /** When it last did, Unix seconds by the owner's clock. */
  time: z.number(),
});

/** Who holds a spool. */
export type SpoolOwner = z.infer<typeof ownerSchema>;

const BEAT_MS = 2000;
/** An owner that misses so many beats is gone. */
const MISSED_BEATS = 4;
/** A new lock that still stands after so long is ours; later losses show at the next beat. */
const SETTLE_MS = 50;
const FILE_NAME = "lock";
/** Beats are written over each other in place: the length must not change. */
const FILE_BYTES = 256;

/** Tokens of the locks that this process holds: its own id in a file may be left over from another of that number. */
const held = new Set<string>();

/**
 * Take a spool's folder, which must exist. A lock whose owner is gone is taken over: at once when its process is gone
 * from this machine, else after watching for some missed beats.
 * Throws `bad_input` when another process holds it, and what the file system throws.
 */
export async function lockSpool(
  folder: string,
  { beatMs = BEAT_MS }: { readonly beatMs?: number | undefined } = {},
): Promise<SpoolLock> {
  const path = join(folder, FILE_NAME);
  for (let attempt = 0; attempt < 3; attempt++) {
    const lock = await create(folder, path, beatMs);
    if (lock !== null) {
      // One that saw the lock before ours abandoned may just be moving ours aside in its stead.
      await sleep(SETTLE_MS);
      if (await lock.isStanding()) return lock;
      await lock.release();
      throw inUse(folder, path, await readSpoolOwner(folder));
    }
    const seen = await readText(path);
    if (seen === null) continue; // given back meanwhile
    if (!(await isAbandoned(path, seen, beatMs))) throw inUse(folder, path, parse(seen));
    await moveAside(path, seen);
  }
  throw inUse(folder, path, await readSpoolOwner(folder));
}

/** Who holds a spool by its lock file, alive or not; null when nobody does. */
export async function readSpoolOwner(folder: string): Promise<SpoolOwner | null> {
  const text = await readText(join(folder, FILE_NAME));
  return text === null ? null : parse(text);
}

/** Whether an owner's process is surely gone: it ran on this machine and does not any more. */
export function isGone({ token, pid, host }: SpoolOwner): boolean {
  if (host !== hostname()) return false;
  if (pid === process.pid) return !held.has(token);
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM: alive, and somebody else's.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

async function create(folder: string, path: string, beatMs: number): Promise<HeldLock | null> {
  let file: FileHandle;
  try {
    file = await open(path, "wx+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return null;
    throw error;
  }
  return await HeldLock.begin({ folder, path, file, beatMs });
}

/** A lock's file, open. */
interface LockFile {
  readonly folder: string;
  readonly path: string;
  readonly file: FileHandle;
  readonly beatMs: number;
}

/** A lock that is ours, and its beat. */
class HeldLock implements SpoolLock {
  readonly #token = randomUUID();
  readonly #where: LockFile;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #beat = 0;
  #writing: Promise<void>;

  private constructor(where: LockFile) {
    this.#where = where;
    held.add(this.#token);
    this.#writing = this.#write();
    this.#timer = setInterval(() => (this.#writing = this.#writing.then(() => this.#next())), where.beatMs);
    this.#timer.unref();
  }

  static async begin(where: LockFile): Promise<HeldLock> {
    const lock = new HeldLock(where);
    try {
      await lock.#writing;
      return lock;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the lock's file is still the one that we wrote. */
  async isStanding(): Promise<boolean> {
    return (await readSpoolOwner(this.#where.folder).catch(() => null))?.token === this.#token;
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing.catch(() => undefined);
    await this.#where.file.close();
    held.delete(this.#token);
    const owner = await readSpoolOwner(this.#where.folder).catch(() => null);
    if (owner === null || owner.token === this.#token) await rm(this.#where.path, { force: true });
  }

  /** Into the file that we opened: should another have its name by now, that one stays as it is. */
  async #write(): Promise<void> {
    const owner: SpoolOwner = {
      token: this.#token,
      pid: process.pid,
      host: hostname(),
      beat: this.#beat++,
      time: nowS(),
    };
    await this.#where.file.write(`${JSON.stringify(owner).padEnd(FILE_BYTES - 1)}\n`, 0);
  }

  async #next(): Promise<void> {
    const { folder, path } = this.#where;
    if (!(await this.isStanding())) {
      this.#lost.abort(
        new SplatError(
          "bad_input",
          `the spool ${folder} is not ours any more: ${path} is gone or another's`,
          {
            hint: "Frames that were sent are safe. Start the capture again.",
          },
        ),
      );
      clearInterval(this.#timer);
      return;
    }
    // A beat that cannot be written is missed; the next may succeed.
    await this.#write().catch(() => undefined);
  }
}

/** Whether the owner is gone. A fresh sign of life settles it at once, else its beat is watched. */
async function isAbandoned(path: string, seen: string, beatMs: number): Promise<boolean> {
  const owner = parse(seen);
  if (owner !== null && isGone(owner)) return true;
  const ageMs = owner === null ? Infinity : (nowS() - owner.time) * 1000;
  if (ageMs >= 0 && ageMs < beatMs) return false;
  for (let beat = 0; beat < MISSED_BEATS; beat++) {
    await sleep(beatMs);
    if ((await readText(path)) !== seen) return false;
  }
  return true;
}

/** Take an abandoned lock away, unless another has put its own in its place meanwhile. */
async function moveAside(path: string, seen: string): Promise<void> {
  if ((await readText(path)) !== seen) return;
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return; // another was faster
  }
  if ((await readText(aside)) !== seen) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function parse(text: string): SpoolOwner | null {
  try {
    return ownerSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function inUse(folder: string, path: string, owner: SpoolOwner | null): SplatError {
  const who = owner === null ? "another process" : `process ${owner.pid} on ${owner.host}`;
  return new SplatError("bad_input", `the spool ${folder} is in use by ${who}`, {
    hint: `Two captures of one folder to one backend cannot run at once: end the other. If none runs, remove ${path}`,
  });
}
