/** New Gaussians for a frame: where it is not explained, at the depth that is there, within the cap. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/trainer/engine.ts";
import type { Picture } from "../../src/trainer/picture.ts";
import { randomStream } from "../../src/trainer/random.ts";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { drawPoints, explain, spawn, type Explained, type SpawnScene } from "../../src/trainer/spawn.ts";
import { addBlob, between, lookAt, plainCamera, soloEngine } from "./scenes.ts";

const camera = lookAt([2, 0, 1], [0, 0, 0], { width: 40, height: 30, f: 35 });
const pixels = 40 * 30;
/** Column x is red x, row y is green y. */
const rgba = Uint8Array.from({ length: pixels * 4 }, (_, i) => {
  const p = i >> 2;
  return [p % 40, Math.floor(p / 40), 7, 255][i % 4];
});
const picture: Picture = { camera, rgba, mask: null };

function sceneOf(seed: number, changes: Partial<SpawnScene> = {}): SpawnScene {
  return { cap: 1000, depth: 1.25, bounds: null, random: randomStream(seed), ...changes };
}

/** Pixel and depth of each point. */
function projected(positions: Float32Array): { x: number; y: number; depth: number }[] {
  const { rotation: r, translation: t } = camera;
  return Array.from({ length: positions.length / 3 }, (_, i) => {
    const p = positions.subarray(i * 3, i * 3 + 3);
    const [x, y, depth] = [0, 3, 6].map(
      (row) => r[row] * p[0] + r[row + 1] * p[1] + r[row + 2] * p[2] + t[row / 3],
    );
    return { x: (camera.fx * x) / depth + camera.cx, y: (camera.fy * y) / depth + camera.cy, depth };
  });
}

describe("points of a frame that nothing explains", () => {
  it("lie in the pixels whose colour they have, between near and far, log-uniformly", () => {
    const { positions, colors, sizes } = drawPoints(picture, null, 2000, sceneOf(62));
    const places = projected(positions);
    expect(places.length).toBe(2000);
    expect(sizes.every((size) => size === 0)).toBe(true);
    places.forEach(({ x, y, depth }, i) => {
      expect(Math.abs(x - 255 * colors[i * 3] - 0.5)).toBeLessThan(0.502);
      expect(Math.abs(y - 255 * colors[i * 3 + 1] - 0.5)).toBeLessThan(0.502);
      expect(depth).toBeGreaterThan(0.4 * 1.25 - 1e-3);
      expect(depth).toBeLessThan(2.5 * 1.25 + 1e-3);
    });
    const middle = Math.sqrt(0.4 * 2.5) * 1.25;
    expect(places.filter(({ depth }) => depth < middle).length / 2000).toBeCloseTo(0.5, 1);
  });

  it("keep out of what is transparent and of what a mask hides", () => {
    const cut = rgba.map((value, i) => (i % 4 === 3 && (i >> 2) % 40 < 20 ? 0 : value));
    const mask = Uint8Array.from({ length: pixels }, (_, p) => (p < pixels / 2 ? 0 : 255));
    const places = projected(drawPoints({ camera, rgba: cut, mask }, null, 300, sceneOf(63)).positions);
    expect(places.length).toBe(300);
    expect(places.every(({ x, y }) => x > 19.99 && y > 14.99)).toBe(true);
  });

  it("lie inside the box", () => {
    const bounds = { min: [-0.3, -0.4, -0.1], max: [0.5, 0.4, 0.6] };
    const { positions } = drawPoints(picture, null, 500, sceneOf(64, { bounds }));
    expect(positions.length).toBeGreaterThan(300);
    positions.forEach((value, i) => {
      expect(value).toBeGreaterThan(bounds.min[i % 3] - 1e-5);
      expect(value).toBeLessThan(bounds.max[i % 3] + 1e-5);
    });
  });

  it("start in front of a camera that is inside the box", () => {
    const bounds = { min: [-5, -5, -5], max: [5, 5, 5] };
    const places = projected(drawPoints(picture, null, 200, sceneOf(65, { bounds })).positions);
    expect(places.length).toBe(200);
    expect(places.every(({ depth }) => depth > 0.02)).toBe(true);
  });

  it("are none when all is transparent or the box is out of view", () => {
    const clear = { ...picture, rgba: new Uint8Array(pixels * 4) };
    expect(drawPoints(clear, null, 100, sceneOf(66)).positions.length).toBe(0);
    const bounds = { min: [3, -1, 0], max: [4, 1, 1] };
    expect(drawPoints(picture, null, 100, sceneOf(67, { bounds })).positions.length).toBe(0);
  });
});

describe("points of a frame that is explained in part", () => {
  /** Left half covered at depth 2 ± 0.02, right half open. */
  const explained: Explained = {
    open: Float32Array.from({ length: pixels }, (_, p) => (p % 40 < 20 ? 0 : 1)),
    chance: Float32Array.from({ length: pixels }, (_, p) => (p % 40 < 20 ? 0.2 : 0.8)),
    depth: new Float32Array(pixels).fill(2),
    spread: new Float32Array(pixels).fill(0.04),
  };

  it("are drawn by chance; at the depth that is there where the picture is covered, anywhere else", () => {
    const { positions, sizes } = drawPoints(picture, explained, 4000, sceneOf(68));
    const places = projected(positions);
    const covered = places.map(({ x }) => x < 20);
    expect(covered.filter(Boolean).length / 4000).toBeCloseTo(0.2, 1);
    expect(places.every((_, i) => covered[i] || sizes[i] === 0)).toBe(true);
    const known = places.filter((_, i) => sizes[i] > 0);
    // A twentieth explores.
    expect(known.length / covered.filter(Boolean).length).toBeCloseTo(0.95, 1);
    const logs = known.map(({ depth }) => Math.log(depth / 2));
    expect(Math.abs(logs.reduce((sum, value) => sum + value, 0) / logs.length)).toBeLessThan(0.005);
    expect(Math.sqrt(logs.reduce((sum, value) => sum + value ** 2, 0) / logs.length)).toBeCloseTo(0.02, 2);
  });

  it("are a third as large as they stand apart, more or less", () => {
    const flat = { ...explained, open: new Float32Array(pixels), chance: new Float32Array(pixels).fill(0.3) };
    const { positions, sizes } = drawPoints(picture, flat, pixels / 9, sceneOf(69));
    projected(positions).forEach(({ depth }, i) => {
      if (sizes[i] > 0) expect(sizes[i]).toBeCloseTo((0.35 * 3 * depth) / 35, 5);
    });
  });
});

/** A wall of Gaussians 2 m in front of a plain camera, in its left half. */
function halfWall(gaussians = 2000): Engine {
  const engine = soloEngine({ gaussians, shCount: 4 });
  for (let x = -1; x < -0.05; x += 0.08) {
    for (let y = -0.8; y < 0.8; y += 0.08) {
      addBlob(engine, { mean: [x, y, 2], logScale: Math.log(0.06), opacity: 4, color: [0.5, 0.5, 0.5] });
    }
  }
  engine.views.sh.forEach((_, i) => i % 4 > 0 && (engine.views.sh[i] = 0.1));
  return engine;
}

const front = plainCamera(40, 30, 40);
/** Grey like the wall; a bright spot in the upper left. */
const spotted: Picture = {
  camera: front,
  rgba: Uint8Array.from({ length: pixels * 4 }, (_, i) => {
    const p = i >> 2;
    const isSpot = p % 40 < 12 && p % 40 > 6 && p / 40 < 10 && p / 40 > 5;
    return i % 4 === 3 ? 255 : isSpot ? 255 : 128;
  }),
  mask: null,
};

function drawerOf(engine: Engine): (camera: typeof front) => void {
  return (view) => {
    engine.views.scalars[SCALAR.shDegree] = 0;
    engine.render(view, [0, 0, 0]);
  };
}

describe("explain", () => {
  it("finds what is open, what is wrong and how far away the rest is, and leaves the Gaussians as they were", () => {
    const engine = halfWall();
    const before = engine.extract();
    const { open, chance, depth, spread } = explain(engine, spotted, 1, drawerOf(engine));
    expect(engine.extract()).toEqual(before);
    const at = (x: number, y: number): number => y * 40 + x;
    expect(open[at(35, 15)]).toBe(1);
    expect(chance[at(35, 15)]).toBe(1);
    expect(open[at(5, 20)]).toBeLessThan(0.1);
    expect(chance[at(5, 20)]).toBeLessThan(0.2);
    expect(chance[at(9, 7)]).toBeGreaterThan(0.9);
    expect(depth[at(5, 20)]).toBeCloseTo(2, 3);
    expect(spread[at(5, 20)]).toBeLessThan(0.01);
  });
});

describe("spawn", () => {
  it("gives a frame that looks at new space Gaussians there, at the cap too, in place of the faintest", () => {
    const engine = halfWall();
    const walls = engine.count;
    for (let i = 0; i < 100; i++) addBlob(engine, { mean: [-0.5, 0, 2], opacity: -4, logScale: -6 });
    const cap = engine.count;
    const random = randomStream(71);
    spawn(engine, spotted, { ...sceneOf(1), cap, random, depth: 2 }, drawerOf(engine));
    expect(engine.count).toBe(cap);
    const { means, opacities } = engine.extract();
    const changed = [...opacities.keys()].filter((i) => Math.abs(opacities[i] - Math.log(0.1 / 0.9)) < 1e-6);
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.every((i) => i >= walls)).toBe(true);
    // Most lie in the open half, right of the wall.
    expect(changed.filter((i) => means[i * 3] > -0.1).length / changed.length).toBeGreaterThan(0.6);
  });

  it("adds little to what is explained, and never passes the cap", () => {
    const random = randomStream(72);
    const engine = halfWall();
    const grey = spotted.rgba.map((value, i) =>
      i % 4 === 3 ? ((i >> 2) % 40 < 18 ? 255 : 0) : Math.min(128, value),
    );
    const before = engine.count;
    const scene = { ...sceneOf(1), cap: 400, random, depth: 2 };
    spawn(engine, { ...spotted, rgba: grey }, scene, drawerOf(engine));
    expect(engine.count - before).toBeLessThan(4);
    for (let i = 0; i < 40; i++) {
      const view = { ...spotted, camera: { ...front, translation: [between(random, -1, 1), 0, 0] } };
      spawn(engine, view, scene, drawerOf(engine));
    }
    expect(engine.count).toBe(400);
  });

  it("does nothing above the cap", () => {
    const engine = halfWall();
    const before = engine.extract();
    spawn(engine, spotted, { ...sceneOf(73), cap: 100 }, drawerOf(engine));
    expect(engine.extract()).toEqual(before);
  });
});
