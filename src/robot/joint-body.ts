/**
 * What programs send as joint angles, read into one form. Three are known: the contract's own (always rad), LeRobot's
 * observation with a value for each motor, and phosphobot's answer, which names its unit. A unit is never guessed.
 */
import {
  namesOf,
  readTime,
  refusal,
  requireWithin,
  shown,
  sixNumbers,
  finiteNumber,
  valuesOf,
  type Field,
} from "./joint-body-fields.ts";
import type { JointReading } from "./joint-history.ts";
import { JOINT_NAMES } from "./so101.ts";
import { degreesToRad, normToRad, percentToRad, ticksToRad, type JointRange } from "./units.ts";

/**
 * What LeRobot's numbers are: `deg` (its default since v0.4.4) and `norm` (−100…100, its default before) have the gripper
 * in 0…100; `rad` is all rad. The numbers themselves do not tell which.
 */
export type JointUnits = "rad" | "deg" | "norm";

/** What is known of a body beside what stands in it. */
export interface JointBodyOptions {
  /** What the numbers of a LeRobot observation are; without it one is refused. */
  readonly units?: JointUnits | undefined;
  /** [6] motor order, from the arm's calibration; `norm` and phosphobot's `motor_units` need them. */
  readonly ranges?: readonly JointRange[] | undefined;
  /** When the body came, Unix seconds: the time of a reading that names none. */
  readonly receivedAtS: number;
}

type Body = Readonly<Record<string, unknown>>;
const MAX_RAD = 2 * Math.PI;
/** LeRobot clamps to its scale; others may round. */
const SCALE_SLACK = 1;
const PHOSPHOBOT_UNITS: Readonly<Record<string, JointUnits | "ticks">> = {
  rad: "rad",
  degrees: "deg",
  motor_units: "ticks",
};

/**
 * One body, already parsed from JSON → a reading, [6] rad in motor order:
 * `{joint_angles: [6], captured_at?}` (rad), `{"shoulder_pan.pos": …, …, "gripper.pos": …}` (also with LeKiwi's `arm_`;
 * other keys are ignored), `{angles: [6], unit: "rad" | "degrees" | "motor_units"}`; the last two may hold `captured_at`
 * too. Throws `bad_input` naming the field.
 */
export function parseJointBody(body: unknown, options: JointBodyOptions): JointReading {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw refusal(
      `joint angles came as ${shown(body)}, not as an object`,
      `Send {"joint_angles": [6 × rad]}.`,
    );
  }
  const anglesRad = readAngles(body as Body, options);
  return { timeS: readTime(body as Body, options.receivedAtS), anglesRad };
}

/** Throws `bad_input` when LeRobot's numbers in these units cannot be turned into angles. */
export function requireUnits(
  units: JointUnits | undefined,
  ranges: readonly JointRange[] | undefined,
): asserts units is JointUnits {
  if (units === undefined) {
    throw refusal(
      "nobody said in which units LeRobot's numbers are",
      "Give --units deg (LeRobot v0.4.4 and later), norm (−100…100, before) or rad.",
    );
  }
  if (units === "norm") requireRanges(ranges, "units norm (−100…100)");
}

function readAngles(body: Body, options: JointBodyOptions): readonly number[] {
  if ("joint_angles" in body) return asRad(sixNumbers(body["joint_angles"], "joint_angles"), RADIANS_HINT);
  if ("angles" in body) return fromPhosphobot(body, options);
  if (Object.keys(body).some((key) => key.endsWith(".pos"))) return fromLerobot(body, options);
  throw refusal(
    `no joint angles in the body: it has ${namesOf(Object.keys(body))}`,
    "Send joint_angles, LeRobot's observation (shoulder_pan.pos, …) or phosphobot's angles with their unit.",
  );
}

function fromLerobot(body: Body, { units, ranges }: JointBodyOptions): readonly number[] {
  const keys = JOINT_NAMES.map((name) => [`${name}.pos`, `arm_${name}.pos`].find((key) => key in body));
  const missing = JOINT_NAMES.filter((_, joint) => keys[joint] === undefined).map((name) => `${name}.pos`);
  if (missing.length > 0) {
    const sent = Object.keys(body).filter((key) => key.endsWith(".pos"));
    throw refusal(
      `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing: the body has ${namesOf(sent)}`,
      "All six motors of one SO-101 or SO-100 arm are needed.",
    );
  }
  const fields = keys.map((key) => finiteNumber(body[key as string], key as string));
  requireUnits(units, ranges);
  if (units === "rad") return asRad(fields, "Are these degrees? Then give --units deg.");
  const arm = fields.slice(0, -1);
  const armRad = units === "deg" ? asDegrees(arm) : asNorm(arm, requireRanges(ranges, "units norm"));
  return [...armRad, asPercent(fields[fields.length - 1])];
}

function fromPhosphobot(body: Body, { units, ranges }: JointBodyOptions): readonly number[] {
  const { unit } = body;
  const known = typeof unit === "string" && Object.hasOwn(PHOSPHOBOT_UNITS, unit);
  if (!known) {
    throw refusal(`unit is ${shown(unit)}`, `Beside angles, unit must be "rad", "degrees" or "motor_units".`);
  }
  const says = PHOSPHOBOT_UNITS[unit];
  if (units !== undefined && units !== says) {
    throw refusal(
      `unit is "${unit}", but --units ${units} was given`,
      "Leave --units out: the body names its unit.",
    );
  }
  const fields = sixNumbers(body["angles"], "angles");
  if (says === "ticks") return ticksToRad(valuesOf(fields), requireRanges(ranges, `unit "motor_units"`));
  return says === "deg" ? asDegrees(fields) : asRad(fields, `Are these degrees? unit says "rad".`);
}

const RADIANS_HINT =
  "joint_angles are in radians: are these degrees? Send LeRobot's names (shoulder_pan.pos, …) with --units deg, or convert.";

function asRad(fields: readonly Field[], hint: string): readonly number[] {
  requireWithin(fields, MAX_RAD, "2π rad", hint);
  return valuesOf(fields);
}

function asDegrees(fields: readonly Field[]): readonly number[] {
  requireWithin(fields, 360, "360°", "Are these servo ticks? Send what LeRobot or phosphobot makes of them.");
  return valuesOf(fields).map(degreesToRad);
}

function asNorm(fields: readonly Field[], ranges: readonly JointRange[]): readonly number[] {
  requireWithin(fields, 100 + SCALE_SLACK, "100", "Are these degrees? Then give --units deg.");
  return fields.map(({ value }, joint) => normToRad(value, ranges[joint]));
}

function asPercent({ name, value }: Field): number {
  if (value >= -SCALE_SLACK && value <= 100 + SCALE_SLACK) return percentToRad(value);
  throw refusal(`${name} is ${value}, outside 0…100`, "LeRobot's gripper is 0…100 in units deg and norm.");
}

function requireRanges(ranges: readonly JointRange[] | undefined, what: string): readonly JointRange[] {
  if (ranges !== undefined) return ranges;
  throw refusal(
    `${what} cannot be turned into angles without the arm's calibration`,
    "Name LeRobot's calibration of this arm (its robot id or the file), or send degrees or radians.",
  );
}
