/** Readings of the arm's joints over the last seconds, and what the joints were at a moment between them. */

/** Joint angles at a moment. */
export interface JointReading {
  /** Unix seconds, on the clock of the frames' `captured_at`. */
  readonly timeS: number;
  /** [6] rad, motor order. */
  readonly anglesRad: readonly number[];
}

/** Joint angles at a shutter, with how fast the arm was then and how far the readings lie from it. */
export interface JointsAtShutter {
  /** [6] rad. */
  readonly anglesRad: readonly number[];
  /** Fastest of the five arm joints, deg/s; null when only one reading is known. */
  readonly speedDegS: number | null;
  /** From the shutter to the nearest reading, seconds, ≥ 0; null when nobody knows. */
  readonly ageS: number | null;
}

/** Readings further apart than this say too little about the time between them. */
export const MAX_GAP_S = 0.25;

/** A reading dated this long before the newest one came late, or the newest was dated wrong. */
const MAX_LATE_S = 1;

/** Some 3 kHz over the backend's 30 s: whatever stamps a sender makes up, memory stays bounded. */
const MAX_READINGS = 100_000;

/** The gripper (sixth) moves the jaw, not the camera. */
const ARM_JOINT_COUNT = 5;

/** Dropped readings are cut off the array only in batches: one at a time would move all others each time. */
const CUT_BATCH = 1024;

/**
 * The readings of the last `keepS` seconds, in time order; of two with one time the later to come. Its size is bounded.
 * What is dated ahead of all that follows does not hide it for long: a reading from before the window begins a new
 * history (the clock was set back), and two in a row from over a second before the newest take what is after them away.
 */
export class JointHistory {
  readonly #keepS: number;
  #readings: JointReading[] = [];
  /** Place of the oldest reading that still counts. */
  #first = 0;
  /** Readings in a row that were dated long before the newest. */
  #lateInARow = 0;

  constructor(keepS: number) {
    this.#keepS = keepS;
  }

  /** Late readings are put in their place; what is older than the window is dropped. */
  add(reading: JointReading): void {
    this.#dropWhatHides(reading.timeS);
    const at = this.#placeAfter(reading.timeS);
    const isAgain = at > this.#first && this.#readings[at - 1].timeS === reading.timeS;
    if (isAgain) this.#readings[at - 1] = reading;
    else if (at === this.#readings.length) this.#readings.push(reading);
    else this.#readings.splice(at, 0, reading);
    this.#dropOld();
  }

  #dropWhatHides(timeS: number): void {
    const latest = this.latest();
    const isLate = latest !== null && timeS < latest.timeS - MAX_LATE_S;
    this.#lateInARow = isLate ? this.#lateInARow + 1 : 0;
    if (latest === null || !isLate) return;
    // One reading may be late; when the next is too, it is the newest that was dated wrong.
    if (timeS < latest.timeS - this.#keepS) this.clear();
    else if (this.#lateInARow > 1) this.#readings.length = this.#placeAfter(timeS);
  }

  #dropOld(): void {
    const oldestS = this.#readings[this.#readings.length - 1].timeS - this.#keepS;
    while (this.#readings[this.#first].timeS < oldestS || this.size > MAX_READINGS) this.#first++;
    if (this.#first < CUT_BATCH) return;
    this.#readings.splice(0, this.#first);
    this.#first = 0;
  }

  clear(): void {
    this.#readings = [];
    this.#first = 0;
    this.#lateInARow = 0;
  }

  /** In time order. */
  get readings(): readonly JointReading[] {
    return this.#readings.slice(this.#first);
  }

  get size(): number {
    return this.#readings.length - this.#first;
  }

  latest(): JointReading | null {
    return this.#readings.at(-1) ?? null;
  }

  /** Those of a span of time, both ends included. */
  between(fromS: number, toS: number): readonly JointReading[] {
    const from = this.#placeAt(fromS);
    return this.#readings.slice(from, Math.max(from, this.#placeAfter(toS)));
  }

  /**
   * Joints at a moment: interpolated when readings at most 250 ms apart lie around it; `awaited` while only the
   * later one is missing and could still come; else null.
   */
  at(timeS: number): JointsAtShutter | "awaited" | null {
    const after = this.#placeAt(timeS);
    if (after === this.#readings.length) {
      const latest = this.latest();
      return latest !== null && timeS - latest.timeS <= MAX_GAP_S ? "awaited" : null;
    }
    const later = this.#readings[after];
    const before = after > this.#first ? this.#readings[after - 1] : later;
    if (before !== later && later.timeS - before.timeS <= MAX_GAP_S) return interpolate(before, later, timeS);
    return later.timeS === timeS ? { anglesRad: later.anglesRad, speedDegS: null, ageS: 0 } : null;
  }

  /** Place of the first reading not before a moment. */
  #placeAt(timeS: number): number {
    return this.#search((reading) => reading.timeS >= timeS);
  }

  /** Place of the first reading after a moment. */
  #placeAfter(timeS: number): number {
    return this.#search((reading) => reading.timeS > timeS);
  }

  #search(isBeyond: (reading: JointReading) => boolean): number {
    let low = this.#first;
    let high = this.#readings.length;
    // Nearly always asked about now: the end is looked at before the middle.
    if (high > low && !isBeyond(this.#readings[high - 1])) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBeyond(this.#readings[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Joints at a moment from the readings sent with a frame; null when none lies within 250 ms. */
export function jointsFromSamples(samples: readonly JointReading[], timeS: number): JointsAtShutter | null {
  const sorted = samples.toSorted((a, b) => a.timeS - b.timeS);
  const after = sorted.findIndex((reading) => reading.timeS >= timeS);
  if (after > 0 && sorted[after].timeS - sorted[after - 1].timeS <= MAX_GAP_S) {
    return interpolate(sorted[after - 1], sorted[after], timeS);
  }
  // The shutter lies outside the readings, or in a hole of them: the nearest one stands for it if it is near.
  const around = [sorted.at(after), after > 0 ? sorted[after - 1] : undefined].filter(
    (one) => one !== undefined,
  );
  const ageOf = (reading: JointReading): number => Math.abs(reading.timeS - timeS);
  const [nearest] = around.toSorted((a, b) => ageOf(a) - ageOf(b));
  if (nearest === undefined || ageOf(nearest) > MAX_GAP_S) return null;
  return { anglesRad: nearest.anglesRad, speedDegS: null, ageS: ageOf(nearest) };
}

/** Between two readings, each joint the shortest way round: a wrist whose angle wraps did not turn the other way. */
function interpolate(a: JointReading, b: JointReading, timeS: number): JointsAtShutter {
  const spanS = b.timeS - a.timeS;
  const ageS = Math.min(Math.abs(timeS - a.timeS), Math.abs(b.timeS - timeS));
  if (spanS <= 0) return { anglesRad: b.anglesRad, speedDegS: null, ageS };
  const share = (timeS - a.timeS) / spanS;
  const turnsRad = a.anglesRad.map((angle, joint) => shortestTurn(b.anglesRad[joint] - angle));
  const fastestRad = Math.max(...turnsRad.slice(0, ARM_JOINT_COUNT).map(Math.abs));
  return {
    anglesRad: a.anglesRad.map((angle, joint) => angle + turnsRad[joint] * share),
    speedDegS: (fastestRad / spanS) * (180 / Math.PI),
    ageS,
  };
}

function shortestTurn(turnRad: number): number {
  return turnRad - 2 * Math.PI * Math.round(turnRad / (2 * Math.PI));
}
