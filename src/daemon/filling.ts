/** Puts a source's frames into the spool as they come, with the joints around their shutters. */
import { setMaxListeners } from "node:events";
import type { Frame, Sample } from "../capture/sample.ts";
import { toSplatError, type SplatError } from "../errors.ts";
import type { Spool } from "../queue/spool.ts";
import type { CaptureOptions } from "./capture-options.ts";
import type { CaptureSource } from "./capture-source.ts";
import type { CaptureListener, Tally } from "./capture-tally.ts";
import { toUpload, withJoints } from "./posing.ts";

/** What is filled, and from where. */
export interface FillingWork {
  readonly options: CaptureOptions;
  readonly source: CaptureSource;
  readonly listener: CaptureListener;
  readonly spool: Spool;
  readonly tally: Tally;
}

/** A disk takes several files in the time of one, and a frame may wait for the joints just after its shutter. */
const PUTS_AT_ONCE = 16;
/** How long frames that were read may take into the spool when the capture is to end: a full spool takes none. */
const KEEP_MS = 3000;

/** One pass over the source: to its end, else until it is stopped. */
interface Pass {
  readonly stop: AbortController;
  readonly filled: AbortController;
  readonly ended: Promise<void>;
}

/** Fills a spool from a source. */
export class Filling {
  readonly #work: FillingWork;
  readonly #interrupt: AbortSignal;
  readonly #failed = new AbortController();
  #pass: Pass | null = null;
  #fatal: SplatError | null = null;

  /** Nothing is read yet. The signal ends it, once what was read is in the spool. */
  constructor(work: FillingWork, interrupt: AbortSignal) {
    this.#work = work;
    this.#interrupt = interrupt;
  }

  /** Begin, unless it has begun. */
  begin(): void {
    if (this.#pass !== null) return;
    const [stop, filled] = [new AbortController(), new AbortController()];
    const ended = fill(this.#work, AbortSignal.any([this.#interrupt, stop.signal]))
      .catch((thrown: unknown) => {
        this.#fatal = toSplatError(thrown);
        this.#failed.abort(this.#fatal);
      })
      .finally(() => filled.abort());
    this.#pass = { stop, filled, ended };
  }

  /** Look through the folder from the start: files that an earlier run took are to be read anew. */
  async again(): Promise<void> {
    await this.stop();
    this.#work.tally.lookAgain();
    this.#pass = null;
    this.begin();
  }

  /** Aborts when everything that there is has been put; to be asked for after it has begun. */
  get filled(): AbortSignal {
    return this.#pass?.filled.signal ?? AbortSignal.abort();
  }

  /** Aborts when the source cannot be read any more. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Why it failed; null while it has not. */
  get fatal(): SplatError | null {
    return this.#fatal;
  }

  /** Take nothing more; resolves when what was read is in the spool. */
  async stop(): Promise<void> {
    this.#pass?.stop.abort();
    await this.#pass?.ended;
  }
}

async function fill(work: FillingWork, signal: AbortSignal): Promise<void> {
  const { options, source, spool, tally } = work;
  const failed = new AbortController();
  const taking = AbortSignal.any([signal, failed.signal]);
  // What was read before the end is still put where it is safe, with the joints that are known now.
  const keeping = new AbortController();
  const giveUp = (): void => keeping.abort(taking.reason);
  taking.addEventListener(
    "abort",
    () => {
      if (failed.signal.aborted) giveUp();
      else setTimeout(giveUp, KEEP_MS).unref();
    },
    { once: true },
  );
  // Each frame under way listens to it, and what it waits for.
  setMaxListeners(4 * PUTS_AT_ONCE, keeping.signal);
  const putting = new Set<Promise<void>>();
  let turn: Promise<unknown> = Promise.resolve();
  for await (const sample of source.frames(work, taking)) {
    const put = putOne(sample)
      .catch((thrown: unknown) => failed.abort(thrown))
      .finally(() => putting.delete(put));
    putting.add(put);
    if (putting.size >= PUTS_AT_ONCE) await Promise.race(putting);
  }
  await Promise.all(putting);
  if (!signal.aborted) failed.signal.throwIfAborted();

  async function putOne(sample: Sample<Frame>): Promise<void> {
    const before = turn;
    // Joints are asked for at once, but frames enter the spool in the order they came.
    const mine = withJoints(sample, options.joints, keeping.signal);
    turn = mine.then(() => before);
    await before;
    await spool.put(toUpload(await mine), sample.value.version, keeping.signal);
    tally.taken();
  }
}
