import { describe, expect, it } from "vitest";
import {
  degreesToRad,
  degreesToTicks,
  normToRad,
  normToTicks,
  percentToRad,
  percentToTicks,
  radToTicks,
  ticksToDegrees,
  ticksToNorm,
  ticksToPercent,
  ticksToRad,
  type JointRange,
} from "../../src/robot/units.ts";
import { JOINT_NAMES } from "../../src/robot/so101.ts";
import { normaliseRanges as ranges, normaliseVectors as golden } from "../helpers/normalise-vectors.ts";

const gripper = ranges[5];

function expectAll(actual: readonly number[], expected: readonly number[], digits = 9): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i], digits));
}

describe.each(golden.vectors)("raw $raw, as LeRobot reads it", ({ raw, degrees, range_m100_100 }) => {
  it("in degrees, the gripper in percent", () => {
    const ours = raw.map((ticks, i) =>
      i === 5 ? ticksToPercent(ticks, gripper) : ticksToDegrees(ticks, ranges[i]),
    );
    expectAll(ours, degrees, 8);
  });

  it("in −100…100, the gripper in percent", () => {
    const ours = raw.map((ticks, i) =>
      i === 5 ? ticksToPercent(ticks, gripper) : ticksToNorm(ticks, ranges[i]),
    );
    expectAll(ours, range_m100_100, 8);
  });

  it("in rad, the same by every way", () => {
    const direct = ticksToRad(raw, ranges);
    expectAll(direct, [...degrees.slice(0, 5).map(degreesToRad), percentToRad(degrees[5])], 9);
    const inside = raw.map((ticks, i) => Math.min(Math.max(ticks, ranges[i].minTicks), ranges[i].maxTicks));
    const fromNorm = range_m100_100.map((norm, i) =>
      i === 5 ? percentToRad(norm) : normToRad(norm, ranges[i]),
    );
    expectAll(ticksToRad(inside, ranges), fromNorm, 9);
  });

  it("and back from rad", () => {
    const expected = raw.map((ticks, i) =>
      i === 5 ? Math.min(Math.max(ticks, gripper.minTicks), gripper.maxTicks) : ticks,
    );
    expect(radToTicks(ticksToRad(raw, ranges), ranges)).toEqual(expected);
  });
});

describe("values → ticks", () => {
  it("cuts towards zero and clamps where LeRobot does", () => {
    expect(degreesToTicks(0, { minTicks: 910, maxTicks: 3277 })).toBe(2093);
    expect(degreesToTicks(200, { minTicks: 0, maxTicks: 4095 })).toBe(4322);
    expect(normToTicks(0, { minTicks: 910, maxTicks: 3277 })).toBe(2093);
    expect([normToTicks(-150, gripper), normToTicks(150, gripper)]).toEqual([1500, 3000]);
    expect([
      percentToTicks(-1, gripper),
      percentToTicks(33.3, gripper),
      percentToTicks(101, gripper),
    ]).toEqual([1500, 1999, 3000]);
  });
});

describe("drive_mode 1", () => {
  const reversed: JointRange = { minTicks: 1000, maxTicks: 2000, driveMode: 1 };

  it("turns −100…100 and 0…100 round, not degrees", () => {
    expect(ticksToNorm(1250, reversed)).toBe(50);
    expect(ticksToPercent(1250, reversed)).toBe(75);
    expect(ticksToDegrees(1250, reversed)).toBeCloseTo((-250 * 360) / 4095, 12);
    expect(normToTicks(50, reversed)).toBe(1250);
    expect(percentToTicks(75, reversed)).toBe(1250);
  });

  it("says the same angle in −100…100 as in degrees", () => {
    expect(normToRad(ticksToNorm(1250, reversed), reversed)).toBeCloseTo(
      degreesToRad(ticksToDegrees(1250, reversed)),
      12,
    );
  });

  it("goes there and back", () => {
    const six = JOINT_NAMES.map(() => reversed);
    const raw = [1001, 1100, 1500, 1700, 1900, 1250];
    expect(radToTicks(ticksToRad(raw, six), six)).toEqual(raw);
  });
});

it("refuses a range without width, as LeRobot does", () => {
  const none: JointRange = { minTicks: 2047, maxTicks: 2047 };
  expect(() => ticksToNorm(2047, none)).toThrow(/has no width/);
  expect(() => ticksToPercent(2047, none)).toThrow(/has no width/);
  expect(() => normToRad(1, none)).toThrow(/has no width/);
});

it("keeps what lies beyond the range in degrees and rad", () => {
  const range: JointRange = { minTicks: 1000, maxTicks: 3000 };
  const rad = ticksToRad([-100, 0, 0, 0, 5000, 1500], [range, range, range, range, range, gripper]);
  expect(rad[0]).toBeCloseTo((-2100 * 2 * Math.PI) / 4095, 12);
  expect(rad[4]).toBeCloseTo((3000 * 2 * Math.PI) / 4095, 12);
});
