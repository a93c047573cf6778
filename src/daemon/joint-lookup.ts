/** Where a capture asks what the arm's joints were when a picture was taken. */
import type { JointReading, JointsAtShutter } from "../robot/joint-history.ts";

/**
 * How far from a shutter readings are kept with its frame, seconds. Before it generously: pictures are late more often
 * than joints. After it only as far as the frame's way to the backend is not held up for it.
 */
export const AROUND = { beforeS: 0.3, afterS: 0.075 } as const;

/** The joints of the last seconds. */
export interface JointLookup {
  /** Readings around a moment, as far as `AROUND` says; waits a little for later ones that are still to come. */
  around(timeS: number, signal?: AbortSignal): Promise<readonly JointReading[]>;
  /** Joints at a moment: interpolated, `awaited` while the reading after it is still to come, null when unknown. */
  at(timeS: number): JointsAtShutter | "awaited" | null;
  latest(): JointReading | null;
}
