/** Watches how the joints come in: how long ago the last reading did, and whether frames are placed by stale ones. */
import { nowS, steadyMs } from "../time.ts";
import type { Placement } from "./pose.ts";
import type { Warnings } from "./warnings.ts";

/** Joints older than this say little about where the arm is while it moves. */
export const STALE_JOINTS_S = 1;

/** This many frames in a row without any pose are surely not meant. */
const DEFAULT_POSES_TO_WARN = 5;

const NO_POSE = "no pose: every frame is placed at the same spot";
const STALE_JOINTS = "no joint reading for a while: frames are placed where the arm was last known to be";

/** See the top of the file; one per session. */
export class JointWatch {
  readonly #warnings: Pick<Warnings, "add" | "remove">;
  /** When the last reading came, ms on the steady clock: that of its sender may differ or jump. */
  #cameAtMs: number | null = null;
  /** Whether it followed another closely. */
  #isStream = false;
  #defaultsInARow = 0;

  constructor(warnings: Pick<Warnings, "add" | "remove">) {
    this.#warnings = warnings;
  }

  /** A reading came. */
  came(): void {
    const now = steadyMs();
    this.#isStream = this.#cameAtMs !== null && now - this.#cameAtMs <= STALE_JOINTS_S * 1000;
    this.#cameAtMs = now;
  }

  /** Age of the newest reading now, seconds ≥ 0: by its own time, or since it came where that clock runs ahead. */
  ageOf(newest: { readonly timeS: number }): number {
    const sinceItCameS = this.#cameAtMs === null ? 0 : (steadyMs() - this.#cameAtMs) / 1000;
    return Math.max(sinceItCameS, nowS() - newest.timeS, 0);
  }

  /** A frame got the pose it keeps. */
  placed({ source, jointsAgeS }: Placement): void {
    this.#defaultsInARow = source === "default" ? this.#defaultsInARow + 1 : 0;
    if (this.#defaultsInARow === DEFAULT_POSES_TO_WARN) this.#warnings.add(NO_POSE);
    if (source !== "default") this.#warnings.remove(NO_POSE);
    if (jointsAgeS === null) return;
    if (source === "latest" && jointsAgeS > STALE_JOINTS_S) this.#warnings.add(STALE_JOINTS);
    // One reading in a while is no end of it: the warning would come and go with each.
    else if (source !== "latest" || this.#isStream) this.#warnings.remove(STALE_JOINTS);
  }
}
