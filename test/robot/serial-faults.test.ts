/** What each fault of a servo bus costs, and what the user is told of it: ten seconds at 100 Hz on a virtual clock. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { FaultPlan, ServoFault } from "../../src/sim/servo-faults.ts";
import type { JointReading } from "../../src/robot/joint-history.ts";
import { ticksToRad, type JointRange } from "../../src/robot/units.ts";
import { DEFAULT_LIMITS } from "../../src/sim/servo-memory.ts";
import { startArm, STILL } from "../helpers/arm-run.ts";
import { seededRandom } from "../helpers/random.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const RANGES: JointRange[] = DEFAULT_LIMITS.map(([minTicks, maxTicks]) => ({ minTicks, maxTicks }));

interface Case {
  readonly name: string;
  readonly fault?: ServoFault;
  readonly plan?: FaultPlan;
  /** Beside the first line, which names the port. */
  readonly told: readonly RegExp[];
  /** Readings of 1000, more or less. */
  readonly lost: readonly [atLeast: number, atMost: number];
}

const NOISE = /^! many answers .*late, damaged or missing \("\[TxRxResult\] Incorrect status packet!"\)/;
const QUIET = /come whole and in time again$/;
const silent = (name: string): RegExp[] => [
  new RegExp(`^! ${name.replace(/[()]/g, "\\$&")} does not answer: .*There is no status packet!`),
  new RegExp(`^${name.replace(/[()]/g, "\\$&")} answers again$`),
];
const ALL_SILENT = [
  /^! no servo answers on \/dev\/ttyACM0: .*There is no status packet!/,
  /^all servos answer again$/,
];

const CASES: readonly Case[] = [
  { name: "none", told: [], lost: [0, 0] },
  { name: "no answer, once", fault: { kind: "dropped" }, plan: { requests: 1 }, told: [], lost: [0, 0] },
  {
    name: "elbow silent now and then",
    fault: { kind: "dropped", servo: 3 },
    plan: { share: 0.05 },
    told: [],
    lost: [0, 15],
  },
  {
    name: "elbow silent for 5 s",
    fault: { kind: "dropped", servo: 3 },
    plan: { forS: 5 },
    told: silent("servo 3 (elbow_flex)"),
    lost: [495, 530],
  },
  {
    name: "gripper silent for 5 s",
    fault: { kind: "dropped", servo: 6 },
    plan: { forS: 5 },
    told: silent("servo 6 (gripper)"),
    lost: [0, 0],
  },
  {
    name: "all silent for 5 s",
    fault: { kind: "dropped" },
    plan: { forS: 5 },
    told: ALL_SILENT,
    lost: [495, 530],
  },
  { name: "bit flips, 1%", fault: { kind: "bit flips" }, plan: { share: 0.01 }, told: [], lost: [0, 2] },
  {
    name: "bit flips, 20%",
    fault: { kind: "bit flips" },
    plan: { share: 0.2 },
    told: [NOISE],
    lost: [0, 25],
  },
  { name: "stale bytes", fault: { kind: "stale bytes" }, told: [], lost: [0, 0] },
  {
    name: "half a reply, 10%",
    fault: { kind: "half a reply" },
    plan: { share: 0.1 },
    told: [NOISE],
    lost: [0, 10],
  },
  { name: "replies 5 ms late", fault: { kind: "late reply", delayMs: 5 }, told: [], lost: [0, 2] },
  {
    name: "replies 30 ms late, 5%",
    fault: { kind: "late reply", delayMs: 30 },
    plan: { share: 0.05 },
    told: [],
    lost: [0, 15],
  },
  {
    name: "replies 30 ms late for 5 s",
    fault: { kind: "late reply", delayMs: 30 },
    plan: { forS: 5 },
    told: ALL_SILENT,
    lost: [495, 530],
  },
  { name: "wrong order", fault: { kind: "wrong order" }, told: [], lost: [0, 0] },
  {
    name: "overload",
    fault: { kind: "error bits", servo: 6, bits: 32 },
    told: [
      /^! servo 6 \(gripper\) reports overload: "\[RxPacketError\] Overload error!"/,
      /no longer reports/,
    ],
    lost: [0, 0],
  },
  {
    name: "9.5 V",
    fault: { kind: "voltage", voltageV: 9.5 },
    told: [/^! the servos get 9.5 V/, /voltage is good again$/],
    lost: [0, 0],
  },
  {
    name: "68 °C",
    fault: { kind: "temperature", servo: 2, temperatureC: 68 },
    told: [/^! servo 2 \(shoulder_lift\) is at 68 °C/, /has cooled to 32 °C$/],
    lost: [0, 0],
  },
];

/** Two turns of each joint a few seconds long, up to 750 ticks/s. */
function ticksAt(timeS: number): number[] {
  return STILL.map((middle, joint) => middle + 400 * Math.sin(1.9 * timeS + joint));
}

/** Farthest that a reading lies from where the arm was at its time, ticks; of the joints that move the camera. */
function worstTicks({ timeS, anglesRad }: JointReading): number {
  const truthRad = ticksToRad(ticksAt(timeS), RANGES);
  const errorsRad = anglesRad.slice(0, 5).map((angle, joint) => Math.abs(angle - truthRad[joint]));
  return (Math.max(...errorsRad) / (2 * Math.PI)) * 4095;
}

it.each(CASES)("fault: $name", async ({ fault, plan, told, lost }) => {
  const arm = startArm({ ticksAt, random: seededRandom(7) });
  await arm.run(1);
  const before = arm.readings.length;
  if (fault !== undefined) arm.bus.setFault(fault, plan);
  await arm.run(10);
  const gone = 1000 - (arm.readings.length - before);
  arm.bus.clearFaults();
  await arm.run(3);
  await arm.stop();

  const lines = arm.told.slice(1);
  expect(lines).toHaveLength(told.length);
  for (const [i, pattern] of told.entries()) expect(lines[i]).toMatch(pattern);
  expect(gone).toBeGreaterThanOrEqual(lost[0]);
  expect(gone).toBeLessThanOrEqual(lost[1]);
  // None is wrong, whatever was lost. (Late answers shift times by half of how late they are: here 2.5 ms.)
  expect(Math.max(...arm.readings.map(worstTicks))).toBeLessThan(fault?.kind === "late reply" ? 3 : 1.5);
  expect(arm.bus.refusedWrites).toBe(0);
});

it("tells of a line that damages every answer, and gives no wrong angle for a right one", async () => {
  const arm = startArm({ ticksAt, random: seededRandom(7) });
  await arm.run(1);
  arm.bus.setFault({ kind: "bit flips", bits: 3 });
  await arm.run(10);
  arm.bus.clearFaults();
  await arm.run(15);
  await arm.stop();
  expect(arm.told.slice(1)).toEqual([
    expect.stringMatching(NOISE) as string,
    expect.stringMatching(QUIET) as string,
  ]);
  // A sum of one byte overlooks one damaged packet in 256; none leads to a leap.
  expect(arm.readings.filter((reading) => worstTicks(reading) > 5).length).toBeLessThan(10);
  expect(Math.max(...arm.readings.map(worstTicks))).toBeLessThan(400);
});
