import { describe, expect, it } from "vitest";
import { SH_C0 } from "../../src/splat/sh.ts";
import type { PointCloud } from "../../src/splat/ply-read.ts";
import { addGaussians, frustumPoints, joinClouds, neighbourSpacing } from "../../src/trainer/seed.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { between, lookAt, soloEngine } from "./scenes.ts";

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
    addGaussians(engine, points, 0.2);
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
    expect(Math.exp(logScales[12])).toBeCloseTo(0.1, 6);
    expect(engine.views.meansMoment1.subarray(0, 24).every((value) => value === 0)).toBe(true);
  });

  it("adds nothing for no points", () => {
    const engine = soloEngine({ gaussians: 6 });
    addGaussians(engine, { positions: new Float32Array(0), colors: new Float32Array(0) });
    expect(engine.count).toBe(0);
  });
});

it("joinClouds keeps order and the first points when there are too many", () => {
  const cloud = (from: number): PointCloud => ({
    positions: Float32Array.of(from, 0, 0, from + 1, 0, 0),
    colors: Float32Array.of(from / 8, 0, 0, (from + 1) / 8, 0, 0),
  });
  const clouds = [cloud(0), cloud(2), cloud(4)];
  const places = (max: number): number[] =>
    [...joinClouds(clouds, max).positions].filter((_, i) => i % 3 === 0);
  expect(places(100)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(places(3)).toEqual([0, 1, 2]);
  expect(joinClouds(clouds, 3).colors[6]).toBe(0.25);
  expect(places(0)).toEqual([]);
  expect(places(-5)).toEqual([]);
});

describe("frustumPoints", () => {
  const camera = lookAt([2, 0, 1], [0, 0, 0], { width: 40, height: 30, f: 35 });
  const pixels = 40 * 30;
  /** Column x is red x, row y is green y. */
  const rgba = Uint8Array.from({ length: pixels * 4 }, (_, i) => {
    const p = i >> 2;
    return [p % 40, Math.floor(p / 40), 7, 255][i % 4];
  });
  const range = { near: 0.5, far: 4, box: null };

  /** Depth and pixel of each point. */
  function projected({ positions }: PointCloud): { x: number; y: number; depth: number }[] {
    const { rotation: r, translation: t } = camera;
    return Array.from({ length: positions.length / 3 }, (_, i) => {
      const p = positions.subarray(i * 3, i * 3 + 3);
      const [x, y, depth] = [0, 3, 6].map(
        (row) => r[row] * p[0] + r[row + 1] * p[1] + r[row + 2] * p[2] + t[row / 3],
      );
      return {
        x: (camera.fx * x) / depth + camera.cx,
        y: (camera.fy * y) / depth + camera.cy,
        depth,
      };
    });
  }

  it("lie in the pixels whose colour they have, between near and far, log-uniformly", () => {
    const points = frustumPoints({ camera, rgba, mask: null, unseen: null }, 2000, range, randomStream(62));
    const places = projected(points);
    expect(places.length).toBe(2000);
    places.forEach(({ x, y, depth }, i) => {
      expect(Math.abs(x - 255 * points.colors[i * 3] - 0.5)).toBeLessThan(0.502);
      expect(Math.abs(y - 255 * points.colors[i * 3 + 1] - 0.5)).toBeLessThan(0.502);
      expect(depth).toBeGreaterThan(0.499);
      expect(depth).toBeLessThan(4.001);
    });
    const middle = Math.sqrt(0.5 * 4);
    expect(places.filter(({ depth }) => depth < middle).length / 2000).toBeCloseTo(0.5, 1);
  });

  it("avoid transparent pixels altogether and those already explained mostly", () => {
    const cut = rgba.slice();
    for (let p = 0; p < pixels; p++) if (p % 40 < 20) cut[p * 4 + 3] = 0;
    const unseen = Float32Array.from({ length: pixels }, (_, p) => (p < pixels / 2 ? 1 : 0.01));
    const places = projected(
      frustumPoints({ camera, rgba: cut, mask: null, unseen }, 300, range, randomStream(63)),
    );
    expect(places.length).toBe(300);
    expect(places.every(({ x }) => x > 19.99)).toBe(true);
    const upper = places.filter(({ y }) => y < 15.01).length / 300;
    expect(upper).toBeGreaterThan(0.75);
    expect(upper).toBeLessThan(0.95);
  });

  it("keep out of pixels that a mask hides", () => {
    const mask = Uint8Array.from({ length: pixels }, (_, p) => (p % 40 < 20 ? 0 : 255));
    const places = projected(
      frustumPoints({ camera, rgba, mask, unseen: null }, 300, range, randomStream(68)),
    );
    expect(places.length).toBe(300);
    expect(places.every(({ x }) => x > 19.99)).toBe(true);
  });

  it("lie inside the box", () => {
    const box = { min: [-0.3, -0.4, -0.1], max: [0.5, 0.4, 0.6] };
    const { positions } = frustumPoints(
      { camera, rgba, mask: null, unseen: null },
      500,
      { ...range, box },
      randomStream(64),
    );
    expect(positions.length).toBeGreaterThan(300);
    positions.forEach((value, i) => {
      expect(value).toBeGreaterThan(box.min[i % 3] - 1e-5);
      expect(value).toBeLessThan(box.max[i % 3] + 1e-5);
    });
  });

  it("start in front of a camera that is inside the box", () => {
    const box = { min: [-5, -5, -5], max: [5, 5, 5] };
    const places = projected(
      frustumPoints({ camera, rgba, mask: null, unseen: null }, 200, { ...range, box }, randomStream(65)),
    );
    expect(places.length).toBe(200);
    expect(places.every(({ depth }) => depth > 0.02)).toBe(true);
  });

  it("are none when all is transparent or the box is out of view, and it ends", () => {
    const clear = new Uint8Array(pixels * 4);
    const none = frustumPoints(
      { camera, rgba: clear, mask: null, unseen: null },
      100,
      range,
      randomStream(66),
    );
    expect(none.positions.length).toBe(0);
    const box = { min: [3, -1, 0], max: [4, 1, 1] };
    const behind = frustumPoints(
      { camera, rgba, mask: null, unseen: null },
      100,
      { ...range, box },
      randomStream(67),
    );
    expect(behind.positions.length).toBe(0);
  });
});
