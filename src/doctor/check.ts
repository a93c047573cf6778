/** What a check of `splatctl doctor` is, and what it finds. Adding a check is adding one object to a list of its group. */
import type { DoctorContext } from "./context.ts";

/** The groups, in the order that they are printed, with their titles. */
export const GROUPS = {
  machine: "This machine",
  ffmpeg: "ffmpeg",
  camera: "Cameras",
  arm: "Serial ports and arm",
  settings: "Settings",
  backend: "Backend",
  modal: "Modal",
  bucket: "Bucket",
  daemon: "Daemons and spools",
} as const;

export type GroupName = keyof typeof GROUPS;

/** Names of the groups, in order. */
export const GROUP_NAMES = Object.keys(GROUPS) as readonly GroupName[];

/**
 * How a thing stands. `absent`: it is not set up, which is no failure. `skipped`: it was not looked at, and the message says
 * why. Only `failed` makes a failure of the whole.
 */
export type FindingState = "ok" | "warning" | "failed" | "absent" | "skipped";

/** One thing that was found out. */
export interface Finding {
  /** Where one check finds several things; default the check's own. */
  readonly id?: string | undefined;
  readonly state: FindingState;
  /** One sentence without a full stop. */
  readonly message: string;
  /** The command, in backticks, or the one action that mends it. */
  readonly fix?: string | undefined;
  /** For scripts, in snake_case with units in their names; beside the message with --json. */
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
}

/** One check. It changes nothing, unless `--fix` asked for just that. */
export interface Check {
  readonly id: string;
  readonly group: GroupName;
  /** It is given up after so long; default 5 s. */
  readonly limitMs?: number | undefined;
  /**
   * Look. What it throws is a failure: a `SplatError` with its hint, anything else a bug. The signal aborts at the limit and
   * with Ctrl-C; processes and sockets end with it.
   */
  readonly run: (context: DoctorContext, signal: AbortSignal) => Promise<readonly Finding[]>;
}

/** A finding with all that says where it belongs. */
export interface Reported extends Finding {
  readonly id: string;
  readonly group: GroupName;
}
