/**
 * Between servo ticks, LeRobot's values and radians. The formulas are those of LeRobot's motor bus (v0.3.2 and later), so
 * that an arm read directly and one read through LeRobot agree to the last digit.
 */
import { SplatError } from "../errors.ts";
import { GRIPPER_LIMITS_RAD, JOINT_NAMES } from "./so101.ts";

/** What a joint was found to reach when the arm was calibrated, in ticks as the servo reports them. */
export interface JointRange {
  readonly minTicks: number;
  readonly maxTicks: number;
  /** `drive_mode` of a calibration file, 0 on SO arms: 1 turns −100…100 and 0…100 round, never degrees. */
  readonly driveMode?: 0 | 1 | undefined;
}

/** LeRobot counts 4095 ticks a turn, not 4096; so does everything here. */
export const LEROBOT_TICKS_PER_TURN = 4095;

/** The gripper's 0…100 spans the range of the model's jaw. */
const GRIPPER_SPAN_RAD = GRIPPER_LIMITS_RAD.upperRad - GRIPPER_LIMITS_RAD.lowerRad;
const GRIPPER = JOINT_NAMES.length - 1;
const RAD_PER_TICK = (2 * Math.PI) / LEROBOT_TICKS_PER_TURN;

/** Ticks of one joint → degrees from the middle of its range. Not clamped; the drive mode does not count. */
export function ticksToDegrees(ticks: number, range: JointRange): number {
  return ((ticks - middleTicks(range)) * 360) / LEROBOT_TICKS_PER_TURN;
}

/** Degrees → ticks, cut towards zero as LeRobot does. */
export function degreesToTicks(degrees: number, range: JointRange): number {
  return Math.trunc((degrees * LEROBOT_TICKS_PER_TURN) / 360 + middleTicks(range));
}

/** Ticks of one joint → −100…100 over its range, clamped. Throws `bad_input` for a range without width. */
export function ticksToNorm(ticks: number, range: JointRange): number {
  const norm = shareOf(ticks, range) * 200 - 100;
  return range.driveMode === 1 ? -norm : norm;
}

/** −100…100 → ticks, clamped, cut towards zero. */
export function normToTicks(norm: number, range: JointRange): number {
  const value = clamp(range.driveMode === 1 ? -norm : norm, -100, 100);
  return Math.trunc(((value + 100) / 200) * spanTicks(range) + range.minTicks);
}

/** Ticks of one joint → 0…100 over its range, clamped. Throws `bad_input` for a range without width. */
export function ticksToPercent(ticks: number, range: JointRange): number {
  const percent = shareOf(ticks, range) * 100;
  return range.driveMode === 1 ? 100 - percent : percent;
}

/** 0…100 → ticks, clamped, cut towards zero. */
export function percentToTicks(percent: number, range: JointRange): number {
  const value = clamp(range.driveMode === 1 ? 100 - percent : percent, 0, 100);
  return Math.trunc((value / 100) * spanTicks(range) + range.minTicks);
}

export function degreesToRad(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

/** −100…100 of one joint → rad from the middle of its range; the same angle that its degrees say. */
export function normToRad(norm: number, range: JointRange): number {
  const value = range.driveMode === 1 ? -norm : norm;
  return (value / 100) * (spanTicks(range) / 2) * RAD_PER_TICK;
}

/** The gripper's 0…100 → rad of the model's jaw. */
export function percentToRad(percent: number): number {
  return GRIPPER_LIMITS_RAD.lowerRad + (percent / 100) * GRIPPER_SPAN_RAD;
}

/**
 * Raw positions of the six servos → [6] rad, motor order. Arm joints are counted from the middle of their range and not
 * clamped; the gripper goes through its 0…100. Throws `bad_input` when the gripper's range has no width.
 */
export function ticksToRad(ticks: readonly number[], ranges: readonly JointRange[]): number[] {
  return ticks.map((raw, joint) =>
    joint === GRIPPER
      ? percentToRad(ticksToPercent(raw, ranges[joint]))
      : (raw - middleTicks(ranges[joint])) * RAD_PER_TICK,
  );
}

/** [6] rad → raw positions, rounded: the inverse of `ticksToRad`, for a simulated arm. */
export function radToTicks(rad: readonly number[], ranges: readonly JointRange[]): number[] {
  return rad.map((angle, joint) => {
    const range = ranges[joint];
    if (joint !== GRIPPER) return Math.round(angle / RAD_PER_TICK + middleTicks(range));
    const open = clamp((angle - GRIPPER_LIMITS_RAD.lowerRad) / GRIPPER_SPAN_RAD, 0, 1);
    const share = range.driveMode === 1 ? 1 - open : open;
    return Math.round(range.minTicks + share * spanTicks(range));
  });
}

function middleTicks(range: JointRange): number {
  return (range.minTicks + range.maxTicks) / 2;
}

function spanTicks(range: JointRange): number {
  const span = range.maxTicks - range.minTicks;
  if (span > 0) return span;
  throw new SplatError("bad_input", `a joint's range ${range.minTicks}…${range.maxTicks} has no width`, {
    hint: "The arm is not calibrated: run lerobot-calibrate.",
  });
}

function shareOf(ticks: number, range: JointRange): number {
  const span = spanTicks(range);
  return (clamp(ticks, range.minTicks, range.maxTicks) - range.minTicks) / span;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
