/**
 * The files that have appeared and are not sent yet: which to look at next, and when patience with one is over.
 * Pure bookkeeping; every time is passed in, milliseconds on one clock.
 */
import { isSameVersion, type FileVersion } from "./image-file.ts";

/** How long files are given, milliseconds. */
export interface FolderTiming {
  /** Between the two looks that must see the same file. */
  readonly settleMs: number;
  /** A file that stays the same without an end marker is given up after this. */
  readonly truncatedAfterMs: number;
  /** A file that keeps changing without becoming complete is given up after this. */
  readonly growingAfterMs: number;
  /** How much later than its image a sidecar may appear. */
  readonly sidecarWaitMs: number;
  /** How long the folder itself may be gone. */
  readonly folderGoneMs: number;
  /** How often a watch lists the folder itself, in case an event was missed. */
  readonly relistMs: number;
}

/** A file that is to be looked at now. */
export interface DueFile {
  readonly name: string;
  /** What the look before saw. */
  readonly version: FileVersion;
  /** Since when it has been so. */
  readonly sinceMs: number;
}

interface Candidate {
  version: FileVersion;
  readonly firstSeenMs: number;
  /** Since when `version` has been the same. */
  sinceMs: number;
  /** When to look next. */
  dueMs: number;
}

/** Files waiting to be complete, in the order in which they are to be sent. */
export class WaitingRoom {
  readonly #timing: FolderTiming;
  readonly #candidates = new Map<string, Candidate>();

  constructor(timing: FolderTiming) {
    this.#timing = timing;
  }

  get isEmpty(): boolean {
    return this.#candidates.size === 0;
  }

  /** A file has appeared or changed. `sinceMs`: from when it is known to be as it is. */
  note(name: string, version: FileVersion, nowMs: number, sinceMs = nowMs): void {
    const known = this.#candidates.get(name);
    if (known !== undefined && isSameVersion(known.version, version)) return;
    const { settleMs, growingAfterMs } = this.#timing;
    const firstSeenMs = known?.firstSeenMs ?? nowMs;
    this.#candidates.delete(name); // what changed goes to the end: frames are sent in order of completion
    this.#candidates.set(name, {
      version,
      firstSeenMs,
      sinceMs: Math.min(sinceMs, nowMs),
      // One that never rests is looked at all the same when patience with it is over.
      dueMs: Math.min(nowMs + settleMs, Math.max(nowMs, firstSeenMs + growingAfterMs)),
    });
  }

  has(name: string): boolean {
    return this.#candidates.has(name);
  }

  /** The first file to look at now. */
  due(nowMs: number): DueFile | null {
    for (const [name, { version, sinceMs, dueMs }] of this.#candidates) {
      if (dueMs <= nowMs) return { name, version, sinceMs };
    }
    return null;
  }

  /** When the next file is to be looked at; Infinity when none waits. */
  get nextDueMs(): number {
    let next = Infinity;
    for (const { dueMs } of this.#candidates.values()) next = Math.min(next, dueMs);
    return next;
  }

  /** Look at this file again at `dueMs`. */
  postpone(name: string, dueMs: number): void {
    const candidate = this.#candidates.get(name);
    if (candidate !== undefined) candidate.dueMs = dueMs;
  }

  /** A look found the file incomplete as `version`. Returns true when patience with it is over. */
  stillIncomplete(name: string, version: FileVersion, nowMs: number): boolean {
    this.note(name, version, nowMs);
    const candidate = this.#candidates.get(name);
    if (candidate === undefined) return false;
    const { settleMs, truncatedAfterMs, growingAfterMs } = this.#timing;
    const quietMs = nowMs - candidate.sinceMs;
    if (quietMs >= truncatedAfterMs || nowMs - candidate.firstSeenMs >= growingAfterMs) return true;
    // Less and less often, so that a large truncated file is not read over and over; never past the end of patience.
    candidate.dueMs = nowMs + Math.min(Math.max(settleMs, quietMs), truncatedAfterMs - quietMs);
    return false;
  }

  /** The file is sent, rejected or gone. */
  forget(name: string): void {
    this.#candidates.delete(name);
  }
}
