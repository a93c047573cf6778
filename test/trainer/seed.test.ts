import { describe, expect, it } from "vitest";
import { SH_C0 } from "../../src/splat/sh.ts";
import type { PointCloud } from "../../src/splat/ply-read.ts";
import { addGaussians, neighbourSpacing, placeGaussians } from "../../src/trainer/seed.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { between, soloEngine } from "./scenes.ts";

function randomPoints(count: number, random: () => number): Float32Array {
  return Float32Array.from({ length: count * 3 }, () => between(random, -1, 1));
}

describe("neighbourSpacing", () => {
  it("is the root mean square distance to the three nearest, as trying all pairs finds it", () => {
    const points = randomPoints(150, randomStream(61));
    const spacing = neighbourSpacing(points);
    for (let i = 0; i < 150; i++) {
      const squares = Array.from({ length: 150 }, (_, j) =>
        [0, 1, 2].reduce((sum, axis) => sum + (points[i * 3 + axis] - points[j * 3 + axis]) ** 2, 0),
      );
      const nearest = squares.toSpliced(i, 1).sort((a, b) => a - b);
      expect(spacing[i]).toBeCloseTo(Math.sqrt((nearest[0] + nearest[1] + nearest[2]) / 3), 5);
    }
  });

  it("is small but not nothing for points in one place, and defined for one and two points", () => {
    expect([...neighbourSpacing(new Float32Array(30))].every((value) => value > 0 && value < 1e-4)).toBe(
      true,
    );
    expect(neighbourSpacing(Float32Array.of(1, 2, 3))[0]).toBeGreaterThan(0);
    expect(neighbourSpacing(Float32Array.of(0, 0, 0, 3, 4, 0))).toEqual(Float32Array.of(5, 5));
    expect(neighbourSpacing(new Float32Array(0)).length).toBe(0);
  });
});

describe("addGaussians", () => {
  const points: PointCloud = {
    positions: Float32Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1),
    colors: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5, 0.5, 0.5),
  };

  it("appends round Gaussians in the points' colours, a part of the spacing wide", () => {
    const engine = soloEngine({ gaussians: 10, shCount: 4 });
    engine.views.sh.fill(9);
    engine.views.meansMoment1.fill(9);
    addGaussians(engine, points);
    addGaussians(engine, points);
    expect(engine.count).toBe(8);
    const { means, quats, sh, opacities, logScales, shDegree } = engine.extract();
    expect(shDegree).toBe(1);
    expect([...means.subarray(12)]).toEqual([...points.positions]);
    expect([...quats.subarray(28)]).toEqual([1, 0, 0, 0]);
    expect(sh[0] * SH_C0 + 0.5).toBeCloseTo(1, 6);
    expect(sh[4] * SH_C0 + 0.5).toBeCloseTo(0, 6);
    expect([...sh.subarray(1, 4)]).toEqual([0, 0, 0]);
    expect(1 / (1 + Math.exp(-opacities[5]))).toBeCloseTo(0.1, 6);
    // The origin's neighbours are all 1 away.
    expect(Math.exp(logScales[0])).toBeCloseTo(0.5, 6);
    expect(Math.exp(logScales[12])).toBeCloseTo(0.5, 6);
    expect(engine.views.meansMoment1.subarray(0, 24).every((value) => value === 0)).toBe(true);
  });

  it("take the places they are given, of the sizes they are given, and none beyond", () => {
    const engine = soloEngine({ gaussians: 10, shCount: 4 });
    addGaussians(engine, points);
    engine.views.quats.fill(0.5);
    engine.views.meansMoment2.fill(9);
    placeGaussians(engine, points, Float32Array.of(0.1, 0.2, 0.3, 0.4), [2, 4]);
    expect(engine.count).toBe(5);
    const { means, quats, logScales, sh } = engine.extract();
    expect([...means]).toEqual([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]);
    expect(Math.exp(logScales[6])).toBeCloseTo(0.1, 6);
    expect(Math.exp(logScales[14])).toBeCloseTo(0.2, 6);
    expect([...quats.subarray(4, 12)]).toEqual([0.5, 0.5, 0.5, 0.5, 1, 0, 0, 0]);
    expect(sh[2 * 12] * SH_C0 + 0.5).toBeCloseTo(1, 6);
    expect([...engine.views.meansMoment2.subarray(0, 9)]).toEqual([9, 9, 9, 9, 9, 9, 0, 0, 0]);
  });

  it("adds nothing for no points", () => {
    const engine = soloEngine({ gaussians: 6 });
    addGaussians(engine, { positions: new Float32Array(0), colors: new Float32Array(0) });
    expect(engine.count).toBe(0);
  });
});
