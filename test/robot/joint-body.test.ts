import { describe, expect, it } from "vitest";
import { SplatError } from "../../src/errors.ts";
import { parseJointBody, requireUnits, type JointBodyOptions } from "../../src/robot/joint-body.ts";
import { JOINT_NAMES } from "../../src/robot/so101.ts";
import { ticksToRad } from "../../src/robot/units.ts";
import { normaliseRanges as ranges, normaliseVectors as golden } from "../helpers/normalise-vectors.ts";

const T = 1_790_000_000.25;
const SIX = [0.1, -0.2, 0.3, -0.4, 0.5, 0.6];

function parse(body: unknown, options: Partial<JointBodyOptions> = {}): readonly number[] {
  return parseJointBody(body, { receivedAtS: T, ...options }).anglesRad;
}

function observation(values: readonly number[], prefix = ""): Record<string, unknown> {
  return Object.fromEntries(values.map((value, i) => [`${prefix}${JOINT_NAMES[i]}.pos`, value]));
}

/** What a refusal says, hint included. */
function refusalOf(body: unknown, options: Partial<JointBodyOptions> = {}): string {
  try {
    parse(body, options);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(SplatError);
    const { code, message, hint } = thrown as SplatError;
    expect(code).toBe("bad_input");
    return `${message} | ${hint ?? ""}`;
  }
  throw new Error("was taken");
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 8));
}

describe("the contract's form", () => {
  it("is rad whatever units LeRobot's numbers have", () => {
    expect(parse({ joint_angles: SIX })).toEqual(SIX);
    expect(parse({ joint_angles: SIX }, { units: "deg" })).toEqual(SIX);
  });

  it("has the time it names, else the time it came", () => {
    expect(parseJointBody({ joint_angles: SIX }, { receivedAtS: T }).timeS).toBe(T);
    const dated = parseJointBody({ joint_angles: SIX, captured_at: T - 0.02 }, { receivedAtS: T });
    expect(dated.timeS).toBe(T - 0.02);
  });

  it("refuses degrees, and says so", () => {
    expect(refusalOf({ joint_angles: [0, 0, 0, 0, 90, 0] })).toMatch(
      /joint_angles\[4\] is 90, beyond ±2π rad.*degrees\?.*--units deg/,
    );
  });

  it.each<[string, unknown, RegExp]>([
    ["five joints", [0, 0, 0, 0, 0], /joint_angles has 5 numbers, not 6.*shoulder_pan.*gripper/],
    ["seven joints", [0, 0, 0, 0, 0, 0, 0], /joint_angles has 7 numbers/],
    ["NaN", [0, 0, Number.NaN, 0, 0, 0], /joint_angles\[2\] is NaN/],
    ["infinity", [0, 0, 0, 0, 0, -Infinity], /joint_angles\[5\] is -Infinity/],
    ["null", [0, null, 0, 0, 0, 0], /joint_angles\[1\] is null.*did not answer/],
    ["a string", ["0.1", 0, 0, 0, 0, 0], /joint_angles\[0\] is "0.1"/],
    ["a boolean", [0, 0, 0, true, 0, 0], /joint_angles\[3\] is true/],
    ["lists in lists", [[0], 0, 0, 0, 0, 0], /joint_angles\[0\] is a list/],
    ["an object", { 0: 1 }, /joint_angles is an object, not a list/],
    ["nothing", undefined, /joint_angles is missing/],
    ["a very long string", "x".repeat(100_000), /joint_angles is "x{30}…"/],
  ])("refuses %s", (_, joint_angles, message) => {
    expect(refusalOf({ joint_angles })).toMatch(message);
  });
});

describe("LeRobot's observation", () => {
  it.each(golden.vectors)("in degrees: $degrees", ({ raw, degrees }) => {
    expectClose(parse(observation(degrees), { units: "deg" }), ticksToRad(raw, ranges));
  });

  it.each(golden.vectors)("in −100…100: $range_m100_100", ({ raw, range_m100_100 }) => {
    const inside = raw.map((ticks, i) => Math.min(Math.max(ticks, ranges[i].minTicks), ranges[i].maxTicks));
    expectClose(parse(observation(range_m100_100), { units: "norm", ranges }), ticksToRad(inside, ranges));
  });

  it("in rad, all six", () => {
    expect(parse(observation(SIX), { units: "rad" })).toEqual(SIX);
  });

  it("in any order, with cameras and other keys beside it", () => {
    const body = { wrist: [[[1, 2, 3]]], task: "scan", "x.vel": null };
    const turned = Object.fromEntries(Object.entries(observation(SIX)).toReversed());
    expect(parse({ ...body, ...turned }, { units: "rad" })).toEqual(SIX);
  });

  it("with LeKiwi's names", () => {
    expect(parse(observation(SIX, "arm_"), { units: "rad" })).toEqual(SIX);
  });

  it("has the time it names", () => {
    const body = { ...observation(SIX), captured_at: T - 1 };
    expect(parseJointBody(body, { units: "rad", receivedAtS: T }).timeS).toBe(T - 1);
  });

  it("is refused when nobody says the units", () => {
    expect(refusalOf(observation(SIX))).toMatch(/in which units.*--units deg.*norm/);
  });

  it("needs a calibration for −100…100", () => {
    expect(refusalOf(observation(SIX), { units: "norm" })).toMatch(/without the arm's calibration/);
  });

  it("names the joints that are missing", () => {
    const { "elbow_flex.pos": _elbow, "gripper.pos": _gripper, ...rest } = observation(SIX);
    expect(refusalOf(rest, { units: "deg" })).toMatch(/^elbow_flex\.pos, gripper\.pos are missing/);
    const twoArms = { ...observation(SIX, "left_"), ...observation(SIX, "right_") };
    expect(refusalOf(twoArms, { units: "deg" })).toMatch(/missing: the body has left_shoulder_pan\.pos/);
  });

  it.each<[string, Partial<JointBodyOptions>, readonly unknown[], RegExp]>([
    ["degrees as rad", { units: "rad" }, [0, 45, 0, 0, 0, 0], /shoulder_lift\.pos is 45.*--units deg/],
    ["degrees as −100…100", { units: "norm", ranges }, [0, 0, 115, 0, 0, 0], /elbow_flex\.pos.*--units deg/],
    ["ticks as degrees", { units: "deg" }, [2047, 0, 0, 0, 0, 0], /shoulder_pan\.pos is 2047.*ticks/],
    ["a gripper beyond 100", { units: "deg" }, [0, 0, 0, 0, 0, 180], /gripper\.pos is 180, outside 0…100/],
    ["null", { units: "deg" }, [0, 0, 0, null, 0, 0], /wrist_flex\.pos is null/],
    ["a string", { units: "deg" }, [0, 0, 0, 0, "1", 0], /wrist_roll\.pos is "1"/],
    ["NaN", { units: "deg" }, [0, 0, 0, 0, 0, Number.NaN], /gripper\.pos is NaN/],
  ])("refuses %s", (_, options, values, message) => {
    expect(refusalOf(observation(values as number[]), options)).toMatch(message);
  });
});

describe("phosphobot's form", () => {
  it("names its unit itself", () => {
    expect(parse({ angles: SIX, unit: "rad" })).toEqual(SIX);
    expectClose(parse({ angles: SIX.map((rad) => (rad * 180) / Math.PI), unit: "degrees" }), SIX);
    const raw = [2047, 2000, 1900, 2100, 2050, 2000];
    expect(parse({ angles: raw, unit: "motor_units" }, { ranges })).toEqual(ticksToRad(raw, ranges));
  });

  it.each<[string, unknown, Partial<JointBodyOptions>, RegExp]>([
    ["another unit than --units", { angles: SIX, unit: "rad" }, { units: "deg" }, /"rad", but --units deg/],
    ["no unit", { angles: SIX }, {}, /unit is missing.*"motor_units"/],
    ["an unknown unit", { angles: SIX, unit: "toString" }, {}, /unit is "toString"/],
    [
      "a silent servo",
      { angles: [0, 0, 0, 0, 0, null], unit: "rad" },
      {},
      /angles\[5\] is null.*did not answer/,
    ],
    ["ticks without calibration", { angles: SIX, unit: "motor_units" }, {}, /motor_units.*calibration/],
    ["degrees named rad", { angles: [90, 0, 0, 0, 0, 0], unit: "rad" }, {}, /angles\[0\] is 90.*degrees\?/],
    ["twelve joints", { angles: [...SIX, ...SIX], unit: "rad" }, {}, /angles has 12 numbers/],
  ])("refuses %s", (_, body, options, message) => {
    expect(refusalOf(body, options)).toMatch(message);
  });
});

it.each<[string, unknown, RegExp]>([
  ["milliseconds", T * 1000, /captured_at is .*: milliseconds or nanoseconds\?.*Unix seconds/],
  ["nanoseconds", T * 1e9, /milliseconds or nanoseconds/],
  ["a clock that starts with the program", 1234.5, /no time of day/],
  ["a negative time", -1, /no time of day/],
  ["the future", T + 60, /captured_at lies 60 s in the future.*NTP/],
  ["a string", "2026-11-23T12:00:00Z", /captured_at is "2026/],
  ["null", null, /captured_at is null/],
  ["NaN", Number.NaN, /captured_at is NaN/],
])("refuses %s as a time", (_, captured_at, message) => {
  expect(refusalOf({ joint_angles: SIX, captured_at })).toMatch(message);
});

it("allows clocks that differ a little", () => {
  const { timeS } = parseJointBody({ joint_angles: SIX, captured_at: T + 2 }, { receivedAtS: T });
  expect(timeS).toBe(T + 2);
});

it.each<[string, unknown, RegExp]>([
  ["null", null, /came as null/],
  ["a list", SIX, /came as a list.*joint_angles/],
  ["a number", 3, /came as 3/],
  ["a string", "hello", /came as "hello"/],
  ["an empty object", {}, /nothing in it/],
  ["something else", { success: true, x: 1 }, /it has success, x/],
  ["many keys", Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`k${i}`, i])), /and 91 more/],
])("refuses %s as a body", (_, body, message) => {
  expect(refusalOf(body)).toMatch(message);
});

it("says before anything came that units cannot work", () => {
  expect(() => requireUnits(undefined, ranges)).toThrow(/in which units/);
  expect(() => requireUnits("norm", undefined)).toThrow(/without the arm's calibration/);
  expect(() => requireUnits("deg", undefined)).not.toThrow();
});
