import { describe, expect, it } from "vitest";
import { JointHistory, jointsFromSamples, MAX_GAP_S } from "../../src/robot/joint-history.ts";
import { seededRandom } from "../helpers/random.ts";

const KEEP_S = 30;
/** [6] rad, all of them the same but the gripper. */
const all = (angle: number): number[] => [angle, angle, angle, angle, angle, 0];
const timesOf = (history: JointHistory): number[] => history.readings.map(({ timeS }) => timeS);

function historyOf(...timesS: number[]): JointHistory {
  const history = new JointHistory(KEEP_S);
  for (const timeS of timesS) history.add({ timeS, anglesRad: all(timeS / 100) });
  return history;
}

function jointsAt(history: JointHistory, timeS: number) {
  const joints = history.at(timeS);
  if (joints === null || joints === "awaited") throw new Error(`no joints at ${timeS}: ${joints}`);
  return joints;
}

describe("what a joint history keeps", () => {
  it("is empty at first, and after it was cleared", () => {
    const history = historyOf();
    expect([history.size, history.latest(), history.at(0), history.readings]).toEqual([0, null, null, []]);
    expect(history.between(-1, 1)).toEqual([]);
    history.add({ timeS: 1, anglesRad: all(1) });
    history.clear();
    expect([history.size, history.latest(), history.at(1)]).toEqual([0, null, null]);
  });

  it("is the window before the newest reading, its edge included", () => {
    expect(timesOf(historyOf(0, 1, 2, 31, 31.5))).toEqual([2, 31, 31.5]);
    expect(timesOf(historyOf(0, 30))).toEqual([0, 30]);
    expect(timesOf(historyOf(0, 1, 1000))).toEqual([1000]);
  });

  it("is in order of time, late ones put in their place", () => {
    expect(timesOf(historyOf(10, 10.3, 10.1, 10.2, 9.5))).toEqual([9.5, 10, 10.1, 10.2, 10.3]);
  });

  it("is the later to come of two with one time", () => {
    const history = historyOf(1, 2);
    history.add({ timeS: 1, anglesRad: all(7) });
    expect(timesOf(history)).toEqual([1, 2]);
    expect(jointsAt(history, 1).anglesRad).toEqual(all(7));
  });

  it("does not grow in a day of readings at 100 Hz", () => {
    const history = new JointHistory(KEEP_S);
    const anglesRad = all(0);
    let most = 0;
    for (let tick = 0; tick < 24 * 3600 * 100; tick++) {
      history.add({ timeS: 1.7e9 + tick / 100, anglesRad });
      if (tick % 1000 === 0) most = Math.max(most, history.size);
    }
    expect(most).toBeLessThanOrEqual(KEEP_S * 100 + 2);
    expect(history.latest()?.timeS).toBeCloseTo(1.7e9 + 24 * 3600, 0);
  });

  it.each<[string, (i: number) => number, number]>([
    ["that stand still", () => 5, 1],
    ["of far more than a sender can send", (i) => i * 1e-6, 100_000],
    ["of two clocks in turn", (i) => (i % 2 === 0 ? i / 100 : i / 100 - 600), KEEP_S * 100 + 2],
    ["that run backwards", (i) => -i / 100, KEEP_S * 100 + 2],
  ])("does not grow by stamps %s", (_, stampOf, most) => {
    const history = new JointHistory(KEEP_S);
    const anglesRad = all(0);
    for (let i = 0; i < 110_000; i++) history.add({ timeS: stampOf(i), anglesRad });
    expect(history.size).toBeLessThanOrEqual(most);
    const times = timesOf(history);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
  });
});

describe("a clock that jumps", () => {
  it("back by more than the window begins anew", () => {
    const history = historyOf(100, 100.1, 100.2);
    history.add({ timeS: 10, anglesRad: all(1) });
    expect(timesOf(history)).toEqual([10]);
    history.add({ timeS: 10.1, anglesRad: all(2) });
    expect(jointsAt(history, 10.05).anglesRad[0]).toBeCloseTo(1.5, 9);
  });

  it("back by less hides nothing after the second reading", () => {
    const history = historyOf(100, 100.1, 100.2);
    for (const timeS of [90, 90.1, 90.2]) history.add({ timeS, anglesRad: all(timeS) });
    expect(history.latest()?.timeS).toBe(90.2);
    expect(jointsAt(history, 90.15).anglesRad[0]).toBeCloseTo(90.15, 9);
    expect(history.at(90.3)).toBe("awaited");
  });

  it.each([5, 20, 1800])("ahead by %s s for one reading hides nothing that follows", (aheadS) => {
    const history = historyOf(10, 10.1, 10.1 + aheadS, 10.2, 10.3, 10.4);
    expect(history.latest()?.timeS).toBe(10.4);
    expect(jointsAt(history, 10.25).anglesRad[0]).toBeCloseTo(0.1025, 9);
    expect(history.at(10.45)).toBe("awaited");
  });

  it("ahead for good goes on from there", () => {
    const history = historyOf(10, 10.1, 500, 500.1, 500.2);
    expect(jointsAt(history, 500.15).anglesRad[0]).toBeCloseTo(5.0015, 9);
  });

  it("and one reading that came late takes nothing away", () => {
    const history = historyOf(10, 12, 12.1, 10.1, 12.2);
    expect(timesOf(history)).toEqual([10, 10.1, 12, 12.1, 12.2]);
  });
});

describe("joints at a moment", () => {
  it("lie between the readings around it", () => {
    const history = historyOf(10, 10.1, 10.2);
    expect(jointsAt(history, 10.175).anglesRad[0]).toBeCloseTo(0.10175, 9);
    expect(jointsAt(history, 10.175).ageS).toBeCloseTo(0.025, 9);
    // 0.001 rad in 0.1 s.
    expect(jointsAt(history, 10.15).speedDegS).toBeCloseTo(0.01 * (180 / Math.PI), 6);
  });

  it("are the reading's own at its time, at either end too", () => {
    const history = historyOf(10, 10.1, 10.2);
    for (const timeS of [10, 10.1, 10.2]) {
      const { anglesRad, ageS } = jointsAt(history, timeS);
      expect(anglesRad[0]).toBeCloseTo(timeS / 100, 12);
      expect(ageS).toBe(0);
    }
    const apart = historyOf(10, 20);
    expect(jointsAt(apart, 20)).toEqual({ anglesRad: all(0.2), speedDegS: null, ageS: 0 });
  });

  it("are not known before the first, nor in a hole, and awaited shortly after the last", () => {
    const history = historyOf(10, 10.25, 10.51);
    expect(history.at(9.999)).toBeNull();
    expect(jointsAt(history, 10.1).ageS).toBeCloseTo(0.1, 9);
    expect(history.at(10.4)).toBeNull();
    expect(history.at(10.51 + MAX_GAP_S - 0.001)).toBe("awaited");
    expect(history.at(10.51 + MAX_GAP_S + 0.001)).toBeNull();
  });

  it("are not those of readings that were dropped", () => {
    const history = historyOf(0, 0.1, 30.15);
    expect(history.at(0.05)).toBeNull();
    expect(jointsAt(historyOf(0, 0.1, 30), 0.05).anglesRad[0]).toBeCloseTo(0.0005, 9);
  });

  it.each([
    ["up over π", Math.PI - 0.1, -Math.PI + 0.1, Math.PI],
    ["down over −π", -Math.PI + 0.1, Math.PI - 0.1, -Math.PI],
    ["beyond π on both sides", Math.PI + 0.1, Math.PI + 0.3, Math.PI + 0.2],
    ["by whole turns", 0.2, 0.4 - 2 * Math.PI, 0.3],
  ])("turn the shortest way round: %s", (_, from, to, middle) => {
    const history = new JointHistory(KEEP_S);
    history.add({ timeS: 10, anglesRad: [0, 0, 0, 0, from, 0] });
    history.add({ timeS: 10.2, anglesRad: [0, 0, 0, 0, to, 0] });
    const { anglesRad, speedDegS } = jointsAt(history, 10.1);
    expect(anglesRad[4]).toBeCloseTo(middle, 9);
    expect(speedDegS).toBeCloseTo((0.2 / 0.2) * (180 / Math.PI), 6);
  });

  it("are found as a walk along all readings finds them", () => {
    const random = seededRandom(1);
    const times = Array.from({ length: 3000 }, (_, i) => i / 100 + random() * 0.009);
    const history = historyOf(...times);
    for (let trial = 0; trial < 300; trial++) {
      const timeS = random() * 29.9;
      const after = times.findIndex((time) => time >= timeS);
      if (after === 0) continue;
      expect(jointsAt(history, timeS).anglesRad[0]).toBeCloseTo(timeS / 100, 12);
      const around = history.between(times[after - 1], times[after]);
      expect(around.map((reading) => reading.timeS)).toEqual([times[after - 1], times[after]]);
    }
  });
});

it("gives the readings of a span, both ends included", () => {
  const history = historyOf(1, 2, 3, 4);
  const between = (from: number, to: number) => history.between(from, to).map(({ timeS }) => timeS);
  expect(between(2, 3)).toEqual([2, 3]);
  expect(between(1.5, 3.5)).toEqual([2, 3]);
  expect(between(0, 9)).toEqual([1, 2, 3, 4]);
  expect([between(4.1, 9), between(0, 0.9), between(3, 2)]).toEqual([[], [], []]);
});

describe("joints from readings sent with a frame", () => {
  const samples = [10.2, 10, 10.1].map((timeS) => ({ timeS, anglesRad: all(timeS) }));
  it("lie between them, in whatever order they were sent", () => {
    expect(jointsFromSamples(samples, 10.15)?.anglesRad[0]).toBeCloseTo(10.15, 9);
    expect(jointsFromSamples(samples, 10)?.ageS).toBe(0);
  });
  it("are the nearest one's beyond their ends and in holes, when it is near", () => {
    expect(jointsFromSamples(samples, 10.4)).toMatchObject({ anglesRad: all(10.2), speedDegS: null });
    expect(jointsFromSamples(samples, 9.9)?.anglesRad).toEqual(all(10));
    expect(jointsFromSamples([samples[1], { timeS: 10.4, anglesRad: all(1) }], 10.3)?.anglesRad).toEqual(
      all(1),
    );
    expect(jointsFromSamples(samples, 10.46)).toBeNull();
    expect(jointsFromSamples([], 10)).toBeNull();
  });
});
