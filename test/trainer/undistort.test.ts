import { expect, it } from "vitest";
import { isDistorted, undistort, type Distortion } from "../../src/trainer/undistort.ts";

const [WIDTH, HEIGHT] = [80, 60];
const LENS = { width: WIDTH, height: HEIGHT, fx: 70, fy: 72, cx: 41, cy: 29 };

/** Where a lens puts the ray (x, y, 1), pixels; written from OpenCV's documentation, apart from the code under test. */
function project(x: number, y: number, { k1, k2, p1, p2 }: Distortion): [number, number] {
  const r2 = x ** 2 + y ** 2;
  const radial = 1 + k1 * r2 + k2 * r2 ** 2;
  const bentX = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x ** 2);
  const bentY = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y ** 2);
  return [LENS.fx * bentX + LENS.cx, LENS.fy * bentY + LENS.cy];
}

/** A smooth pattern over the ray's direction, 0…255. */
function pattern(x: number, y: number): number {
  return 128 + 100 * Math.sin(4 * x) * Math.cos(5 * y);
}

/** What the bent lens sees of the pattern: each pixel's ray is found by fixed-point iteration. */
function bentImage(distortion: Distortion): Uint8Array {
  const rgba = new Uint8Array(WIDTH * HEIGHT * 4);
  for (let row = 0; row < HEIGHT; row++) {
    for (let column = 0; column < WIDTH; column++) {
      let [x, y] = [(column + 0.5 - LENS.cx) / LENS.fx, (row + 0.5 - LENS.cy) / LENS.fy];
      const [wantX, wantY] = [x, y];
      for (let i = 0; i < 30; i++) {
        const [u, v] = project(x, y, distortion);
        x += wantX - (u - LENS.cx) / LENS.fx;
        y += wantY - (v - LENS.cy) / LENS.fy;
      }
      rgba.fill(pattern(x, y), (row * WIDTH + column) * 4, (row * WIDTH + column + 1) * 4);
    }
  }
  return rgba;
}

it.each<[string, Distortion]>([
  ["barrel", { k1: -0.2, k2: 0.03, p1: 0, p2: 0 }],
  ["pincushion", { k1: 0.15, k2: 0.02, p1: 0, p2: 0 }],
  ["tangential", { k1: 0.02, k2: 0, p1: 0.01, p2: -0.015 }],
])("straightens a %s lens to what a pinhole sees", (_name, distortion) => {
  const { rgba, mask } = undistort(bentImage(distortion), LENS, distortion);
  let worst = 0;
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    if (mask[i] === 0) continue;
    const [column, row] = [i % WIDTH, Math.floor(i / WIDTH)];
    const truth = pattern((column + 0.5 - LENS.cx) / LENS.fx, (row + 0.5 - LENS.cy) / LENS.fy);
    worst = Math.max(worst, Math.abs(rgba[i * 4] - truth));
  }
  expect(worst).toBeLessThan(4);
  expect(mask.reduce((sum, value) => sum + value, 0)).toBeGreaterThan(WIDTH * HEIGHT * 0.7);
});

it("masks what the lens did not see, and nothing when it sees more", () => {
  const grey = new Uint8Array(WIDTH * HEIGHT * 4).fill(100);
  const pincushion = undistort(grey, LENS, { k1: 0.15, k2: 0, p1: 0, p2: 0 });
  expect([pincushion.mask[0], pincushion.rgba[3]]).toEqual([0, 0]);
  const barrel = undistort(grey, LENS, { k1: -0.1, k2: 0, p1: 0, p2: 0 });
  expect(barrel.mask.every((value) => value === 1)).toBe(true);
  expect(barrel.rgba.every((value) => value === 100)).toBe(true);
});

it("knows a lens without any bend", () => {
  expect(isDistorted({ k1: 0, k2: 0, p1: 0, p2: 0 })).toBe(false);
  expect(isDistorted({ k1: 0, k2: 0, p1: 0, p2: 1e-4 })).toBe(true);
});
