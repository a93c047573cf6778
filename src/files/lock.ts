/**
 * One owner for a thing: a file that says who holds it, with a beat that goes on while the owner lives.
 * Whether the beat has stopped is watched on a clock that never goes back, so a machine's clock set wrong changes
 * nothing. The model is `persist-root-lock.ts` of miniflare.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { link, lstat, open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { z } from "zod";
import type { SplatError } from "../errors.ts";
import { nowS, sleep, steadyMs } from "../time.ts";

export interface FileLock {
  /** Aborts, with a SplatError, when the file is gone or another's. */
  readonly lost: AbortSignal;
  /**
   * Throws what `lost` aborts with when it is ours no more: to be asked before what cannot be undone, as a process that
   * was stopped has missed its beats. Costs nothing while they go on.
   */
  confirm(): Promise<void>;
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

/** Who holds a lock. */
export type LockOwner = z.infer<typeof ownerSchema>;

const BEAT_MS = 2000;
/** An owner that misses so many beats is gone. */
const MISSED_BEATS = 4;
/** A new lock that still stands after so long is ours; later losses show at the next beat. */
const SETTLE_MS = 50;
/** Beats are written over each other in place: the length must not change. */
const FILE_BYTES = 256;

/** Tokens of the locks that this process holds: its own id in a file may be left over from another of that number. */
const held = new Set<string>();

export interface LockOptions {
  /** The error when another holds it; null = it is not known who. */
  readonly inUse: (owner: LockOwner | null) => SplatError;
  /** The error when it is ours no more. */
  readonly lost: () => SplatError;
  /** Default 2000. */
  readonly beatMs?: number | undefined;
  /** Ends the wait for an owner that may be gone. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Take the lock at `path`, whose folder must exist. A lock whose owner is gone is taken over: at once when its process
 * is gone from this machine, else after watching for some missed beats.
 * Throws `inUse` when another process holds it, the signal's reason, and what the file system throws.
 */
export async function lockFile(path: string, options: LockOptions): Promise<FileLock> {
  const { inUse, beatMs = BEAT_MS, signal } = options;
  for (let attempt = 0; attempt < 3; attempt++) {
    const lock = await create(path, options);
    if (lock !== null) {
      // One that saw the lock before ours abandoned may just be moving ours aside in its stead.
      await sleep(SETTLE_MS);
      if (await lock.isStanding()) return lock;
      await lock.release();
      throw inUse(await readLockOwner(path));
    }
    const seen = await readText(path);
    if (seen === null) continue; // given back meanwhile
    if (!(await isAbandoned(path, seen, beatMs, signal)))
      throw inUse(parse(seen) ?? (await readLockOwner(path)));
    await moveAside(path, seen);
  }
  throw inUse(await readLockOwner(path));
}

/** Who holds a lock by its file, alive or not; null when nobody does. */
export async function readLockOwner(path: string): Promise<LockOwner | null> {
  const text = await readText(path);
  return text === null ? null : parse(text);
}

/** Whether an owner's process is surely gone: it ran on this machine and does not any more. */
export function isGone({ token, pid, host }: LockOwner): boolean {
  if (host !== hostname()) return false;
  return pid === process.pid ? !held.has(token) : isProcessGone(pid);
}

/** Whether no process of this machine has that number. */
export function isProcessGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: alive, and somebody else's.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  return isZombie(pid);
}

/** Ended, but nobody has asked how: in containers without an init process that stays so for ever (proc(5), stat). */
function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    // After the name of the program, which may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
  } catch {
    return false;
  }
}

async function create(path: string, options: LockOptions): Promise<HeldLock | null> {
  let file: FileHandle;
  try {
    file = await open(path, "wx+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return null;
    throw error;
  }
  return await HeldLock.begin({ ...options, path, file });
}

/** A lock's file, open. */
interface OpenLock extends LockOptions {
  readonly path: string;
  readonly file: FileHandle;
}

/** A lock that is ours, and its beat. */
class HeldLock implements FileLock {
  readonly #token = randomUUID();
  readonly #where: OpenLock;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  /** When it was last seen to be ours, by the clock that stands still while the machine sleeps, and by the other one. */
  #seen = clocks();
  #beat = 0;
  #writing: Promise<void>;

  private constructor(where: OpenLock) {
    this.#where = where;
    held.add(this.#token);
    this.#writing = this.#write();
    this.#timer = setInterval(
      () => (this.#writing = this.#writing.then(() => this.#next())),
      where.beatMs ?? BEAT_MS,
    );
    this.#timer.unref();
  }

  static async begin(where: OpenLock): Promise<HeldLock> {
    const lock = new HeldLock(where);
    try {
      await lock.#writing;
      return lock;
    } catch (error) {
      // It does not hold our token yet, but it is the file that we made.
      if (await lock.#hasOurFile()) await rm(where.path, { force: true });
      await lock.release();
      throw error;
    }
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the lock's file holds our token; false too when it cannot be read. */
  async isStanding(): Promise<boolean> {
    return await this.#hasOurToken().catch(() => false);
  }

  async confirm(): Promise<void> {
    this.lost.throwIfAborted();
    const now = clocks();
    const unseenMs = Math.max(now.steadyMs - this.#seen.steadyMs, now.wallMs - this.#seen.wallMs);
    if (unseenMs < (MISSED_BEATS - 1) * (this.#where.beatMs ?? BEAT_MS)) return;
    if (await this.#hasOurToken()) this.#seen = now;
    else this.#lose();
    this.lost.throwIfAborted();
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing.catch(() => undefined);
    await this.#where.file.close();
    held.delete(this.#token);
    if (await this.isStanding()) await rm(this.#where.path, { force: true });
  }

  /** Throws when the file is there and cannot be read. */
  async #hasOurToken(): Promise<boolean> {
    return (await readLockOwner(this.#where.path))?.token === this.#token;
  }

  /** Whether the file of the lock's name is the one that we opened. */
  async #hasOurFile(): Promise<boolean> {
    const { path, file } = this.#where;
    const [named, ours] = await Promise.all([lstat(path), file.stat()]).catch(() => []);
    return named !== undefined && named.ino === ours?.ino && named.dev === ours.dev;
  }

  /** Into the file that we opened: should another have its name by now, that one stays as it is. */
  async #write(): Promise<void> {
    const owner: LockOwner = {
      token: this.#token,
      pid: process.pid,
      host: hostname(),
      beat: this.#beat++,
      time: nowS(),
    };
    await this.#where.file.write(`${JSON.stringify(owner).padEnd(FILE_BYTES - 1)}\n`, 0);
  }

  async #next(): Promise<void> {
    const now = clocks();
    // One that cannot be read just now (too many open files, a network's hiccup) is not known to be another's.
    const isOurs = await this.#hasOurToken().catch(() => null);
    if (isOurs === false) return this.#lose();
    if (isOurs === true) this.#seen = now;
    // A beat that cannot be written is missed; the next may succeed.
    await this.#write().catch(() => undefined);
  }

  #lose(): void {
    this.#lost.abort(this.#where.lost());
    clearInterval(this.#timer);
  }
}

function clocks(): { readonly steadyMs: number; readonly wallMs: number } {
  return { steadyMs: steadyMs(), wallMs: Date.now() };
}

/** Whether the owner is gone. A fresh sign of life settles it at once, else its beat is watched. */
async function isAbandoned(
  path: string,
  seen: string,
  beatMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const owner = parse(seen);
  if (owner !== null && isGone(owner)) return true;
  const ageMs = owner === null ? Infinity : (nowS() - owner.time) * 1000;
  if (ageMs >= 0 && ageMs < beatMs) return false;
  for (let beat = 0; beat < MISSED_BEATS; beat++) {
    await sleep(beatMs, signal);
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

function parse(text: string): LockOwner | null {
  try {
    return ownerSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
