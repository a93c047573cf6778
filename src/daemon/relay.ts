/** The relay: joint readings in, kept for half a minute for whoever asks, and passed on to the backend. */
import { JointHistory, type JointReading, type JointsAtShutter } from "../robot/joint-history.ts";
import { preciseNowS, sleep } from "../time.ts";
import { AROUND, type JointLookup } from "./joint-lookup.ts";

/** How long readings are kept, seconds. */
const KEEP_S = 30;
/** A reading is still on its way for so long after it was taken, seconds; then it is not waited for any more. */
const GRACE_S = 0.06;
/** No shutter lies further ahead than this; a clock that was set back may say so. */
const MOST_WAIT_S = 0.5;
/** A stream that has been silent for so long has stopped: nobody waits for its next reading. Slow ones get more: */
const STOPPED_AFTER_S = 1;
/** so many of their usual intervals, */
const INTERVALS_TO_STOP = 3;
/** which are learnt from the newest few, and never taken for longer than this, seconds. */
const INTERVAL_WEIGHT = 0.2;
const MOST_INTERVAL_S = 5;

/** Someone waits for a reading not before `untilS`. */
interface Waiter {
  readonly untilS: number;
  readonly wake: () => void;
}

/** The joints of the last 30 s. `nowS` gives Unix seconds on the clock of the readings. */
export class Relay implements JointLookup {
  readonly #history = new JointHistory(KEEP_S);
  readonly #waiters = new Set<Waiter>();
  readonly #nowS: () => number;
  readonly #pass: (reading: JointReading) => void;
  #received = 0;
  #takenAtS: number | null = null;
  #intervalS: number | null = null;
  #lateS = 0;

  constructor(pass: (reading: JointReading) => void, nowS: () => number = preciseNowS) {
    this.#pass = pass;
    this.#nowS = nowS;
  }

  /** How many readings came. */
  get received(): number {
    return this.#received;
  }

  /** How many are kept. */
  get kept(): number {
    return this.#history.size;
  }

  /** Since the last one came, seconds; null before the first. */
  get silentS(): number | null {
    return this.#takenAtS === null ? null : Math.max(0, this.#nowS() - this.#takenAtS);
  }

  /** By how much the newest reading was older than it should be when it came, seconds; negative: from the future. */
  get lateS(): number {
    return this.#lateS;
  }

  /** Whether readings came, and come no more. */
  get hasStopped(): boolean {
    const patienceS = Math.max(STOPPED_AFTER_S, INTERVALS_TO_STOP * (this.#intervalS ?? 0));
    return (this.silentS ?? 0) > patienceS;
  }

  /** Take a reading from the source. @returns it. */
  take(reading: JointReading): JointReading {
    this.#received++;
    this.#learnInterval();
    this.#takenAtS = this.#nowS();
    this.#lateS = this.#takenAtS - reading.timeS;
    this.#history.add(reading);
    this.#pass(reading);
    for (const { untilS, wake } of this.#waiters) if (reading.timeS >= untilS) wake();
    return reading;
  }

  #learnInterval(): void {
    if (this.silentS === null) return;
    const intervalS = Math.min(this.silentS, MOST_INTERVAL_S);
    this.#intervalS ??= intervalS;
    this.#intervalS += INTERVAL_WEIGHT * (intervalS - this.#intervalS);
  }

  latest(): JointReading | null {
    return this.#history.latest();
  }

  at(timeS: number): JointsAtShutter | "awaited" | null {
    return this.#history.at(timeS);
  }

  async around(timeS: number, signal?: AbortSignal): Promise<readonly JointReading[]> {
    await this.#reach(timeS + AROUND.afterS, signal);
    return this.#history.between(timeS - AROUND.beforeS, timeS + AROUND.afterS);
  }

  /** Wait until a reading not before `untilS` is there, while it can still be expected. */
  async #reach(untilS: number, signal: AbortSignal | undefined): Promise<void> {
    const latest = this.latest();
    if (latest === null || latest.timeS >= untilS || this.hasStopped) return;
    const waitS = Math.min(untilS + GRACE_S - this.#nowS(), MOST_WAIT_S);
    if (waitS <= 0) return;
    // A plain listener: on Node 20 a long-lived signal keeps something of every AbortSignal.any made of it.
    const reached = new AbortController();
    const wake = (): void => reached.abort();
    const waiter: Waiter = { untilS, wake };
    this.#waiters.add(waiter);
    signal?.addEventListener("abort", wake);
    if (signal?.aborted === true) wake();
    await sleep(waitS * 1000, reached.signal).catch(() => undefined);
    signal?.removeEventListener("abort", wake);
    this.#waiters.delete(waiter);
  }
}
