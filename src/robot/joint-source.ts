/** What every source of joint angles yields, and what it tells beside them. */
import type { JointReading } from "./joint-history.ts";

/**
 * A source: readings in the order they were taken, newest last, until the signal aborts; then it ends without throwing.
 * A source that loses its arm tells so and goes on trying for ever. It throws only for what cannot mend itself: a port
 * or an address that can never be one, a missing library. It does not buffer: a reader that is slow gets the newest
 * reading, and those between are skipped.
 */
export type JointSource = (listener: SourceListener, signal: AbortSignal) => AsyncIterable<JointReading>;

export interface SourceListener {
  onNote(line: string): void;
  /** Something the user should know and can do something about, told when it begins, not again while it lasts. */
  onWarning(line: string): void;
  /** About once a second, from sources that can tell; of no joint when none answers. */
  onHealth?(health: readonly JointHealth[]): void;
}

/** How one servo is. */
export interface JointHealth {
  /** As in `JOINT_NAMES`. */
  readonly name: string;
  readonly voltageV: number;
  readonly temperatureC: number;
  /** In words, such as `overload`; empty when all is well. */
  readonly faults: readonly string[];
}
