/** Brings entries of the bucket into a folder: in parallel, whole or not at all, each verified. */
import { setMaxListeners } from "node:events";
import { SplatError, toSplatError } from "../errors.ts";
import { isForUser, type RetryPace } from "../remote/r2-pace.ts";
import type { BucketReader } from "../remote/r2-read.ts";
import { downloadFile } from "./download-file.ts";
import { isCaseBlind, openPlace, type Place } from "./download-place.ts";
import { planDownload, type Planned } from "./download-plan.ts";
import type { Entry } from "./entry.ts";
import { Hasher } from "./file-hash.ts";
import { fileTrouble, folderTrouble } from "./folder-trouble.ts";
import { MOST_SPARE_STREAMS, PARALLEL } from "./parallel.ts";

export interface DownloadOptions {
  /** Where to: `<folder>/<scene>/<session id>/<name>`, and a SHA256SUMS (as `sha256sum -c` reads it) beside the files. */
  readonly folder: string;
  /** Files at a time; a large one takes up to as many requests again. Default 16. */
  readonly parallel?: number | undefined;
  /** Large files come in ranges of this size, those of up to two of them by one request. Default 16 MiB. */
  readonly partBytes?: number | undefined;
  /** How long to wait before another attempt. */
  readonly pace?: RetryPace | undefined;
  readonly onEvent?: ((event: DownloadEvent) => void) | undefined;
}

export type DownloadEvent =
  /** Bytes that an earlier run left and that need not come again. */
  | { readonly kind: "resumed"; readonly entry: Entry; readonly bytes: number }
  /** Bytes that came. */
  | { readonly kind: "progress"; readonly entry: Entry; readonly bytes: number }
  /** An attempt failed and is made again after `waitMs`. `bytes` of those that were reported are lost and come again. */
  | {
      readonly kind: "retry";
      readonly entry: Entry;
      readonly error: SplatError;
      readonly waitMs: number;
      readonly bytes: number;
    }
  | { readonly kind: "done"; readonly result: DownloadResult };

/** What became of an entry. */
export interface DownloadResult {
  readonly entry: Entry;
  /** Where it lies, or would; empty when its key cannot become a path. */
  readonly path: string;
  /** `already`: it was there and whole. */
  readonly outcome: "downloaded" | "already" | "failed";
  readonly sizeBytes: number;
  /** Of the file as it lies there, hex; null when it failed. */
  readonly sha256: string | null;
  /** Bytes that an earlier run had left and that did not have to come again. */
  readonly resumedBytes: number;
  /** Set when it failed. */
  readonly error: SplatError | null;
}

/** However few come at a time, fewer refusals in a row do not tell that all are refused. */
const FEWEST_REFUSALS = 3;

/**
 * Download `entries`. One that fails does not hold up the others: its result says why. Throws `interrupted` when the
 * signal aborts (what came of half files is kept for the next run), `bad_input` when the folder cannot be written or
 * another program is downloading into it, and `not_configured` when the bucket refuses everything, or so many in a row
 * that nothing else is to be expected.
 *
 * A file that is there already and differs is replaced, once the new one is whole; until then the old one stays.
 */
export async function downloadEntries(
  reader: BucketReader,
  entries: readonly Entry[],
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<readonly DownloadResult[]> {
  return await new Run(reader, entries, options, signal).results();
}

/** One call of `downloadEntries`. */
class Run {
  readonly #reader: BucketReader;
  readonly #entries: readonly Entry[];
  readonly #options: DownloadOptions;
  readonly #outer: AbortSignal;
  readonly #controller = new AbortController();
  readonly #hasher = new Hasher();
  readonly #places = new Map<string, Promise<Place>>();
  /** Entries that still have to come, by their folder. */
  readonly #left = new Map<string, number>();
  readonly #spare: { count: number };
  readonly #parallel: number;
  /** Files that were refused since bytes last came, and in all. */
  #refusedInARow = 0;
  #refused = 0;

  constructor(
    reader: BucketReader,
    entries: readonly Entry[],
    options: DownloadOptions,
    signal: AbortSignal,
  ) {
    this.#reader = reader;
    this.#entries = entries;
    this.#options = options;
    this.#outer = signal;
    // One for each file.
    setMaxListeners(0, this.#controller.signal);
    this.#parallel = options.parallel ?? PARALLEL;
    this.#spare = { count: Math.min(this.#parallel - 1, MOST_SPARE_STREAMS) };
  }

  async results(): Promise<readonly DownloadResult[]> {
    const stop = (): void => this.#stop(interruption(this.#outer));
    if (this.#outer.aborted) stop();
    this.#outer.addEventListener("abort", stop, { once: true });
    this.#controller.signal.addEventListener("abort", () => void this.#hasher.close(), { once: true });
    try {
      const results = await this.#downloadAll();
      this.#controller.signal.throwIfAborted();
      return results;
    } finally {
      this.#outer.removeEventListener("abort", stop);
      // Only after a failure are there any left, and then that failure is what counts.
      await Promise.allSettled([...this.#places.keys()].map((folder) => this.#leave(folder)));
      await this.#hasher.close();
    }
  }

  /** Ends everything with this error; the first one counts. */
  #stop(error: unknown): void {
    this.#controller.abort(error);
  }

  async #downloadAll(): Promise<DownloadResult[]> {
    const { folder: root } = this.#options;
    const planned = await planDownload(root, this.#entries, () => isCaseBlind(root));
    for (const { entry, folder } of planned.filter((each) => each.error === null)) {
      this.#hasher.expect(entry.sizeBytes);
      this.#left.set(folder, (this.#left.get(folder) ?? 0) + 1);
    }
    const results: DownloadResult[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < planned.length && !this.#controller.signal.aborted) {
        const at = next++;
        const result = await this.#download(planned[at]);
        if (result === null) return;
        results[at] = result;
        this.#options.onEvent?.({ kind: "done", result });
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#parallel, planned.length) }, work));
    if (this.#refused > 0 && this.#refused === results.length) throw results[0].error;
    return results;
  }

  /** null when everything ends. */
  async #download({ entry, folder, path, error }: Planned): Promise<DownloadResult | null> {
    if (error !== null) return failed(entry, path, error);
    try {
      const result = await this.#downloadInto(await this.#enter(folder), entry, path);
      const left = (this.#left.get(folder) ?? 0) - 1;
      this.#left.set(folder, left);
      if (left === 0) await this.#leave(folder);
      return result;
    } catch (thrown) {
      this.#stop(folderTrouble(thrown, folder) ?? toSplatError(thrown));
      return null;
    }
  }

  /** Throws for what the next entry would meet as well. */
  async #downloadInto(place: Place, entry: Entry, path: string): Promise<DownloadResult> {
    const { partBytes, pace } = this.#options;
    const onEvent = (event: DownloadEvent): void => {
      if (event.kind === "progress") this.#refusedInARow = 0;
      this.#options.onEvent?.(event);
    };
    const task = {
      reader: this.#reader,
      entry,
      path,
      place,
      hasher: this.#hasher,
      spare: this.#spare,
      partBytes,
      pace,
      onEvent,
    };
    try {
      return await downloadFile(task, this.#controller.signal);
    } catch (thrown) {
      this.#controller.signal.throwIfAborted();
      if (isForUser(thrown) && !this.#mayBeRefusedAlone(thrown)) throw thrown;
      if (folderTrouble(thrown, place.folder) !== null) throw thrown;
      // Without the folder no other file can come either.
      await place.held;
      return failed(entry, path, fileTrouble(thrown, path) ?? toSplatError(thrown));
    }
  }

  /** Rules for one object, or keys for some, say so with 403 as those do that know none: then all others follow. */
  #mayBeRefusedAlone(thrown: unknown): boolean {
    const { status, code, isForeign = false } = (thrown as SplatError).refusal ?? {};
    if (status !== 403 || (code !== "AccessDenied" && !isForeign)) return false;
    this.#refused++;
    return ++this.#refusedInARow < Math.max(FEWEST_REFUSALS, this.#parallel);
  }

  async #enter(folder: string): Promise<Place> {
    const entered =
      this.#places.get(folder) ??
      openPlace(this.#options.folder, folder, (error) => this.#stop(error), this.#controller.signal);
    this.#places.set(folder, entered);
    return await entered;
  }

  async #leave(folder: string): Promise<void> {
    const place = this.#places.get(folder);
    this.#places.delete(folder);
    await (await place)?.close();
  }
}

function interruption({ reason }: AbortSignal): SplatError {
  return reason instanceof SplatError ? reason : new SplatError("interrupted", "interrupted");
}

function failed(entry: Entry, path: string, error: SplatError): DownloadResult {
  return { entry, path, outcome: "failed", sizeBytes: 0, sha256: null, resumedBytes: 0, error };
}
