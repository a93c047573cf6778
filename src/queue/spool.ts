/**
 * The durable queue between a source and a backend: a folder. A frame is on disk before it is sent, and stays until
 * the backend says that it holds it for good, and beyond that as long as there is room and the run lasts.
 */
import { rm } from "node:fs/promises";
import { Bell } from "./bell.ts";
import { writeDurably } from "../files/durable.ts";
import { DAMAGED, FailedFrames } from "./failed-frames.ts";
import { encodeFrame, type SpoolFrame } from "./frame-file.ts";
import { Journal } from "./journal.ts";
import { KeptFrames } from "./kept-frames.ts";
import { Patience } from "./persist.ts";
import { changeOf, judgeFrame, type Change, type Identity, type Look, type Reconciled } from "./reconcile.ts";
import {
  framePath,
  journalLines,
  journalPath,
  readFrame,
  type FileVersion,
  type KeptFrame,
  type SpoolContents,
  type TakenFile,
} from "./spool-contents.ts";
import { RecentFrames } from "./recent-frames.ts";
import { forgetful, spoolError, spoolFull } from "./spool-error.ts";
import type { FileLock } from "../files/lock.ts";
import { TakenFiles } from "./taken-files.ts";

export interface SpoolOptions {
  /** Room that frames may take, those set aside included. */
  readonly maxBytes: number;
  /** How long a full disk is waited for when the spool cannot make room itself; Infinity for ever. */
  readonly giveUpAfterMs: number;
  readonly onWarning: (line: string) => void;
}

/** How many frames are where. */
export interface SpoolCounts {
  /** Not accepted by the backend yet, those under way included. */
  readonly waiting: number;
  /** Accepted, but the backend would lose them with its process. */
  readonly accepted: number;
  readonly failed: number;
}

/** Frames that a backend accepts and does not have so often are not worth sending again. */
const MAX_RETURNS = 8;
/** How often a full disk is tried again. */
const DISK_RETRY_MS = 1000;
const NO_ROOM = new Set(["ENOSPC", "EDQUOT"]);

/** See the top of the file; `openSpool` makes one. */
export class Spool {
  readonly folder: string;
  readonly #options: SpoolOptions;
  readonly #lock: FileLock;
  readonly #journal: Journal;
  readonly #bell = new Bell();
  readonly #kept: KeptFrames;
  readonly #taken: TakenFiles;
  readonly #failed: FailedFrames;
  #lastSeq: number;
  #identity: Identity | null;
  #hasLooked = false;
  #isFull = false;
  /** The puts under way; each becomes visible after those before it. */
  #putting: Promise<unknown> = Promise.resolve();
  #writingBytes = 0;
  readonly #recent = new RecentFrames();
  #work: Promise<void> = Promise.resolve();

  constructor(folder: string, contents: SpoolContents, lock: FileLock, options: SpoolOptions) {
    this.folder = folder;
    this.#options = options;
    this.#lock = lock;
    this.#journal = new Journal(journalPath(folder), (error) => {
      const { message } = spoolError(folder, error);
      options.onWarning(`${message}; after a restart some frames may be offered twice`);
    });
    this.#kept = new KeptFrames(contents.kept);
    this.#taken = new TakenFiles(contents.taken);
    this.#failed = new FailedFrames(folder, contents.failed, (job) => this.#later(job));
    this.#lastSeq = contents.lastSeq;
    this.#identity = contents.identity;
    for (const seq of contents.damaged) this.#failed.addNameless(seq);
    this.#rewrite();
  }

  /** Aborts when the spool is not ours any more. */
  get lost(): AbortSignal {
    return this.#lock.lost;
  }

  get counts(): SpoolCounts {
    const { waiting, sending, accepted } = this.#kept.inState;
    return { waiting: waiting + sending, accepted, failed: this.#failed.size };
  }

  /** Whether frames wait outside: what is accepted must become safe before there is room for more. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Who accepted frames last; null before the first look. */
  get identity(): Identity | null {
    return this.#identity;
  }

  /** Whether the backend has to be asked for its list: frames or files depend on it. */
  get isToBeCompared(): boolean {
    const { accepted, durable } = this.#kept.inState;
    return this.#taken.size > 0 || accepted + durable > 0;
  }

  /** The file that was last taken under a name, in whatever run. */
  takenBefore(name: string): TakenFile | undefined {
    return this.#taken.byName.get(name);
  }

  /** Resolves at the next change of any frame, or when the signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return this.#bell.next(signal);
  }

  /**
   * Keep a frame: when this resolves it is on disk. Waits while there is no room. `file` is what it was read from.
   * Several may be put at once; they are sent in the order of the calls.
   * Returns false when the frame is in the spool already.
   * Throws `bad_input` when the folder cannot be used, `partial` when nothing can make room, and the signal's reason
   * when it aborts.
   */
  async put(frame: SpoolFrame, file: FileVersion | null, signal: AbortSignal): Promise<boolean> {
    const frameId = frame.meta.frame_id;
    const known = this.#kept.byId(frameId);
    if (known !== undefined) {
      this.#take({ ...known, file });
      return false;
    }
    const pieces = encodeFrame(frame);
    const sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0);
    const seq = ++this.#lastSeq;
    const before = this.#putting;
    const putting = this.#write(framePath(this.folder, seq), pieces, { sizeBytes, signal })
      .finally(() => before)
      .then(() => this.#add({ seq, frameId, name: frame.frame.name, sizeBytes, file }, frame));
    this.#putting = putting.catch(() => undefined);
    await putting;
    return true;
  }

  /** The next frame to be sent, now under way; null when none waits. */
  next(): KeptFrame | null {
    const frame = this.#kept.firstWaiting();
    if (frame !== null) this.#kept.move(frame, "sending");
    return frame;
  }

  /** What a kept frame holds. Null when its file is damaged: then it is set aside, and its source is read again. */
  async read(kept: KeptFrame): Promise<SpoolFrame | null> {
    const { seq } = kept;
    const frame = this.#recent.take(seq) ?? (await readFrame(this.folder, seq));
    if (frame !== null) return frame;
    this.refused(seq, kept.file === null ? DAMAGED : `${DAMAGED}; the next run reads its file again`);
    if (this.#taken.forget(kept)) this.#rewrite();
    return null;
  }

  /** The backend has accepted a frame. Returns whether it did so for the first time. */
  accepted(seq: number, sessionId: string): boolean {
    const frame = this.#kept.get(seq);
    if (frame === undefined) return false;
    const isFirst = frame.sessionId === null;
    this.#kept.move(frame, "accepted");
    frame.sessionId = sessionId;
    this.#journal.append({ kind: "accepted", seq, sessionId });
    this.#bell.ring();
    return isFirst;
  }

  /** A frame under way was not sent after all: it waits again, in its old place. */
  returned(seq: number): void {
    const frame = this.#kept.get(seq);
    if (frame === undefined) return;
    this.#kept.waitAgain([frame]);
    this.#bell.ring();
  }

  /** The backend will never take a frame: set it aside with the reason. */
  refused(seq: number, reason: string): void {
    const frame = this.#kept.get(seq);
    if (frame === undefined) return;
    this.#kept.delete(frame);
    this.#failed.add({ seq, frameId: frame.frameId, name: frame.name, reason, sizeBytes: frame.sizeBytes });
    this.#bell.ring();
  }

  /** Frames that the backend has accepted. */
  sent(): KeptFrame[] {
    return this.#kept.sent();
  }

  /**
   * Apply what a look at the backend showed. `candidates` are the frames that had been accepted before the look.
   * Throws `partial` when the backend loses the same frames again and again.
   */
  reconcile(look: Look, candidates: readonly KeptFrame[]): Reconciled {
    const change = changeOf(this.#identity, look.identity);
    const context = { change, isFirst: !this.#hasLooked };
    const { again, over } = this.#judgeFrames(look, change, candidates);
    const forgotten = this.#taken.judge(
      look,
      context,
      // What was refused stays so in this session; another may take it.
      ({ seq, frameId }) =>
        this.#kept.get(seq) !== undefined || (change === "none" && this.#failed.has(frameId)),
    );
    this.#identity = look.identity;
    this.#hasLooked = true;
    if (change !== "none" || again.length + over + forgotten > 0) this.#rewrite();
    else if (context.isFirst) this.#journal.append({ kind: "session", ...look.identity });
    this.#bell.ring();
    const lost = again.find(({ returns }) => returns > MAX_RETURNS);
    if (lost !== undefined) throw forgetful(lost.name, lost.returns);
    return { ...context, again: again.length, over, forgotten };
  }

  /** Let go of what the backend holds for good, and of the spool. Frames that it does not hold stay on disk. */
  async close(): Promise<void> {
    // What is another's by now is not ours to touch.
    const durable = this.lost.aborted ? [] : this.sent().filter(({ state }) => state === "durable");
    for (const frame of durable) this.#remove(frame);
    await this.#work;
    await this.#journal.close();
    await this.#lock.release();
  }

  #judgeFrames(look: Look, change: Change, candidates: readonly KeptFrame[]) {
    const again: KeptFrame[] = [];
    let over = 0;
    for (const frame of candidates) {
      if (frame.state !== "accepted" && frame.state !== "durable") continue;
      const verdict = judgeFrame(frame, look, change);
      if (verdict === "again") again.push(frame);
      else if (verdict === "over") {
        this.#remove(frame);
        over++;
      } else if (verdict !== frame.state) {
        if (verdict === "durable") this.#journal.append({ kind: "durable", seq: frame.seq });
        this.#kept.move(frame, verdict);
      }
      frame.returns = verdict === "durable" ? 0 : frame.returns + Number(verdict === "again");
    }
    if (again.length > 0) this.#kept.waitAgain(again);
    return { again, over };
  }

  /** A frame has been written: from here on it waits to be sent. */
  #add(kept: Omit<KeptFrame, "state" | "sessionId" | "returns">, frame: SpoolFrame): void {
    const waiting: KeptFrame = { ...kept, state: "waiting", sessionId: null, returns: 0 };
    this.#kept.add(waiting);
    this.#recent.add(kept.seq, frame);
    this.#take(waiting);
    // The same picture failed before; now it has another chance.
    this.#failed.delete(kept.frameId);
    this.#bell.ring();
  }

  #take(frame: KeptFrame): void {
    const { seq, frameId, name, sizeBytes, file } = frame;
    this.#taken.take(frame);
    this.#journal.append({ kind: "taken", seq, frameId, name, sizeBytes, file });
  }

  /** Write a frame, waiting for room in the budget and on the disk. */
  async #write(
    path: string,
    pieces: Uint8Array[],
    { sizeBytes, signal }: { sizeBytes: number; signal: AbortSignal },
  ): Promise<void> {
    const { maxBytes, giveUpAfterMs } = this.#options;
    const patience = new Patience(giveUpAfterMs);
    const budget = `its budget of ${Number((maxBytes / 1e9).toPrecision(3))} GB`;
    for (;;) {
      signal.throwIfAborted();
      this.lost.throwIfAborted();
      const usedBytes = this.#kept.sizeBytes + this.#failed.sizeBytes + this.#writingBytes;
      if (usedBytes > 0 && usedBytes + sizeBytes > maxBytes) {
        if (this.#kept.size === 0 && this.#writingBytes === 0) throw spoolFull(this.folder, budget);
        await this.#makeRoom(signal, budget);
        continue;
      }
      this.#writingBytes += sizeBytes;
      try {
        await writeDurably(path, pieces);
        this.#isFull = false;
        return;
      } catch (error) {
        if (!NO_ROOM.has((error as NodeJS.ErrnoException).code ?? "")) throw spoolError(this.folder, error);
        if (this.#kept.size > 0) patience.answered();
        else if (patience.isOver) throw spoolFull(this.folder, "its disk");
        await this.#makeRoom(AbortSignal.any([signal, AbortSignal.timeout(DISK_RETRY_MS)]), "its disk");
      } finally {
        this.#writingBytes -= sizeBytes;
      }
    }
  }

  /** Let the oldest frame go that the backend holds for good; when there is none, wait for a change. */
  async #makeRoom(signal: AbortSignal, what: string): Promise<void> {
    const durable = this.#kept.oldestDurable();
    if (durable !== null) {
      this.#remove(durable);
      return await this.#work;
    }
    if (!this.#isFull) {
      this.#isFull = true;
      this.#options.onWarning(
        `the spool ${this.folder} is full (${what}): ${this.counts.waiting} frames wait for the backend. ` +
          "Nothing is dropped; new images are taken up when there is room",
      );
      this.#bell.ring();
    }
    await this.changed(signal);
  }

  #remove(frame: KeptFrame): void {
    this.#kept.delete(frame);
    this.#later(() => rm(framePath(this.folder, frame.seq), { force: true }));
  }

  #rewrite(): void {
    const [kept, taken] = [this.#kept.bySeq, this.#taken.byName];
    const [failed, identity] = [this.#failed.values(), this.#identity];
    void this.#journal.rewrite(journalLines({ kept, taken, failed, identity }));
  }

  /** Work on files, one after the other. What fails is told; the frame is then found again by the next run. */
  #later(job: () => Promise<void>): void {
    this.#work = this.#work.then(job).catch((error: unknown) => {
      this.#options.onWarning(spoolError(this.folder, error).message);
    });
  }
}
