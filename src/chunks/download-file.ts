/** Brings one entry into its folder: skips what is whole there, resumes, verifies, and only then gives it its name. */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { SplatError } from "../errors.ts";
import type { RetryPace } from "../remote/r2-pace.ts";
import type { BucketReader } from "../remote/r2-read.ts";
import type { DownloadEvent, DownloadResult } from "./download.ts";
import type { Place } from "./download-place.ts";
import { fetchObject, type SpareStreams } from "./download-parts.ts";
import type { Entry } from "./entry.ts";
import type { ContentHash, Digests, Hasher } from "./file-hash.ts";
import { shownKey } from "./local-path.ts";
import { PartFile, partPathOf, removeParts, type PartSource } from "./part-file.ts";
import { countBytes, prefixBytes } from "./spans.ts";

export interface FileTask {
  readonly reader: BucketReader;
  readonly entry: Entry;
  readonly path: string;
  readonly place: Place;
  readonly hasher: Hasher;
  readonly spare: SpareStreams;
  readonly partBytes: number | undefined;
  readonly pace: RetryPace | undefined;
  readonly onEvent: (event: DownloadEvent) => void;
}

/** How often an object may change while it is being fetched. */
const MOST_CHANGES = 3;

/** What is known of an object beside its bytes: from its entry, and from the first answer. */
type Facts = Pick<PartSource, "sha256" | "modifiedS"> & {
  readonly etag: string | null;
  readonly sizeBytes: number | null;
};

/** Throws for what keeps the entry from being there and whole; what came of it is kept then, where it is of use. */
export async function downloadFile(task: FileTask, signal: AbortSignal): Promise<DownloadResult> {
  const present = await findWhole(task, signal);
  if (present !== null) {
    // A crash may have left the record of what is whole by now.
    if (task.place.has(recordNameOf(task.path))) await removeParts(task.path, (await task.place.held).names);
    await task.place.add(task.entry.name, present.sha256);
    return resultOf(task, "already", present, 0);
  }
  let damage: SplatError | null = null;
  for (let changes = 0; ;) {
    const attempt = await begin(task);
    const outcome = await attempt.run(signal);
    if (outcome.kind === "whole") return outcome.result;
    if (outcome.kind === "missing") throw gone(task);
    // From scratch, whatever it was: changed bytes and damaged ones are of no use.
    const error = outcome.kind === "changed" ? changed(task) : outcome.error;
    if (outcome.kind === "changed" ? ++changes > MOST_CHANGES : damage !== null) throw error;
    if (outcome.kind === "damaged") damage = error;
    task.onEvent({ kind: "retry", entry: task.entry, error, waitMs: 0, bytes: outcome.lostBytes });
  }
}

type Outcome =
  | { readonly kind: "whole"; readonly result: DownloadResult }
  | { readonly kind: "missing" }
  | { readonly kind: "changed"; readonly lostBytes: number }
  | { readonly kind: "damaged"; readonly error: SplatError; readonly lostBytes: number };

/** Go on with what an earlier run left of this object, or begin anew. */
async function begin(task: FileTask): Promise<Attempt> {
  const { place, path, entry } = task;
  if (!place.has(recordNameOf(path))) return new Attempt(task, PartFile.create(path, place));
  const kept = await PartFile.resume(path, place);
  if (kept === null || kept.source === null) return new Attempt(task, PartFile.create(path, place));
  const { etag, sizeBytes } = kept.source;
  if (sizeBytes === entry.sizeBytes && (entry.etag === null || entry.etag === etag)) {
    task.onEvent({ kind: "resumed", entry, bytes: kept.keptBytes });
    return new Attempt(task, kept);
  }
  await kept.discard();
  return new Attempt(task, PartFile.create(path, place));
}

function recordNameOf(path: string): string {
  return basename(`${partPathOf(path)}.json`);
}

/** From an empty or half file to a whole one, or to why not. */
class Attempt {
  readonly #task: FileTask;
  readonly #part: PartFile;
  readonly #resumedBytes: number;
  #facts: Facts;
  #hash: ContentHash | null = null;

  constructor(task: FileTask, part: PartFile) {
    this.#task = task;
    this.#part = part;
    this.#resumedBytes = part.keptBytes;
    this.#facts = part.source ?? { etag: null, sizeBytes: null, sha256: null, modifiedS: null };
  }

  async run(signal: AbortSignal): Promise<Outcome> {
    const { entry, reader, spare, partBytes, pace, onEvent } = this.#task;
    const part = this.#part;
    try {
      if (part.source !== null) await this.#learn(part.source);
      const fetched = await fetchObject(
        {
          reader,
          key: entry.key,
          part,
          expectedBytes: entry.sizeBytes,
          spare,
          partBytes,
          pace,
          onBytes: (bytes) => onEvent({ kind: "progress", entry, bytes }),
          onRetry: (error, waitMs, bytes) => onEvent({ kind: "retry", entry, error, waitMs, bytes }),
          onHead: (head) => this.#learn(head),
        },
        signal,
      );
      if (fetched.kind !== "whole") return await this.#giveUp(fetched.kind);
      return await this.#finish(fetched.sizeBytes);
    } catch (error) {
      await part.keep().catch(() => undefined);
      throw error;
    }
  }

  async #learn(facts: Facts): Promise<void> {
    const part = this.#part;
    this.#facts = facts;
    const sizeBytes = facts.sizeBytes ?? this.#task.entry.sizeBytes;
    const withMd5 = expectedOf(this.#task.entry, facts).kind === "md5";
    this.#hash = await this.#task.hasher.begin(() => part.handle(), sizeBytes, withMd5);
    part.followedBy(this.#hash);
  }

  async #giveUp(kind: "missing" | "changed"): Promise<Outcome> {
    const lostBytes = this.#part.keptBytes;
    await this.#part.discard();
    return kind === "missing" ? { kind } : { kind, lostBytes };
  }

  /** What is wrong with the bytes that came, whatever they are; null when they are one object's, from first to last. */
  #gap(sizeBytes: number): string | null {
    const { spans } = this.#part;
    const isWhole = prefixBytes(spans) === sizeBytes && countBytes(spans) === sizeBytes;
    return isWhole ? null : `of its ${sizeBytes} bytes ${countBytes(spans)} came`;
  }

  async #finish(sizeBytes: number): Promise<Outcome> {
    const { entry, place } = this.#task;
    if (this.#hash === null) throw new Error("a file without a hash");
    // The thread still hashes while the disk still writes.
    const [digests] = await Promise.all([
      this.#hash.digests(sizeBytes),
      this.#part.seal(this.#facts.modifiedS),
    ]);
    const found = { ...digests, sizeBytes };
    const problem = this.#gap(sizeBytes) ?? problemOf(entry, this.#facts, found);
    if (problem !== null) {
      await this.#part.discard();
      return { kind: "damaged", error: damaged(this.#task, problem), lostBytes: sizeBytes };
    }
    await this.#part.publish();
    await place.add(entry.name, digests.sha256);
    return { kind: "whole", result: resultOf(this.#task, "downloaded", found, this.#resumedBytes) };
  }
}

type Expected = { readonly kind: "sha256" | "md5"; readonly sum: string } | { readonly kind: "nothing" };

/** The best that is known of an object's content: its SHA-256, else the MD5 that an ETag is after a single upload. */
function expectedOf({ sha256, etag }: Pick<Entry, "sha256" | "etag">, facts: Facts | null): Expected {
  const sum = sha256 ?? facts?.sha256 ?? null;
  if (sum !== null) return { kind: "sha256", sum: sum.toLowerCase() };
  const md5 = /^"([0-9a-f]{32})"$/i.exec(facts?.etag ?? etag ?? "")?.[1];
  return md5 === undefined ? { kind: "nothing" } : { kind: "md5", sum: md5.toLowerCase() };
}

/** What is wrong with a file, for people; null when nothing is. */
function problemOf(
  entry: Entry,
  facts: Facts,
  found: Digests & { readonly sizeBytes: number },
): string | null {
  const expected = expectedOf(entry, facts);
  // Listed sizes are as old as the listing, but may be all that there is to go by; those of status.json are for good.
  const isBlind = expected.kind === "nothing" && facts.sizeBytes === null;
  if ((entry.sha256 !== null || isBlind) && found.sizeBytes !== entry.sizeBytes) {
    return `it has ${found.sizeBytes} bytes instead of ${entry.sizeBytes}`;
  }
  if (expected.kind === "nothing" || found[expected.kind] === expected.sum) return null;
  return `its ${expected.kind === "md5" ? "MD5" : "SHA-256"} is not the one that the bucket names`;
}

/** The digests of a file that lies there under its name, if it is surely the entry's. */
async function findWhole(
  { entry, path, place, hasher }: FileTask,
  signal: AbortSignal,
): Promise<(Digests & { sizeBytes: number }) | null> {
  if (!place.has(entry.name)) return null;
  const stats = await stat(path).catch(() => null);
  if (stats === null || !stats.isFile() || stats.size !== entry.sizeBytes) return null;
  const expected = expectedOf(entry, null);
  const found = await hasher.hashFile(path, expected.kind === "md5").catch(() => null);
  signal.throwIfAborted();
  // What cannot be read is replaced.
  if (found === null) return null;
  if (expected.kind !== "nothing") return found[expected.kind] === expected.sum ? found : null;
  // Nothing tells what is in the object: the file is as we left it, and no older or newer than the object.
  const isOurs = (await place.held).sums.sumOf(entry.name) === found.sha256;
  return isOurs && Math.abs(stats.mtimeMs / 1000 - (entry.createdAtS ?? Infinity)) < 2 ? found : null;
}

function resultOf(
  { entry, path }: FileTask,
  outcome: "downloaded" | "already",
  { sha256, sizeBytes }: Digests & { readonly sizeBytes: number },
  resumedBytes: number,
): DownloadResult {
  return { entry, path, outcome, sizeBytes, sha256, resumedBytes, error: null };
}

function gone({ entry }: FileTask): SplatError {
  return new SplatError("refused", `${shownKey(entry)} is no longer in the bucket`, {
    hint: "See what there is with splatctl chunks ls.",
  });
}

function changed({ entry }: FileTask): SplatError {
  return new SplatError("refused", `${shownKey(entry)} changed in the bucket while it was being downloaded`, {
    hint: "Something writes it again and again; download it when that is done.",
  });
}

function damaged({ entry }: FileTask, problem: string): SplatError {
  return new SplatError("refused", `${shownKey(entry)} arrived damaged: ${problem}`, {
    hint: "It was fetched twice: the bucket's copy is damaged. Upload it again, or leave it out with --exclude.",
  });
}
