/** What is known at one moment, for the rows of the screen to be made of. */
import type { Status } from "../api/schema.ts";
import type { GateCounts } from "../capture/frame-gate.ts";

/** A capture on this machine, of the same backend and scene. What is null nobody knows. */
export interface LocalCapture {
  /** Its daemon; null where only its spool was looked at. */
  readonly daemon: string | null;
  /** Accepted by the backend in this run. */
  readonly accepted: number | null;
  /** Taken, and not accepted yet. */
  readonly queued: number;
  /** Set aside: refused for good. */
  readonly failed: number;
  readonly paused: boolean;
  /** Why the backend takes nothing now. */
  readonly waiting: string | null;
  /** What became of a camera's pictures; null for a folder. */
  readonly gate: GateCounts | null;
}

/** A relay on this machine. */
export interface LocalRelay {
  readonly from: string;
  readonly perSecond: number;
  /** [6] rad, the newest; null before the first. */
  readonly jointAngles: readonly number[] | null;
  /** Since the newest came. */
  readonly silentS: number | null;
  /** Why the backend takes none now. */
  readonly trouble: string | null;
}

/** What this machine knows of the scene. */
export interface LocalLook {
  readonly capture: LocalCapture | null;
  readonly relay: LocalRelay | null;
}

/** How the backend answers. */
export type Link =
  | { readonly kind: "asking" }
  | { readonly kind: "live" }
  | { readonly kind: "away"; readonly why: string; readonly sinceMs: number }
  /** A backend in the cloud, which is paid for while it is asked. */
  | { readonly kind: "asleep" };

/** A line that was told. */
export interface Note {
  readonly atMs: number;
  readonly text: string;
  readonly isWarning: boolean;
}

/** All that the screen shows. Times are milliseconds since 1970. */
export interface View {
  readonly url: string;
  readonly scene: string;
  readonly link: Link;
  /** Seconds that a backend in the cloud has been starting for; null when it is not. */
  readonly startingS: number | null;
  /** Null before the first answer. */
  readonly status: Status | null;
  readonly seenMs: number;
  readonly local: LocalLook;
  /** dB over time, the oldest first. */
  readonly psnrTrain: readonly number[];
  readonly psnrHeldOut: readonly number[];
  /** The newest last. */
  readonly notes: readonly Note[];
  /** A question that waits for y or n. */
  readonly question: string | null;
  /** What a key has set going. */
  readonly doing: string | null;
  /** What came of the last key. */
  readonly said: { readonly text: string; readonly isBad: boolean } | null;
  readonly isHelp: boolean;
  /** Told to end; null while it is not: what happens until then. */
  readonly ending: string | null;
  /** What q does, in a word or two. */
  readonly quitWord: string;
  readonly nowMs: number;
}

/** The room there is, and what it can show. */
export interface Room {
  readonly columns: number;
  readonly rows: number;
  /** Whether the terminal shows more than ASCII. */
  readonly isUnicode: boolean;
}
