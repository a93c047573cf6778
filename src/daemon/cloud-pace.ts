/** Which joint readings are worth sending to a backend in the cloud, where every request keeps a GPU running. */
import { steadyMs } from "../time.ts";

/** Requests a second that a backend in the cloud is sent while the arm moves: a workspace of Modal's takes 200 in all. */
export const CLOUD_HZ = 20;

/** A joint that turns no further than this rests; a servo's own noise is one step, 0.09°. */
const REST_RAD = (0.2 * Math.PI) / 180;
/** The arm rests when no joint has moved for so long. */
const REST_AFTER_MS = 10_000;
/** Then one reading so often says where it stands, */
const REST_EVERY_MS = 5000;
/** and after so long nothing more until it moves: frames carry their own readings. */
const ASLEEP_AFTER_MS = 15 * 60_000;

/** In words, for whoever wonders where the readings go. */
export const CLOUD_PACE_NOTE =
  `the backend is in the cloud: it gets at most ${CLOUD_HZ} joint readings a second while the arm moves, ` +
  `one in ${REST_EVERY_MS / 1000} s while it rests, and none after ${ASLEEP_AFTER_MS / 60_000} min of rest; ` +
  "frames carry the readings around their shutter, so their poses do not depend on it";

/** Decides for one reading after the other. `nowMs`: milliseconds on a clock that never goes back. */
export class CloudPace {
  readonly #nowMs: () => number;
  /** [6] rad, where the arm was when it moved last. */
  #anglesRad: readonly number[] = [];
  #movedMs = Number.NEGATIVE_INFINITY;
  #passedMs = Number.NEGATIVE_INFINITY;

  constructor(nowMs: () => number = steadyMs) {
    this.#nowMs = nowMs;
  }

  /** Whether to send a reading, [6] rad; while the arm moves the sender's own rate is the limit. */
  passes(anglesRad: readonly number[]): boolean {
    const nowMs = this.#nowMs();
    if (this.#hasMoved(anglesRad)) {
      this.#anglesRad = anglesRad;
      this.#movedMs = nowMs;
    }
    const restedMs = nowMs - this.#movedMs;
    const isDue = nowMs - this.#passedMs >= REST_EVERY_MS;
    const passes = restedMs <= REST_AFTER_MS || (restedMs <= ASLEEP_AFTER_MS && isDue);
    if (passes) this.#passedMs = nowMs;
    return passes;
  }

  #hasMoved(anglesRad: readonly number[]): boolean {
    const before = this.#anglesRad;
    return before.length === 0 || anglesRad.some((angle, i) => Math.abs(angle - before[i]) > REST_RAD);
  }
}
