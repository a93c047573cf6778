/** Joint readings to the backend at a steady rate: the newest wins, and nothing ever piles up. */
import { toSplatError, type SplatError } from "../errors.ts";
import type { JointReading } from "../robot/joint-history.ts";
import { sleep, steadyMs } from "../time.ts";

export interface SenderOptions {
  /** One attempt; rejects with a SplatError. */
  readonly send: (reading: JointReading) => Promise<void>;
  /** Most readings sent a second, over some seconds. */
  readonly hz: number;
  /** Whether the backend is in the cloud, where every attempt is paid for; default no. */
  readonly isCloud?: boolean | undefined;
  /** The backend does not take readings: told when it begins, again when the reason is another, and when it is over. */
  readonly onOutage: (error: SplatError) => void;
  readonly onBack: () => void;
  /** The backend refuses one reading for what it says; the next may be taken. */
  readonly onRefused: (error: SplatError) => void;
  /** Milliseconds on a clock that never goes back. */
  readonly nowMs?: (() => number) | undefined;
}

export interface SenderCounts {
  readonly sent: number;
  /** Left out because a newer one was there when the rate allowed the next. */
  readonly superseded: number;
  /** Attempts that failed. */
  readonly failed: number;
}

/** So many answers may be awaited at once: a backend 100 ms away still gets 30 readings a second. */
const MAX_IN_FLIGHT = 4;
/** So many may leave at once after a lull: a source at the very same rate jitters, and must not be held back for it. */
const BURST = 2;
/** The rate is kept to within this share: without it, one stall would hold every later reading of such a source back. */
const RATE_SLACK = 0.02;
const BACK_OFF_MS = { first: 250, most: 2000, misconfigured: 5000, mostAsked: 60_000 } as const;
/** A backend that is being started takes minutes to answer; whoever wants to end does not wait for it. */
const CLOSE_MS = 5000;

/** Sends what it is offered. It holds one reading at most. */
export class JointSender {
  readonly #options: SenderOptions;
  readonly #nowMs: () => number;
  readonly #intervalMs: number;
  readonly #flying = new Set<Promise<void>>();
  readonly #counts = { sent: 0, superseded: 0, failed: 0 };
  #waiting: JointReading | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** How many may leave now, as it was at `#creditAtMs`: a bucket that fills at the rate. */
  #credit = BURST;
  #creditAtMs = Number.NEGATIVE_INFINITY;
  /** Nothing leaves before: the backend was away. */
  #resumeAtMs = Number.NEGATIVE_INFINITY;
  #backOffMs = 0;
  #outage: SplatError | null = null;
  #isClosed = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? steadyMs;
    this.#intervalMs = 1000 / (options.hz * (1 + RATE_SLACK));
  }

  get counts(): SenderCounts {
    return { ...this.#counts };
  }

  /** Why the backend takes nothing now; null when it does, or has not been asked. */
  get outage(): SplatError | null {
    return this.#outage;
  }

  /** Take a reading: it leaves now, or when the rate and the backend allow, unless a newer one comes before. */
  offer(reading: JointReading): void {
    if (this.#isClosed) return;
    if (this.#waiting !== null) this.#counts.superseded++;
    this.#waiting = reading;
    this.#sendIfDue();
  }

  /** Take no more; resolves when what is under way has been answered, or has had time enough for it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const enough = new AbortController();
    const waited = sleep(CLOSE_MS, enough.signal).catch(() => undefined);
    await Promise.race([Promise.all(this.#flying), waited]);
    enough.abort();
  }

  #sendIfDue(): void {
    if (this.#waiting === null || this.#isClosed) return;
    if (this.#flying.size >= (this.#outage === null ? MAX_IN_FLIGHT : 1)) return; // an answer calls again
    const waitMs = this.#waitMs();
    if (waitMs > 0) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#sendIfDue();
      }, waitMs);
      return;
    }
    this.#credit--;
    const reading = this.#waiting;
    this.#waiting = null;
    const flight = this.#send(reading).finally(() => {
      this.#flying.delete(flight);
      this.#sendIfDue();
    });
    this.#flying.add(flight);
  }

  /** Until the next may leave. */
  #waitMs(): number {
    const nowMs = this.#nowMs();
    const filled = (nowMs - this.#creditAtMs) / this.#intervalMs;
    this.#credit = Math.min(BURST, this.#credit + filled);
    this.#creditAtMs = nowMs;
    return Math.max(this.#resumeAtMs - nowMs, (1 - this.#credit) * this.#intervalMs);
  }

  async #send(reading: JointReading): Promise<void> {
    try {
      await this.#options.send(reading);
      this.#counts.sent++;
      this.#answered();
    } catch (thrown) {
      this.#counts.failed++;
      this.#failed(toSplatError(thrown));
    }
  }

  #answered(): void {
    if (this.#outage !== null) this.#options.onBack();
    this.#outage = null;
    this.#backOffMs = 0;
  }

  #failed(error: SplatError): void {
    if (this.#isClosed) return;
    if (error.refusal?.status === 400) {
      this.#answered();
      this.#options.onRefused(error);
      return;
    }
    const isNews = this.#outage === null || !isSameTrouble(this.#outage, error);
    this.#outage = error;
    this.#backOffMs =
      error.code === "not_configured"
        ? BACK_OFF_MS.misconfigured
        : Math.min(Math.max(2 * this.#backOffMs, BACK_OFF_MS.first), BACK_OFF_MS.most);
    this.#resumeAtMs = this.#nowMs() + Math.max(this.#backOffMs, this.#askedMs(error));
    if (isNews) this.#options.onOutage(error);
  }

  /** How long the backend asks to be left alone. One nearby is starting or stopping: its joints are not to wait longer. */
  #askedMs({ refusal }: SplatError): number {
    const { isCloud = false } = this.#options;
    if (refusal?.retryAfterS === undefined || !(isCloud || refusal.status === 429)) return 0;
    return Math.min(refusal.retryAfterS * 1000, BACK_OFF_MS.mostAsked);
  }
}

/** Away and refusing are two things to be told; the words of the same thing may differ. */
function isSameTrouble(a: SplatError, b: SplatError): boolean {
  return a.code === b.code && a.refusal?.status === b.refusal?.status;
}
