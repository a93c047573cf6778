/**
 * A file on its way: `.NAME.part` holds the bytes, `.NAME.part.json` says which of them are there and of which object,
 * so that the next run goes on from there. Only a whole and verified file gets its name.
 */
import { constants } from "node:fs";
import { lstat, open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { writeDurably } from "../files/durable.ts";
import type { ContentHash } from "./file-hash.ts";
import { countBytes, prefixBytes, spansBelow, withSpan, type Span } from "./spans.ts";

/** Which object the bytes are of. */
export interface PartSource {
  /** Quotes included. */
  readonly etag: string;
  readonly sizeBytes: number;
  /** As it is kept with the object, hex. */
  readonly sha256: string | null;
  /** Unix seconds. */
  readonly modifiedS: number | null;
}

const recordSchema = z.object({
  etag: z.string(),
  sizeBytes: z.int().nonnegative(),
  sha256: z.string().nullable(),
  modifiedS: z.number().nullable(),
  /** Each `[start, end)`. */
  spans: z.array(z.tuple([z.int().nonnegative(), z.int().nonnegative()])),
});

/** What is not on the disk yet is brought there while more comes, not all at the end. */
const SYNC_EVERY_BYTES = 64 * 2 ** 20;
/** How much may come again after a kill. */
const RECORD_EVERY_MS = 1000;
/** Less is not worth a record: it comes again. */
const RECORDED_BYTES = 256 * 1024;
/** Given up at a half file's end when a full disk has no room for its record. */
const ROOM_FOR_RECORD_BYTES = 64 * 1024;

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

/** What a half file has to know of who may write into its folder. */
export interface FolderHold {
  /** Resolves, with the names of what is there, when the folder is ours: nothing in it may be touched before. */
  readonly held: Promise<{ readonly names: ReadonlySet<string> }>;
  /** It is ours no more: nothing in it may be touched any more. */
  readonly isLost: boolean;
  /** Throws when it is ours no more; certain, where `isLost` may be late. */
  confirm(): Promise<void>;
}

/** Names of half files and their records begin and end so. */
export function isPartName(name: string): boolean {
  return /^\..+\.part(?:\.json)?(?:\.part)?$/s.test(name);
}

/** Where the bytes of a file on its way to `path` lie. */
export function partPathOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.part`);
}

/** See the top of the file. Its methods throw what the file system throws. */
export class PartFile {
  readonly #path: string;
  readonly #partPath: string;
  readonly #recordPath: string;
  readonly #hold: FolderHold;
  #opening: Promise<FileHandle> | null = null;
  #spans: readonly Span[];
  #source: PartSource | null;
  #hash: ContentHash | null = null;
  #unsyncedBytes = 0;
  #background: Promise<unknown> | null = null;
  /** The first sync that failed: the system tells it once, and a later one knows nothing of it (fsync(2)). */
  #syncTrouble: Error | null = null;
  #isClosed = false;
  #timer: NodeJS.Timeout | null = null;
  /** The spans of the last record. */
  #recorded: readonly Span[] | null = null;
  #hasRecord: boolean;

  private constructor(path: string, hold: FolderHold, kept: Kept | null) {
    this.#path = path;
    this.#partPath = partPathOf(path);
    this.#recordPath = `${this.#partPath}.json`;
    this.#hold = hold;
    this.#spans = kept?.spans ?? [];
    this.#source = kept?.source ?? null;
    this.#hasRecord = kept !== null;
  }

  /** Begin one with nothing in it. Nothing is touched before the folder is held, nor before the first bytes are there. */
  static create(path: string, hold: FolderHold): PartFile {
    return new PartFile(path, hold, null);
  }

  /** Go on with what an earlier run left. What cannot be used is removed; null when nothing is left then. */
  static async resume(path: string, hold: FolderHold): Promise<PartFile | null> {
    const { names } = await hold.held;
    const kept = await readKept(partPathOf(path));
    if (kept !== null) return new PartFile(path, hold, kept);
    await removeParts(path, names);
    return null;
  }

  /** Of which object the bytes are; null until that is known. */
  get source(): PartSource | null {
    return this.#source;
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }

  get keptBytes(): number {
    return countBytes(this.#spans);
  }

  /** From now on bytes are of that object; without an ETag they are worth nothing to another run. */
  setSource(source: PartSource | null): void {
    this.#source = source;
  }

  /** Tell `hash` of all that is written. */
  followedBy(hash: ContentHash): void {
    this.#hash = hash;
    hash.wrote(0, [], prefixBytes(this.#spans));
  }

  /** The open file. */
  async handle(): Promise<FileHandle> {
    if (this.#isClosed) throw new Error("a half file that was closed");
    this.#opening ??= this.#open();
    return await this.#opening;
  }

  /** Write `pieces` at `start`. What fits on a full disk counts, and then it throws. */
  async write(start: number, pieces: readonly Uint8Array[]): Promise<void> {
    const file = await this.handle();
    let at = start;
    for (let left = pieces; left.length > 0;) {
      const { bytesWritten } = await (left.length === 1
        ? file.write(left[0], 0, left[0].length, at)
        : file.writev(left, at));
      this.#spans = withSpan(this.#spans, { start: at, end: at + bytesWritten });
      at += bytesWritten;
      left = piecesFrom(left, bytesWritten);
    }
    this.#hash?.wrote(start, pieces, prefixBytes(this.#spans));
    this.#beginRecords(file);
    this.#unsyncedBytes += at - start;
    if (this.#unsyncedBytes < SYNC_EVERY_BYTES) return;
    this.#unsyncedBytes = 0;
    this.#behind(() => this.#sync(file));
  }

  /** Forget all bytes: another object may come in their stead, and be shorter. */
  async clear(): Promise<void> {
    const file = await this.handle();
    await this.#background;
    this.#hash?.drop();
    this.#hash = null;
    this.#source = null;
    this.#spans = [];
    await file.truncate(0);
  }

  /** All bytes are there: set the file's time (Unix seconds) and bring it to the disk. */
  async seal(modifiedS: number | null): Promise<void> {
    const file = await this.handle();
    this.#stopRecords();
    await this.#background;
    if (modifiedS !== null) await file.utimes(modifiedS, modifiedS);
    await file.sync();
    if (this.#syncTrouble !== null) throw this.#syncTrouble;
  }

  /**
   * Sealed and verified: give it its name. The folder is not synced. Throws what the hold throws when the folder is
   * another's by now.
   */
  async publish(): Promise<void> {
    const file = await this.handle();
    await this.#hold.confirm();
    // Worth its system calls only where it took long enough for others to come by.
    if (this.#hasRecord && !(await this.#hasOurFile(file))) throw new Error("the half file is another's");
    await this.#close();
    await rename(this.#partPath, this.#path);
    if (this.#hasRecord) await rm(this.#recordPath, { force: true });
  }

  /** Keep what is there for the next run, or nothing where that is not worth it. */
  async keep(): Promise<void> {
    if (this.#opening === null) return;
    this.#stopRecords();
    try {
      const file = await this.handle();
      await this.#background;
      if (this.#hold.isLost) return;
      const isOfUse = this.#source !== null && this.#syncTrouble === null && this.keptBytes >= RECORDED_BYTES;
      if (!isOfUse) return await this.discard();
      await this.#record(file).catch(async (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        await this.#makeRoom(file);
        await this.#record(file);
      });
    } finally {
      await this.#close();
    }
  }

  /** Throw the bytes away. */
  async discard(): Promise<void> {
    await this.#close();
    this.#spans = [];
    this.#source = null;
    if (this.#hold.isLost) return;
    await rm(this.#recordPath, { force: true });
    await rm(this.#partPath, { force: true });
    this.#hasRecord = false;
  }

  async #open(): Promise<FileHandle> {
    const { names } = await this.#hold.held;
    if (this.#hasRecord) return await open(this.#partPath, O_RDWR | O_NOFOLLOW);
    // One that another left between our first look and now.
    if (names.has(basename(this.#recordPath))) await rm(this.#recordPath, { force: true });
    try {
      return await this.#create();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      // A new file even then: into the old one an owner may write that slept, and a link is none of ours.
      await rm(this.#partPath, { force: true });
      return await this.#create();
    }
  }

  #create(): Promise<FileHandle> {
    return open(this.#partPath, O_RDWR | O_CREAT | O_EXCL, 0o666);
  }

  /** Whether the file of that name is the one that we have open. */
  async #hasOurFile(file: FileHandle): Promise<boolean> {
    const [named, ours] = [await lstat(this.#partPath), await file.stat()];
    return named.ino === ours.ino && named.dev === ours.dev;
  }

  /** While bytes come: to the disk with what there is, and now and then a record of it. One at a time. */
  #behind(work: () => Promise<void>): void {
    // What a sync throws is kept; a record is of use to another run only.
    this.#background ??= work()
      .catch(() => undefined)
      .finally(() => (this.#background = null));
  }

  async #sync(file: FileHandle): Promise<void> {
    try {
      await file.datasync();
    } catch (error) {
      this.#syncTrouble ??= error as Error;
      throw error;
    }
  }

  /** A record now and then, for a kill that nobody sees coming. */
  #beginRecords(file: FileHandle): void {
    if (this.#isClosed || this.#timer !== null || (this.#source?.sizeBytes ?? 0) < RECORDED_BYTES) return;
    this.#timer = setInterval(() => {
      if (this.#spans !== this.#recorded) this.#behind(() => this.#record(file));
    }, RECORD_EVERY_MS);
    this.#timer.unref();
  }

  async #record(file: FileHandle): Promise<void> {
    if (this.#source === null || this.#hold.isLost) return;
    this.#recorded = this.#spans;
    const spans = this.#spans.map(({ start, end }): [number, number] => [start, end]);
    const { etag, sizeBytes, sha256, modifiedS } = this.#source;
    const record: z.infer<typeof recordSchema> = { etag, sizeBytes, sha256, modifiedS, spans };
    // What it names must be there after a power cut too.
    await this.#sync(file);
    await this.#hold.confirm();
    this.#hasRecord = true;
    await writeDurably(this.#recordPath, [Buffer.from(JSON.stringify(record))]);
  }

  async #makeRoom(file: FileHandle): Promise<void> {
    const end = Math.max(0, (this.#spans.at(-1)?.end ?? 0) - ROOM_FOR_RECORD_BYTES);
    await file.truncate(end);
    this.#spans = spansBelow(this.#spans, end);
  }

  #stopRecords(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#stopRecords();
    this.#hash?.drop();
    this.#hash = null;
    const opening = this.#opening;
    this.#opening = null;
    await this.#background;
    await (await opening?.catch(() => null))?.close();
  }
}

/** Remove what a half file of `path` may have left, of what `names` says that it is there. */
export async function removeParts(path: string, names: ReadonlySet<string>): Promise<void> {
  const partPath = partPathOf(path);
  // The record first: without the bytes it would be wrong.
  for (const each of [`${partPath}.json.part`, `${partPath}.json`, partPath])
    if (names.has(basename(each))) await rm(each, { force: true });
}

interface Kept {
  readonly source: PartSource;
  readonly spans: readonly Span[];
}

/** What a record and its half file say together; null when they do not fit each other. */
async function readKept(partPath: string): Promise<Kept | null> {
  try {
    const record = recordSchema.parse(JSON.parse(await readFile(`${partPath}.json`, "utf8")));
    const stats = await lstat(partPath);
    const { spans: pairs, ...source } = record;
    let spans: readonly Span[] = [];
    for (const [start, end] of pairs) spans = withSpan(spans, { start, end });
    const end = spans.at(-1)?.end ?? 0;
    if (!stats.isFile() || end === 0 || end > stats.size || stats.size > source.sizeBytes) return null;
    return { source, spans };
  } catch {
    return null;
  }
}

function piecesFrom(pieces: readonly Uint8Array[], from: number): readonly Uint8Array[] {
  let left = from;
  for (const [i, piece] of pieces.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(i + 1)];
    left -= piece.length;
  }
  return [];
}
