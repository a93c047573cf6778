/** Counts what happens to the frames of a capture. */
import type { CameraCounts } from "../capture/camera-live.ts";
import type { GateCounts } from "../capture/frame-gate.ts";
import type { SplatError } from "../errors.ts";
import type { DeliveryEvent } from "../queue/deliver.ts";
import type { Reconciled } from "../queue/reconcile.ts";
import type { SpoolCounts } from "../queue/spool.ts";
import { steadyMs } from "../time.ts";

export interface CaptureCounts {
  /** Accepted for the first time. */
  readonly accepted: number;
  /** Known to the backend, or taken by an earlier run. */
  readonly duplicates: number;
  readonly rejected: number;
  /** In the spool and not accepted yet. */
  readonly unsent: number;
  /** Accepted, lost by the backend, and accepted again. */
  readonly resent: number;
  /** Accepted, but not held by a checkpoint yet. */
  readonly notDurable: number;
  /** Images that the data set does not name. */
  readonly skipped: number;
  /** Set while the backend is not taking frames: why, in words. */
  readonly waiting: string | null;
  /** Nothing new is taken until the user goes on. */
  readonly paused: boolean;
  /** What of a camera's pictures was worth sending; null for a folder. */
  readonly gate: GateCounts | null;
  /** What a live camera gave; absent for a folder and for a file. */
  readonly camera?: CameraCounts | undefined;
}

export interface CaptureListener {
  onCounts(counts: CaptureCounts): void;
  onNote(line: string): void;
  onWarning(line: string): void;
}

export interface CaptureSummary extends CaptureCounts {
  readonly reasons: readonly { readonly name: string; readonly reason: string }[];
  /** Folder of the spool. */
  readonly spool: string;
  /** From the first frame taken to the last answer. */
  readonly seconds: number;
  readonly framesPerSecond: number;
  /** With `once`: the whole folder, or the whole video, was taken. Always true for a watch, which has no end but the user's. */
  readonly complete: boolean;
  /** What ended the capture early; null when it ran to its end. */
  readonly fatal: SplatError | null;
}

/** Counts what happens to frames and tells the listener. */
export class Tally {
  readonly #listener: CaptureListener;
  readonly #spool: { readonly folder: string; readonly counts: SpoolCounts };
  readonly #counts = { accepted: 0, duplicates: 0, rejected: 0, resent: 0, waiting: null as string | null };
  #takenBefore = 0;
  readonly #skipped = new Set<string>();
  readonly #reasons: { name: string; reason: string }[] = [];
  #startedMs: number | null = null;
  #endedMs = 0;
  #isOutageTold = false;
  #isPaused = false;
  #gate: GateCounts | null = null;
  #camera: CameraCounts | undefined;

  constructor(listener: CaptureListener, spool: { readonly folder: string; readonly counts: SpoolCounts }) {
    this.#listener = listener;
    this.#spool = spool;
  }

  /** A frame is in the spool. */
  taken(): void {
    this.#startedMs ??= steadyMs();
    this.#tell();
  }

  /** An earlier run took it, and it has not changed. */
  takenBefore(): void {
    this.#takenBefore++;
    this.#tell();
  }

  /** The capture is paused, or goes on. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#tell();
  }

  /** A camera's pictures have been looked at. */
  gate(counts: GateCounts): void {
    this.#gate = counts;
    this.#tell();
  }

  /** A camera has given a picture, or was opened again. */
  camera(counts: CameraCounts): void {
    this.#camera = counts;
    this.#tell();
  }

  /** The folder is gone through from the start. */
  lookAgain(): void {
    this.#takenBefore = 0;
  }

  add(event: DeliveryEvent): void {
    if (event.kind === "waiting") {
      this.wait(event.error);
      return;
    }
    this.#startedMs ??= steadyMs();
    this.#endedMs = steadyMs();
    if (event.kind === "rejected") {
      this.answered();
      this.reject(event.name, event.reason);
      return;
    }
    if (event.kind === "accepted") {
      this.answered();
      this.#counts[event.isAgain ? "resent" : event.duplicate ? "duplicates" : "accepted"]++;
    }
    this.#tell();
  }

  /** What a look at the backend changed, in words where the user should know. */
  reconciled({ change, isFirst, again, over, forgotten }: Reconciled): void {
    const told = [
      again > 0 ? `${again} frames that it does not have are sent again` : "",
      over > 0 ? `${over} frames of the capture before are let go` : "",
      forgotten > 0
        ? `${forgotten} images taken before are read anew${isFirst ? "" : " by the next run"}`
        : "",
    ].filter((part) => part !== "");
    const isNews = told.length > 0 || (change === "reset" && !isFirst);
    if (isNews) this.#listener.onNote([`the backend ${WHAT_HAPPENED[change]}`, ...told].join("; "));
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

  summary(fatal: SplatError | null, complete: boolean): CaptureSummary {
    const seconds = this.#startedMs === null ? 0 : Math.max(this.#endedMs - this.#startedMs, 0) / 1000;
    const sent = this.#counts.accepted + this.#counts.duplicates;
    return {
      ...this.#now(),
      reasons: this.#reasons,
      spool: this.#spool.folder,
      seconds,
      framesPerSecond: seconds > 0 ? sent / seconds : 0,
      complete,
      fatal,
    };
  }

  #tell(): void {
    this.#listener.onCounts(this.#now());
  }

  #now(): CaptureCounts {
    const { waiting, accepted } = this.#spool.counts;
    return {
      ...this.#counts,
      duplicates: this.#counts.duplicates + this.#takenBefore,
      unsent: waiting,
      notDurable: accepted,
      skipped: this.#skipped.size,
      paused: this.#isPaused,
      gate: this.#gate,
      camera: this.#camera,
    };
  }
}

const WHAT_HAPPENED = {
  none: "has lost frames",
  restarted: "was started again",
  reset: "was reset",
  lost: "has begun another session",
} as const;
