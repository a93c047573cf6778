/** Asks the backend which of the frames that it accepted it has, and which it holds for good. */
import type { Client } from "../api/client.ts";
import { SplatError } from "../errors.ts";
import { sleep, steadyMs } from "../time.ts";
import { Bell } from "./bell.ts";
import { ConfirmationPace, type Standing } from "./confirmation-pace.ts";
import type { Identity, Look, Reconciled } from "./reconcile.ts";
import type { Spool } from "./spool.ts";

/** The calls that are made. */
export type ConfirmingClient = Pick<Client, "url" | "isCloud" | "status" | "frames">;
type Status = Awaited<ReturnType<Client["status"]>>;

/** A long list is asked for less often: asking takes at most this share of the time. */
const TIME_SHARE = 1 / 20;
/** An answer may also have taken long because the backend had to be started. */
const MOST_SPARED_MS = 60_000;
/** A cloud lets go of a backend five minutes after its last request; this is said with some doubt. */
const GONE_AFTER_MS = 4 * 60_000;
/** A backend whose identity changes during so many looks in a row is not one backend. */
const MAX_LOOKS = 5;

/** For tests. */
export interface ConfirmationTimes {
  /** Least time between two questions. */
  readonly pauseMs?: number | undefined;
  /** A cloud that has not answered for so long has gone. */
  readonly goneAfterMs?: number | undefined;
}

/** What one run knows of the backend's memory. */
export class Confirmation {
  readonly #client: ConfirmingClient;
  readonly #spool: Spool;
  readonly #onReconciled: (result: Reconciled) => void;
  readonly #times: ConfirmationTimes;
  readonly #looked = new Bell();
  #isDoubtful = false;
  #lookMs = 0;
  #isLooking = false;
  #answeredMs = Number.NEGATIVE_INFINITY;

  constructor(
    client: ConfirmingClient,
    spool: Spool,
    onReconciled: (result: Reconciled) => void,
    times: ConfirmationTimes = {},
  ) {
    this.#client = client;
    this.#spool = spool;
    this.#onReconciled = onReconciled;
    this.#times = times;
  }

  /** Whether another session or process has answered than the one looked at: look before sending more. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** Whether a question would start the backend again: it is in a cloud, and has not been heard of for long. */
  get hasGone(): boolean {
    const { goneAfterMs = GONE_AFTER_MS } = this.#times;
    return this.#client.isCloud && steadyMs() - this.#answeredMs > goneAfterMs;
  }

  /** Note who answered. */
  saw(identity: Identity): void {
    this.#answeredMs = steadyMs();
    const known = this.#spool.identity;
    if (known?.sessionId !== identity.sessionId || known.bootId !== identity.bootId) this.#isDoubtful = true;
  }

  /**
   * Compare what the backend has with what the spool keeps. Throws what the client throws, and `partial` when it loses
   * frames again and again or answers as several. One look at a time; whoever is told to end does not wait for another's.
   */
  async look(signal: AbortSignal): Promise<void> {
    while (this.#isLooking) {
      await this.#looked.next(signal);
      signal.throwIfAborted();
    }
    this.#isLooking = true;
    try {
      await this.#look(signal);
    } finally {
      this.#isLooking = false;
      this.#looked.ring();
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    for (let attempt = 0; attempt < MAX_LOOKS; attempt++) {
      // Frames accepted from here on may or may not be in the list.
      const candidates = this.#spool.sent();
      const before = await this.#client.status(signal);
      const records = this.#spool.isToBeCompared ? await this.#client.frames(signal) : [];
      const status = await this.#client.status(signal);
      this.#answeredMs = steadyMs();
      if (!isSame(before, status)) continue;
      this.#isDoubtful = false;
      this.#lookMs = performance.now() - startMs;
      const look = lookOf(status, records, this.#client.isCloud);
      const result = this.#spool.reconcile(look, candidates);
      this.#onReconciled(result);
      return;
    }
    throw new SplatError("partial", `several backends seem to answer at ${this.#client.url}`, {
      hint: "Its session changes from one answer to the next. Make sure that only one runs behind this address.",
    });
  }

  /**
   * Look again and again while frames are accepted but not held for good, until the signal aborts.
   * Throws `partial` when the backend loses frames again and again or answers as several.
   */
  async run(signal: AbortSignal): Promise<void> {
    let seenThrough = -1;
    const pace = new ConfirmationPace(this.#client.isCloud, this.#times.pauseMs);
    while (!signal.aborted) {
      const pauseMs = pace.pauseMs(this.#spool.counts.accepted, this.#spool.isFull);
      if (pauseMs === null) {
        await this.#spool.changed(signal);
        continue;
      }
      const sparedMs = Math.min(this.#lookMs / TIME_SHARE, MOST_SPARED_MS);
      await sleep(Math.max(pauseMs, sparedMs), signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const status = await this.#client.status(signal);
        this.saw(identityOf(status));
        const isNews =
          status.durable_through !== seenThrough || status.state === "complete" || this.#isDoubtful;
        if (isNews) await this.look(signal);
        seenThrough = status.durable_through;
        pace.saw(standingOf(status));
      } catch (thrown) {
        pace.saw(null);
        // What the client throws, the uploads meet too, and tell.
        if (thrown instanceof SplatError && thrown.code === "partial") throw thrown;
      }
    }
  }
}

/** In a cloud a finished session, too, may be lost with its container until it is written elsewhere. */
function lookOf(status: Status, records: Awaited<ReturnType<Client["frames"]>>, isCloud: boolean): Look {
  const accepted = records.filter((record) => record.accepted);
  return {
    identity: identityOf(status),
    durableThrough: status.durable_through,
    isComplete: status.state === "complete" && !isCloud,
    indexById: new Map(accepted.map(({ frame_id, index }) => [frame_id, index])),
  };
}

function standingOf({ durable_through: durableThrough, state }: Status): Standing {
  return { durableThrough, isOver: state === "failed" };
}

function identityOf({ session_id, boot_id }: Status): Identity {
  return { sessionId: session_id, bootId: boot_id };
}

function isSame(a: Status, b: Status): boolean {
  return a.session_id === b.session_id && a.boot_id === b.boot_id;
}
