/** Servo positions followed from reading to reading: turns are continued, impossible leaps found. */
import { TICKS_PER_TURN } from "./feetech-registers.ts";

/** `wrist_roll`: it turns past the end of its encoder in ordinary use. */
const ROLLING_JOINT = 4;

/** Twice the fastest that an arm is swung by hand; its motors do 4000. */
const FASTEST_TICKS_S = 20_000;

/** Slack for times that are known to a few milliseconds. */
const SLACK_TICKS = 200;

/** After so long without a reading nothing is known of what happened between. */
const FORGET_AFTER_S = 0.5;

/** Angles reported stay within ±2π of the middle of the range. */
const FARTHEST_TICKS = 4095;

interface Track {
  /** Where the encoder stood, without the turns that were added; beyond 0…4095 for a servo that counts turns itself. */
  readonly raw: number;
  readonly ticks: number;
  readonly timeS: number;
  readonly ticksPerS: number;
}

/** What a reading means after the one before. */
export interface TrackedTicks {
  /** Continued over turns: may lie outside 0…4095. */
  readonly ticks: number;
  /**
   * `sure`: it follows from the last; `leap`: no servo moves so; `wrap`: a joint whose travel should not contain the
   * end of the encoder passed it, or the reading is corrupt.
   */
  readonly kind: "sure" | "leap" | "wrap";
}

/** One per connection. */
export class TickTracker {
  readonly #tracks: (Track | undefined)[] = [];

  /** What raw ticks mean, without taking them for true. `middleTicks`: of the joint's range. */
  judge(joint: number, raw: number, timeS: number, middleTicks: number): TrackedTicks {
    const last = this.#tracks[joint];
    if (last === undefined || Math.abs(timeS - last.timeS) > FORGET_AFTER_S)
      return { ticks: raw, kind: "sure" };
    const continued = raw + Math.round((last.ticks - raw) / TICKS_PER_TURN) * TICKS_PER_TURN;
    const reachTicks = SLACK_TICKS + FASTEST_TICKS_S * Math.abs(timeS - last.timeS);
    // At half a turn the shorter way round is anybody's guess.
    if (Math.abs(continued - last.ticks) > Math.min(reachTicks, TICKS_PER_TURN / 2 - 1)) {
      return { ticks: raw, kind: "leap" };
    }
    const isWrap = joint !== ROLLING_JOINT && Math.abs(raw - last.raw) > TICKS_PER_TURN / 2;
    return { ticks: withinLimits(continued, middleTicks), kind: isWrap ? "wrap" : "sure" };
  }

  /** Take a position for true: raw ticks, and what they mean. */
  accept(joint: number, raw: number, ticks: number, timeS: number): void {
    const last = this.#tracks[joint];
    const spanS = last === undefined ? 0 : timeS - last.timeS;
    const turn = last === undefined ? 0 : ticks - last.ticks;
    const isFollowing = spanS > 0 && spanS < FORGET_AFTER_S && Math.abs(turn) < TICKS_PER_TURN / 2;
    this.#tracks[joint] = { raw, ticks, timeS, ticksPerS: isFollowing ? turn / spanS : 0 };
  }

  /**
   * Where a joint was a few milliseconds before or after its last position, going by its speed; undefined when it was
   * never read. (Joints whose answers came at a second request were read later than the others.)
   */
  at(joint: number, timeS: number): number | undefined {
    const last = this.#tracks[joint];
    return last && last.ticks + (timeS - last.timeS) * last.ticksPerS;
  }

  /** The last position of a joint; undefined when it was never read. */
  last(joint: number): number | undefined {
    return this.#tracks[joint]?.ticks;
  }
}

/** One turn less when the angle would leave ±2π: readers take angles the shortest way round. */
function withinLimits(ticks: number, middleTicks: number): number {
  if (ticks - middleTicks > FARTHEST_TICKS) return ticks - TICKS_PER_TURN;
  return ticks - middleTicks < -FARTHEST_TICKS ? ticks + TICKS_PER_TURN : ticks;
}
