/** Asks the backend which of the frames that it accepted it has, and which it holds for good. */
import type { Client } from "../api/client.ts";
import { SplatError } from "../errors.ts";
import { sleep } from "../time.ts";
import type { Identity, Look, Reconciled } from "./reconcile.ts";
import type { Spool } from "./spool.ts";

/** The calls that are made. */
export type ConfirmingClient = Pick<Client, "url" | "status" | "frames">;
type Status = Awaited<ReturnType<Client["status"]>>;

/** Least time between two questions. */
const PAUSE_MS = 2000;
/** A long list is asked for less often: asking takes at most this share of the time. */
const TIME_SHARE = 1 / 20;
/** A backend whose identity changes during so many looks in a row is not one backend. */
const MAX_LOOKS = 5;

/** What one run knows of the backend's memory. */
export class Confirmation {
  readonly #client: ConfirmingClient;
  readonly #spool: Spool;
  readonly #onReconciled: (result: Reconciled) => void;
  #isDoubtful = false;
  #lookMs = 0;
  #looking: Promise<void> | null = null;

  constructor(client: ConfirmingClient, spool: Spool, onReconciled: (result: Reconciled) => void) {
    this.#client = client;
    this.#spool = spool;
    this.#onReconciled = onReconciled;
  }

  /** Whether another session or process has answered than the one looked at: look before sending more. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** Note who answered an upload. */
  saw(identity: Identity): void {
    const known = this.#spool.identity;
    if (known?.sessionId !== identity.sessionId || known.bootId !== identity.bootId) this.#isDoubtful = true;
  }

  /**
   * Compare what the backend has with what the spool keeps. Throws what the client throws, and `partial` when it loses
   * frames again and again or answers as several.
   */
  async look(signal: AbortSignal): Promise<void> {
    while (this.#looking !== null) await this.#looking.catch(() => undefined);
    this.#looking = this.#look(signal).finally(() => (this.#looking = null));
    await this.#looking;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    for (let attempt = 0; attempt < MAX_LOOKS; attempt++) {
      // Frames accepted from here on may or may not be in the list.
      const candidates = this.#spool.sent();
      const before = await this.#client.status(signal);
      const records = this.#spool.isToBeCompared ? await this.#client.frames(signal) : [];
      const status = await this.#client.status(signal);
      if (!isSame(before, status)) continue;
      this.#isDoubtful = false;
      this.#lookMs = performance.now() - startMs;
      const result = this.#spool.reconcile(lookOf(status, records), candidates);
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
    while (!signal.aborted) {
      if (this.#spool.counts.accepted === 0) {
        await this.#spool.changed(signal);
        continue;
      }
      await sleep(Math.max(PAUSE_MS, this.#lookMs / TIME_SHARE), signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const status = await this.#client.status(signal);
        this.saw(identityOf(status));
        const isNews =
          status.durable_through !== seenThrough || status.state === "complete" || this.#isDoubtful;
        if (isNews) await this.look(signal);
        seenThrough = status.durable_through;
      } catch (thrown) {
        // What the client throws, the uploads meet too, and tell.
        if (thrown instanceof SplatError && thrown.code === "partial") throw thrown;
      }
    }
  }
}

function lookOf(status: Status, records: Awaited<ReturnType<Client["frames"]>>): Look {
  const accepted = records.filter((record) => record.accepted);
  return {
    identity: identityOf(status),
    durableThrough: status.durable_through,
    isComplete: status.state === "complete",
    indexById: new Map(accepted.map(({ frame_id, index }) => [frame_id, index])),
  };
}

function identityOf({ session_id, boot_id }: Status): Identity {
  return { sessionId: session_id, bootId: boot_id };
}

function isSame(a: Status, b: Status): boolean {
  return a.session_id === b.session_id && a.boot_id === b.boot_id;
}
