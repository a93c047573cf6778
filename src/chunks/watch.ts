/** Brings the chunks of a session that goes on into a folder, each as it comes. */
import { toSplatError, type SplatError } from "../errors.ts";
import type { BucketReader } from "../remote/r2-read.ts";
import { steadyMs } from "../time.ts";
import { downloadEntries, type DownloadEvent, type DownloadResult } from "./download.ts";
import type { Entry, Session } from "./entry.ts";
import { FOLLOW_PACE, type FollowPace } from "./follow-pace.ts";
import { followSession, type FollowEvent, type FollowQuestion } from "./follow.ts";

export interface WatchOptions extends FollowQuestion {
  readonly folder: string;
  /** Of several chunks that wait, only the newest is wanted. */
  readonly latestOnly?: boolean | undefined;
}

export type WatchEvent =
  | Exclude<FollowEvent, { kind: "chunk" | "looked" | "status" }>
  /** A chunk is in the folder, or was already. Each once, and those that one look found in their order. */
  | { readonly kind: "landed"; readonly result: DownloadResult }
  /** It is tried again, at the latest when the session is complete. Told once. */
  | { readonly kind: "failed"; readonly result: DownloadResult }
  /** It failed, and status.json does not name it any more: it is not tried again, unless it is named again. */
  | { readonly kind: "dropped"; readonly entry: Entry };

export interface WatchSummary {
  /** Ids, in the order in which they were followed. */
  readonly sessions: readonly string[];
  readonly downloaded: number;
  /** Chunks that the folder had. */
  readonly already: number;
  /** Chunks whose last attempt failed. */
  readonly failed: readonly DownloadResult[];
  /** Whether the session is; otherwise it failed, or the signal aborted. */
  readonly complete: boolean;
  /** Its training failed, and did not go on. */
  readonly sessionFailed: boolean;
}

/** A chunk that fails again and again is tried ever more seldom, but never less than this. */
const LONGEST_RETRY_MS = 5 * 60_000;

/**
 * Watch a session until it is complete, or failed, or the signal aborts. Throws what `followSession` and `downloadEntries` throw,
 * but for the signal's reason.
 */
export async function watchChunks(
  reader: BucketReader,
  options: WatchOptions,
  onEvent: (event: WatchEvent) => void,
  signal: AbortSignal,
): Promise<WatchSummary> {
  const sessions: string[] = [];
  const landing = new Landing(reader, options, onEvent);
  let [complete, sessionFailed] = [false, false];
  try {
    for await (const event of followSession(reader, options, signal)) {
      if (event.kind === "chunk") landing.add(event.entry);
      else if (event.kind === "status") landing.named(event.session);
      else if (event.kind === "looked") await landing.land(signal);
      else {
        if (event.kind === "session") sessions.push(event.session.sessionId);
        complete = event.kind === "complete";
        sessionFailed = event.kind === "failed-session";
        if (complete || sessionFailed) await landing.land(signal, "all");
        onEvent(event);
      }
    }
  } catch (thrown) {
    if (!signal.aborted) throw toSplatError(thrown);
  }
  return { sessions, complete, sessionFailed, ...landing.counts() };
}

/** A chunk that is not in the folder yet. */
interface Waiting {
  entry: Entry;
  failures: number;
  /** On the steady clock. */
  notBeforeMs: number;
  last: DownloadResult | null;
}

/** What is to come into the folder, and what came. */
class Landing {
  readonly #reader: BucketReader;
  readonly #folder: string;
  readonly #latestOnly: boolean;
  readonly #pace: FollowPace;
  readonly #onEvent: (event: WatchEvent) => void;
  /** By key, the oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  /** Keys that would wait if they were still named. */
  readonly #dropped = new Set<string>();
  /** With `latestOnly` alone. */
  #newest: Entry | null = null;
  #downloaded = 0;
  #already = 0;

  constructor(
    reader: BucketReader,
    { folder, latestOnly = false, pace = FOLLOW_PACE }: WatchOptions,
    onEvent: (event: WatchEvent) => void,
  ) {
    this.#reader = reader;
    this.#folder = folder;
    this.#latestOnly = latestOnly;
    this.#pace = pace;
    this.#onEvent = onEvent;
  }

  add(entry: Entry): void {
    if (this.#latestOnly) {
      // A chunk whose upload was delayed comes after younger ones.
      if (isOlder(entry, this.#newest)) return;
      this.#newest = entry;
      this.#waiting.clear();
    }
    this.#waiting.set(entry.key, { entry, failures: 0, notBeforeMs: 0, last: null });
  }

  /** Forget what waits and is not named any more; of what is, the newest word counts. */
  named({ sessionId, entries }: Session): void {
    const byKey = new Map(entries.map((entry) => [entry.key, entry]));
    for (const waiting of this.#waiting.values()) {
      const { key } = waiting.entry;
      if (waiting.entry.sessionId !== sessionId) continue;
      const entry = byKey.get(key);
      if (entry !== undefined) {
        waiting.entry = entry;
        continue;
      }
      this.#waiting.delete(key);
      this.#dropped.add(key);
      this.#onEvent({ kind: "dropped", entry: waiting.entry });
    }
    for (const key of this.#dropped) {
      const entry = byKey.get(key);
      if (entry === undefined) continue;
      this.#dropped.delete(key);
      this.add(entry);
    }
  }

  /** Download what is due, or all. */
  async land(signal: AbortSignal, which: "due" | "all" = "due"): Promise<void> {
    const nowMs = steadyMs();
    const due = [...this.#waiting.values()].filter(
      ({ notBeforeMs }) => which === "all" || notBeforeMs <= nowMs,
    );
    if (due.length === 0) return;
    const done = new Map<string, DownloadResult>();
    const left = due.map(({ entry }) => entry);
    /** Tell in order, as far as there is no gap. */
    const tell = (): void => {
      for (let result = done.get(left[0]?.key); result !== undefined; result = done.get(left[0]?.key)) {
        left.shift();
        this.#landed(result);
      }
    };
    try {
      const options = {
        folder: this.#folder,
        pace: this.#pace,
        onEvent: (event: DownloadEvent) => {
          if (event.kind !== "done") return;
          done.set(event.result.entry.key, event.result);
          tell();
        },
      };
      await downloadEntries(this.#reader, left.slice(), options, signal);
    } catch (thrown) {
      // After an end before time there are gaps.
      for (const { key } of left) {
        const result = done.get(key);
        if (result !== undefined) this.#landed(result);
      }
      const error = toSplatError(thrown);
      if (signal.aborted || error.code === "internal" || this.#downloaded + this.#already === 0) throw error;
      // What has worked may work again: a full disk, another download into the folder, keys that are being replaced.
      for (const entry of left) if (!done.has(entry.key)) this.#landed(failedBy(entry, error));
    }
  }

  counts(): Pick<WatchSummary, "downloaded" | "already" | "failed"> {
    const failed = [...this.#waiting.values()].flatMap(({ last }) => (last === null ? [] : [last]));
    return { downloaded: this.#downloaded, already: this.#already, failed };
  }

  #landed(result: DownloadResult): void {
    const { key } = result.entry;
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    if (result.outcome === "failed") {
      waiting.failures++;
      waiting.last = result;
      waiting.notBeforeMs =
        steadyMs() + Math.min(LONGEST_RETRY_MS, this.#pace.everyMs * 2 ** (waiting.failures - 1));
      if (waiting.failures === 1) this.#onEvent({ kind: "failed", result });
      return;
    }
    this.#waiting.delete(key);
    if (result.outcome === "already") this.#already++;
    else this.#downloaded++;
    this.#onEvent({ kind: "landed", result });
  }
}

/** The result of an entry that was not come to. */
function failedBy(entry: Entry, error: SplatError): DownloadResult {
  return { entry, path: "", outcome: "failed", sizeBytes: 0, sha256: null, resumedBytes: 0, error };
}

function isOlder(entry: Entry, newest: Entry | null): boolean {
  return entry.sessionId === newest?.sessionId && (entry.index ?? 0) < (newest.index ?? 0);
}
