import { describe, expect, it } from "vitest";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { applySchedule, nextFrame, shDegreeAt } from "../../src/trainer/schedule.ts";
import { randomStream } from "../../src/trainer/random.ts";

function rates(finished: number, changes: Partial<Parameters<typeof applySchedule>[1]> = {}): Float64Array {
  const scalars = new Float64Array(SCALAR.SCALAR_COUNT);
  applySchedule(scalars, { step: 1000, finished, before: 0, size: 2, gaussians: 500, ...changes });
  return scalars;
}

const FALLING = [
  SCALAR.meansRate,
  SCALAR.logScalesRate,
  SCALAR.quatsRate,
  SCALAR.opacitiesRate,
  SCALAR.shRate,
  SCALAR.shRestRate,
  SCALAR.noise,
];

describe("applySchedule", () => {
  it("only ever lowers rates while finishing, and never to nothing", () => {
    for (const rate of FALLING) {
      const values = [0.7, 0.75, 0.8, 0.9, 1].map((finished) => rates(finished)[rate]);
      expect(rates(0.6)[rate]).toBe(rates(0)[rate]);
      expect(values).toEqual(values.toSorted((a, b) => b - a));
      expect(new Set(values).size).toBe(5);
      expect(values[4]).toBeGreaterThan(0);
    }
  });

  it("does not let live rates depend on how long it has run", () => {
    for (const rate of FALLING) expect(rates(0, { step: 10 })[rate]).toBe(rates(0, { step: 1e6 })[rate]);
  });

  it("lets rates fall from the start of finishing after long live training, from later on after little", () => {
    const before = 10_000;
    const early = { before, step: before + 100 };
    for (const rate of FALLING) {
      const full = rates(0)[rate];
      // 1000 steps of finishing in all: 60 % of 11 000 are long over.
      expect(rates(0.1, early)[rate]).toBeLessThan(full);
      expect(rates(1, { before, step: before + 1000 })[rate]).toBe(rates(1)[rate]);
      // 1000 steps after 200: 60 % of 1200 are over after 520 of them.
      expect(rates(0.5, { before: 200, step: 700 })[rate]).toBe(full);
      expect(rates(0.55, { before: 200, step: 750 })[rate]).toBeLessThan(full);
    }
  });

  it("moves means in proportion to the size of the scene", () => {
    expect(rates(0, { size: 6 })[SCALAR.meansRate]).toBeCloseTo(3 * rates(0)[SCALAR.meansRate], 12);
    expect(rates(0, { size: 6 })[SCALAR.logScalesRate]).toBe(rates(0)[SCALAR.logScalesRate]);
  });

  it("raises the SH degree step by step", () => {
    expect([0, 249, 250, 500, 749, 750].map(shDegreeAt)).toEqual([0, 0, 1, 2, 2, 3]);
  });

  it("counts Adam's steps from 1", () => {
    expect(rates(0, { step: 0 })[SCALAR.adamStep]).toBe(1);
  });
});

describe("nextFrame", () => {
  it("gives live training's newest frame about a fifth of the steps and evens out the rest", () => {
    const random = randomStream(51);
    const frames = Array.from({ length: 20 }, () => ({ steps: 0 }));
    const draws = 20_000;
    for (let i = 0; i < draws; i++) frames[nextFrame(frames, true, random)].steps++;
    const older = frames.slice(0, -1).map(({ steps }) => steps);
    expect(frames[19].steps / draws).toBeGreaterThan(0.19);
    expect(frames[19].steps / draws).toBeLessThan(0.23);
    expect(Math.max(...older) - Math.min(...older)).toBeLessThan(0.05 * Math.max(...older));
  });

  it("favours what is behind while finishing", () => {
    const random = randomStream(52);
    const frames = Array.from({ length: 10 }, (_, i) => ({ steps: i < 5 ? 200 : 0 }));
    for (let i = 0; i < 4000; i++) frames[nextFrame(frames, false, random)].steps++;
    const totals = frames.map(({ steps }) => steps);
    expect(Math.max(...totals) - Math.min(...totals)).toBeLessThan(20);
  });

  it("copes with a single frame", () => {
    const random = randomStream(53);
    for (let i = 0; i < 20; i++) expect(nextFrame([{ steps: i }], i % 2 === 0, random)).toBe(0);
  });
});
