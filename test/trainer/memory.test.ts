import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/trainer/engine.ts";
import { LOSS_HEIGHT, LOSS_WIDTH } from "../../src/trainer/kernels/layout.ts";
import { allocateMemory, growMemory, sizeOf, viewsOf, type Capacity } from "../../src/trainer/memory.ts";
import { parameterGroups } from "../../src/trainer/strategy.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { untrainedState } from "../../src/trainer/state.ts";
import { between, largestDifference, plainCamera, soloEngine } from "./scenes.ts";

describe("memory", () => {
  const capacity: Capacity = { gaussians: 37, shCount: 9, pixels: 131, pairs: 77, threads: 2 };

  it("lays the arrays out apart from each other, aligned, within the size it says", () => {
    const memory = allocateMemory(capacity);
    const views = viewsOf(memory, capacity);
    const spans = Object.values(views)
      .map((view) => [view.byteOffset, view.byteOffset + view.byteLength] as const)
      .sort((a, b) => a[0] - b[0]);
    spans.forEach(([start, end], i) => {
      expect(start % 64).toBe(0);
      if (i > 0) expect(start).toBeGreaterThanOrEqual(spans[i - 1][1]);
      expect(end).toBeLessThanOrEqual(sizeOf(capacity));
    });
    expect(memory.buffer.byteLength).toBeGreaterThanOrEqual(sizeOf(capacity));
  });

  it("has a place for the tiles of an image of any shape", () => {
    for (const [width, height] of [
      [1, 200],
      [200, 1],
      [17, 17],
      [1, 1],
      [33, 16],
    ]) {
      const tiles = Math.ceil(width / 16) * Math.ceil(height / 16);
      const sized = { ...capacity, pixels: width * height };
      const views = viewsOf(allocateMemory(sized), sized);
      expect(views.tileStart.length).toBeGreaterThan(tiles);
      const blocks = Math.ceil(width / LOSS_WIDTH) * Math.ceil(height / LOSS_HEIGHT);
      expect(views.lossSums.length).toBeGreaterThanOrEqual(6 * blocks);
    }
  });

  it("moves only the pairs when pairs grow, and never shrinks", () => {
    const memory = allocateMemory(capacity);
    const before = viewsOf(memory, capacity);
    before.image.fill(3);
    const larger = { ...capacity, pairs: 100_000 };
    growMemory(memory, larger);
    const after = viewsOf(memory, larger);
    expect(after.image.every((value) => value === 3)).toBe(true);
    expect(after.pairGradients.length).toBe(900_000);
    const bytes = memory.buffer.byteLength;
    growMemory(memory, capacity);
    expect(memory.buffer.byteLength).toBe(bytes);
  });

  it("refuses what the machine cannot give", () => {
    expect(() => allocateMemory({ ...capacity, gaussians: 1e9 })).toThrow(RangeError);
  });
});

describe("an engine whose capacity changes", () => {
  /** Every parameter and moment a number of its own. */
  function filled(count: number, shCount: number): Engine {
    const engine = soloEngine({ gaussians: 50, shCount, pixels: 400, pairs: 10 });
    engine.count = count;
    for (const [name, width] of parameterGroups(engine.views)) {
      for (const array of [name, `${name}Moment1`, `${name}Moment2`] as const) {
        for (let i = 0; i < count * width; i++) engine.views[array][i] = i + array.length;
      }
    }
    return engine;
  }

  function contents(engine: Engine): Record<string, number[]> {
    return Object.fromEntries(
      parameterGroups(engine.views).flatMap(([name, width]) =>
        ([name, `${name}Moment1`, `${name}Moment2`] as const).map((array) => [
          array,
          [...engine.views[array].subarray(0, engine.count * width)],
        ]),
      ),
    );
  }

  it("keeps Gaussians and moments through growth of anything", () => {
    const engine = filled(23, 9);
    const before = contents(engine);
    for (const wanted of [
      { gaussians: 5000 },
      { pixels: 90_000 },
      { pairs: 50_000 },
      { gaussians: 6000, pixels: 1e5 },
    ]) {
      engine.ensure(wanted);
      expect(engine.count).toBe(23);
      expect(contents(engine)).toEqual(before);
    }
  });

  it("does not give up what it has when less is wanted", () => {
    const engine = filled(23, 9);
    engine.ensure({ gaussians: 1, pixels: 1, pairs: 1 });
    expect(engine.capacity).toMatchObject({ gaussians: 50, pixels: 400, pairs: 10 });
  });

  it("cuts coefficients when the degree falls and fills with zeros when it rises", () => {
    const engine = filled(5, 9);
    const before = contents(engine);
    engine.ensure({ shCount: 4 });
    const cut = contents(engine);
    expect(cut["means"]).toEqual(before["means"]);
    expect(cut["quatsMoment2"]).toEqual(before["quatsMoment2"]);
    for (const name of ["sh", "shMoment1", "shMoment2"]) {
      expect(cut[name]).toEqual(before[name].filter((_, i) => i % 9 < 4));
    }
    engine.ensure({ shCount: 16 });
    const risen = contents(engine);
    expect(risen["sh"].filter((_, i) => i % 16 < 4)).toEqual(cut["sh"]);
    expect(risen["sh"].every((value, i) => i % 16 < 4 || value === 0)).toBe(true);
    expect(engine.extract().shDegree).toBe(3);
  });

  it("takes Gaussians of another degree, more than it has room for, with fresh moments", () => {
    const donor = filled(45, 16);
    const gaussians = donor.extract();
    const engine = filled(20, 4);
    engine.ensure({ gaussians: 50 });
    const small = soloEngine({ gaussians: 10, shCount: 4 });
    small.load(untrainedState(gaussians));
    expect(small.count).toBe(45);
    const back = small.extract();
    expect(back.means).toEqual(gaussians.means);
    expect([...back.sh]).toEqual([...gaussians.sh].filter((_, i) => i % 16 < 4));
    expect(small.views.meansMoment1.every((value) => value === 0)).toBe(true);
    engine.load(untrainedState(gaussians));
    expect(engine.views.quatsMoment2.subarray(0, 45 * 4).every((value) => value === 0)).toBe(true);
  });

  it("renders the same after it has grown", () => {
    const engine = soloEngine({ gaussians: 40, pixels: 400, pairs: 10 });
    const random = randomStream(71);
    const { views } = engine;
    for (let i = 0; i < 40; i++) {
      views.means.set([between(random, -0.4, 0.4), between(random, -0.4, 0.4), 1], i * 3);
      views.logScales.fill(-3, i * 3, i * 3 + 3);
      views.quats[i * 4] = 1;
    }
    engine.count = 40;
    const camera = plainCamera(20, 20, 20);
    engine.render(camera, [0, 0, 0]);
    expect(engine.capacity.pairs).toBeGreaterThan(10);
    const before = engine.views.image.slice(0, 1600);
    expect(Math.min(...before.subarray(0, 400))).toBeLessThan(0.9);
    engine.ensure({ gaussians: 3000, pixels: 10_000 });
    engine.render(camera, [0, 0, 0]);
    expect(largestDifference(before, engine.views.image.subarray(0, 1600))).toBe(0);
  });
});
