import { expect, it } from "vitest";
import { TickTracker } from "../../src/robot/tick-tracker.ts";

const MIDDLE = 2047.5;
const ELBOW = 2;
const ROLL = 4;

function tracked(joint: number, raws: readonly number[]): number[] {
  const tracker = new TickTracker();
  return raws.map((raw, i) => {
    const { ticks, kind } = tracker.judge(joint, raw, i / 100, MIDDLE);
    expect(kind).toBe("sure");
    tracker.accept(joint, raw, ticks, i / 100);
    return ticks;
  });
}

it("continues wrist_roll over both ends of its encoder", () => {
  expect(tracked(ROLL, [4000, 4090, 10, 100, 4095, 4000])).toEqual([4000, 4090, 4106, 4196, 4095, 4000]);
  expect(tracked(ROLL, [50, 4090, 4000, 30])).toEqual([50, -6, -96, 30]);
});

it("sees no wrap in a servo that counts its turns, and so leaves 0…4095", () => {
  const raws = [20, -10, -60, -62, 4, 90];
  expect(tracked(ELBOW, raws)).toEqual(raws);
  const beyond = [4080, 4100, 4102, 4090];
  expect(tracked(ELBOW, beyond)).toEqual(beyond);
});

it("leaves out a turn rather than leave ±2π", () => {
  const raws = Array.from({ length: 60 }, (_, i) => (i * 300) % 4096);
  for (const ticks of tracked(ROLL, raws)) expect(Math.abs(ticks - MIDDLE)).toBeLessThanOrEqual(4095);
});

it("knows what no servo can do in the time, and forgets after a pause", () => {
  const tracker = new TickTracker();
  tracker.accept(ELBOW, 2000, 2000, 10);
  expect(tracker.judge(ELBOW, 2390, 10.01, MIDDLE).kind).toBe("sure");
  expect(tracker.judge(ELBOW, 2500, 10.01, MIDDLE).kind).toBe("leap");
  expect(tracker.judge(ELBOW, 3900, 10.05, MIDDLE).kind).toBe("leap");
  expect(tracker.judge(ELBOW, 3900, 11, MIDDLE)).toEqual({ ticks: 3900, kind: "sure" });
  tracker.accept(ELBOW, 4090, 4090, 11);
  expect(tracker.judge(ELBOW, 10, 11.01, MIDDLE)).toEqual({ ticks: 4106, kind: "wrap" });
});

it("moves a joint that was read later back to where it was", () => {
  const tracker = new TickTracker();
  expect(tracker.at(ELBOW, 1)).toBeUndefined();
  tracker.accept(ELBOW, 1000, 1000, 1);
  expect(tracker.at(ELBOW, 1.001)).toBe(1000);
  tracker.accept(ELBOW, 1010, 1010, 1.01);
  expect(tracker.at(ELBOW, 1.008)).toBeCloseTo(1008, 6);
});
