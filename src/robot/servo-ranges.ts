/** What each joint of an arm can reach: from a file, or as its servos tell it. */
import { SERVO_IDS, servoName } from "./arm-check.ts";
import type { Conditions } from "./conditions.ts";
import type { JointRange } from "./units.ts";

const FULL_RANGE: JointRange = { minTicks: 0, maxTicks: 4095 };

/** A servo that answers, but has not told its limits for so long, is told of. */
const PATIENCE_MS = 1000;

/** The ranges of one connection. Without a file an angle means something only once its servo has told its limits. */
export class ServoRanges {
  readonly #isFromFile: boolean;
  readonly #conditions: Conditions;
  readonly #ranges: JointRange[];
  /** Servo → when it was first asked in vain. */
  readonly #unknownSinceMs: Map<number, number>;

  /** `calibration`: [6] ranges of a file; null when the servos' own count. */
  constructor(calibration: readonly JointRange[] | null, conditions: Conditions, nowMs: number) {
    this.#isFromFile = calibration !== null;
    this.#conditions = conditions;
    this.#ranges = SERVO_IDS.map((_, joint) => calibration?.[joint] ?? FULL_RANGE);
    this.#unknownSinceMs = new Map(this.#isFromFile ? [] : SERVO_IDS.map((id) => [id, nowMs]));
  }

  /** [6] ticks, motor order; the whole turn for a joint that has none of its own yet. */
  get all(): readonly JointRange[] {
    return this.#ranges;
  }

  /** Servos whose joints have no range yet. */
  get unknown(): readonly number[] {
    return [...this.#unknownSinceMs.keys()];
  }

  /** A servo told its limits; `null`: it was asked in vain, and may be another than before. */
  take(id: number, range: JointRange | null, nowMs: number): void {
    if (this.#isFromFile) return;
    if (range === null) {
      if (!this.#unknownSinceMs.has(id)) this.#unknownSinceMs.set(id, nowMs);
      return;
    }
    // A range without width says nothing of the joint's middle.
    this.#ranges[id - 1] = range.maxTicks > range.minTicks ? range : FULL_RANGE;
    this.#unknownSinceMs.delete(id);
    this.#conditions.end(withoutLimits(id), `${servoName(id)} tells its limits now`);
  }

  /** Once a second. `silent`: servos of which it is told that they do not answer at all. */
  report(silent: ReadonlySet<number>, nowMs: number): void {
    for (const [id, sinceMs] of this.#unknownSinceMs) {
      if (silent.has(id)) this.#unknownSinceMs.set(id, nowMs);
      else if (nowMs - sinceMs >= PATIENCE_MS) {
        const line = `${servoName(id)} does not tell its limits, without which its angle means nothing; is its cable loose? A calibration file would do instead`;
        this.#conditions.begin(withoutLimits(id), line);
      }
    }
  }
}

function withoutLimits(id: number): string {
  return `limits ${id}`;
}
