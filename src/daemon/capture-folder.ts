/** Joins a watched folder and a backend: every frame that appears is sent, with what is known of its pose. */
import type { Client } from "../api/client.ts";
import { isDataset, readDataset, type Dataset, type DatasetFrame } from "../capture/dataset.ts";
import { requireFolder } from "../capture/folder-watch.ts";
import { watchFolder } from "../capture/folder.ts";
import { frameNameFilter, type NameRules } from "../capture/frame-names.ts";
import { folderHasSidecars } from "../capture/sidecar.ts";
import { SplatError, toSplatError } from "../errors.ts";
import { Patience, persist } from "../queue/persist.ts";
import { uploadFrames, type Upload, type UploadEvent } from "../queue/uploader.ts";
import { noPoseWarning, putDatasetScene, sendableFrames, toUpload } from "./posing.ts";

export interface CaptureOptions extends NameRules {
  readonly folder: string;
  /** Look into sub-folders; a data set does so by itself. */
  readonly recursive?: boolean | undefined;
  /** Send what is there and end. */
  readonly once?: boolean | undefined;
  /** Ignore transforms.json. */
  readonly ignoreDataset?: boolean | undefined;
  /** Most uploads started a second; default no cap. */
  readonly fps?: number | undefined;
  /** Uploads under way at once; default 4. */
  readonly inFlight?: number | undefined;
  /** How long the backend may go on not answering, seconds; default for ever, with `once` 60. */
  readonly giveUpAfterS?: number | undefined;
  /** After the signal: how long uploads under way may go on trying, milliseconds. */
  readonly drainMs?: number | undefined;
}

export interface CaptureCounts {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly unsent: number;
  /** Images that the data set does not name. */
  readonly skipped: number;
  /** Set while the backend is not taking frames: why, in words. */
  readonly waiting: string | null;
}

export interface CaptureListener {
  onCounts(counts: CaptureCounts): void;
  onNote(line: string): void;
  onWarning(line: string): void;
}

export interface CaptureSummary extends CaptureCounts {
  readonly reasons: readonly { readonly name: string; readonly reason: string }[];
  /** From the first frame taken to the last answer. */
  readonly seconds: number;
  readonly framesPerSecond: number;
  /** What ended the capture early; null when it ran to its end. */
  readonly fatal: SplatError | null;
}

const DEFAULT_IN_FLIGHT = 4;
const ONCE_GIVE_UP_S = 60;
const DRAIN_MS = 10_000;

/**
 * Send the frames of a folder to a backend until the signal aborts (or, with `once`, until all are sent), then see
 * through those under way. Throws `bad_input` when the folder or its transforms.json cannot be used, and what the
 * backend answers to the first questions; what happens later is in the summary.
 */
export async function captureFolder(
  client: Client,
  options: CaptureOptions,
  listener: CaptureListener,
  signal: AbortSignal,
): Promise<CaptureSummary> {
  await requireFolder(options.folder);
  const tally = new Tally(listener);
  const isPosed = options.ignoreDataset !== true && (await isDataset(options.folder));
  const dataset = isPosed ? await readDataset(options.folder, { allowMissing: options.once !== true }) : null;
  const giveUpAfterMs = (options.giveUpAfterS ?? (options.once === true ? ONCE_GIVE_UP_S : Infinity)) * 1000;
  await prepareScene(client, options, dataset, { tally, listener, giveUpAfterMs }, signal);
  const frames = dataset && sendableFrames(dataset, (name, reason) => tally.reject(name, reason));
  const fatal = await uploadFrames(
    (taking) => uploads(options, frames, tally, listener, taking),
    {
      client,
      inFlight: options.inFlight ?? DEFAULT_IN_FLIGHT,
      minIntervalMs: options.fps === undefined ? 0 : 1000 / options.fps,
      giveUpAfterMs,
      drainMs: options.drainMs ?? DRAIN_MS,
      onEvent: (event) => tally.add(event),
    },
    signal,
  ).catch(toSplatError);
  return tally.summary(fatal);
}

/** Ask the backend how it stands, give it the data set's lens, and warn when no pose will be known. */
async function prepareScene(
  client: Client,
  options: CaptureOptions,
  dataset: Dataset | null,
  context: { tally: Tally; listener: CaptureListener; giveUpAfterMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { tally, listener } = context;
  const patience = new Patience(context.giveUpAfterMs);
  const ask = async <T>(call: () => Promise<T>): Promise<T> => {
    const answer = await persist(call, { patience, signal, onWait: (error) => tally.wait(error) });
    if (answer.kind === "done") return answer.value;
    throw answer.kind === "stopped" ? new SplatError("interrupted", "interrupted") : answer.error;
  };
  const status = await ask(() => client.status(signal));
  tally.answered();
  if (dataset !== null) {
    listener.onNote(`data set: ${dataset.frames.length} posed frames`);
    dataset.notes.forEach((note) => listener.onNote(note));
    listener.onNote(await ask(() => putDatasetScene(client, dataset, signal)));
  } else if (
    status.joints_age_s === null &&
    !(await folderHasSidecars(options.folder, options.recursive === true))
  ) {
    listener.onWarning(noPoseWarning(options.folder));
  }
}

/** The folder's frames, ready to be sent. With a data set, only those it names. */
async function* uploads(
  options: CaptureOptions,
  posed: ReadonlyMap<string, DatasetFrame> | null,
  tally: Tally,
  listener: CaptureListener,
  signal: AbortSignal,
): AsyncGenerator<Upload> {
  const isFrame = frameNameFilter(options);
  const accepts = (name: string): boolean => {
    if (!isFrame(name)) return false;
    if (posed === null || posed.has(name)) return true;
    tally.skip(name);
    return false;
  };
  const folderOptions = {
    recursive: options.recursive === true || posed !== null,
    once: options.once,
    accepts,
    onRejected: (name: string, reason: string) => tally.reject(name, reason),
    onWarning: (line: string) => listener.onWarning(line),
  };
  for await (const sample of watchFolder(options.folder, folderOptions, signal)) {
    tally.start();
    yield toUpload(sample, posed?.get(sample.value.name));
  }
}

/** Counts what happens to frames and tells the listener. */
class Tally {
  readonly #listener: CaptureListener;
  readonly #counts = { accepted: 0, duplicates: 0, rejected: 0, unsent: 0, waiting: null as string | null };
  readonly #skipped = new Set<string>();
  readonly #reasons: { name: string; reason: string }[] = [];
  #startedMs: number | null = null;
  #endedMs = 0;
  #isOutageTold = false;

  constructor(listener: CaptureListener) {
    this.#listener = listener;
  }

  start(): void {
    this.#startedMs ??= Date.now();
  }

  add(event: UploadEvent): void {
    if (event.kind === "waiting") {
      this.wait(event.error);
      return;
    }
    this.#endedMs = Date.now();
    if (event.kind === "rejected") {
      this.answered();
      this.reject(event.name, event.reason);
      return;
    }
    if (event.kind === "unsent") this.#counts.unsent++;
    else {
      this.answered();
      this.#counts[event.duplicate ? "duplicates" : "accepted"]++;
    }
    this.#tell();
  }

  reject(name: string, reason: string): void {
    this.#counts.rejected++;
    this.#reasons.push({ name, reason });
    this.#tell();
  }

  skip(name: string): void {
    this.#skipped.add(name);
  }

  /** An attempt failed and another follows. A busy backend is no news; one that does not answer is told once. */
  wait(error: SplatError): void {
    const isBusy = error.refusal?.status === 429;
    this.#counts.waiting = isBusy ? "the backend is busy" : error.message;
    if (!isBusy && !this.#isOutageTold) {
      this.#isOutageTold = true;
      this.#listener.onWarning(`${error.message}; trying again until it answers`);
    }
    this.#tell();
  }

  answered(): void {
    if (this.#isOutageTold) this.#listener.onNote("the backend answers");
    this.#isOutageTold = false;
    this.#counts.waiting = null;
  }

  summary(fatal: SplatError | null): CaptureSummary {
    const seconds = this.#startedMs === null ? 0 : Math.max(this.#endedMs - this.#startedMs, 0) / 1000;
    const sent = this.#counts.accepted + this.#counts.duplicates;
    return {
      ...this.#counts,
      skipped: this.#skipped.size,
      reasons: this.#reasons,
      seconds,
      framesPerSecond: seconds > 0 ? sent / seconds : 0,
      fatal,
    };
  }

  #tell(): void {
    this.#listener.onCounts({ ...this.#counts, skipped: this.#skipped.size });
  }
}
