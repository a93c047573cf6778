/** What the arm's joints were at a moment, from readings that arrive around it. */

/** Joint angles at a moment. */
export interface JointReading {
  /** Unix seconds, on the clock of the frames' `captured_at`. */
  readonly timeS: number;
  /** [6] rad. */
  readonly anglesRad: readonly number[];
}

/** Joint angles at a shutter, with how fast the arm was then. */
export interface JointsAtShutter {
  /** [6] rad. */
  readonly anglesRad: readonly number[];
  /** Fastest of the five arm joints, deg/s; null when only one reading is known. */
  readonly speedDegS: number | null;
}

/** Readings further apart than this say too little about the time between them. */
export const MAX_GAP_S = 0.25;

/** The gripper (sixth) moves the jaw, not the camera. */
const ARM_JOINT_COUNT = 5;

/** Joint updates of the last `keepS` seconds, in time order. */
export class JointHistory {
  readonly #keepS: number;
  readonly #readings: JointReading[] = [];

  constructor(keepS: number) {
    this.#keepS = keepS;
  }

  /** Late readings are put in their place; what is older than the window is dropped. */
  add(reading: JointReading): void {
    let at = this.#readings.length;
    while (at > 0 && this.#readings[at - 1].timeS > reading.timeS) at--;
    this.#readings.splice(at, 0, reading);
    const oldestS = this.#readings[this.#readings.length - 1].timeS - this.#keepS;
    const keepFrom = this.#readings.findIndex(({ timeS }) => timeS >= oldestS);
    this.#readings.splice(0, keepFrom);
  }

  /** In time order. */
  get readings(): readonly JointReading[] {
    return this.#readings;
  }

  latest(): JointReading | null {
    return this.#readings.at(-1) ?? null;
  }

  /**
   * Joints at a moment: interpolated when readings at most 250 ms apart lie around it; `awaited` while only the
   * later one is missing and could still come; else null.
   */
  at(timeS: number): JointsAtShutter | "awaited" | null {
    const after = this.#readings.findIndex((reading) => reading.timeS >= timeS);
    const before = this.#readings.at(after === -1 ? -1 : Math.max(0, after - 1));
    if (before === undefined) return null;
    if (after === -1) return timeS - before.timeS <= MAX_GAP_S ? "awaited" : null;
    const later = this.#readings[after];
    if (later.timeS === timeS) return between(before, later, timeS);
    if (before.timeS > timeS || later.timeS - before.timeS > MAX_GAP_S) return null;
    return between(before, later, timeS);
  }
}

/** Joints at a moment from the readings sent with a frame; null when none lies within 250 ms. */
export function jointsFromSamples(samples: readonly JointReading[], timeS: number): JointsAtShutter | null {
  const sorted = samples.toSorted((a, b) => a.timeS - b.timeS);
  const after = sorted.findIndex((reading) => reading.timeS >= timeS);
  if (after > 0) return between(sorted[after - 1], sorted[after], timeS);
  // The shutter lies outside the readings: the nearest one stands for it if it is near.
  const nearest = sorted.at(after);
  if (nearest === undefined || Math.abs(nearest.timeS - timeS) > MAX_GAP_S) return null;
  return { anglesRad: nearest.anglesRad, speedDegS: null };
}

function between(a: JointReading, b: JointReading, timeS: number): JointsAtShutter {
  const spanS = b.timeS - a.timeS;
  if (spanS <= 0) return { anglesRad: b.anglesRad, speedDegS: null };
  const share = (timeS - a.timeS) / spanS;
  const anglesRad = a.anglesRad.map((angle, j) => angle + (b.anglesRad[j] - angle) * share);
  const turnsRad = a.anglesRad.slice(0, ARM_JOINT_COUNT).map((angle, j) => Math.abs(b.anglesRad[j] - angle));
  return { anglesRad, speedDegS: (Math.max(...turnsRad) / spanS) * (180 / Math.PI) };
}
