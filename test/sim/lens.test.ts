import { describe, expect, it } from "vitest";
import { lensRays, NO_DISTORTION, unbend, WEBCAM_DISTORTION } from "../../src/sim/lens.ts";
import { wristIntrinsics } from "../../src/sim/wrist-camera.ts";
import { isDistorted, undistort } from "../../src/trainer/undistort.ts";

const intrinsics = wristIntrinsics(96, 72);
const STRONG = { k1: -0.3, k2: 0.1, p1: 0.004, p2: -0.003 };

/** A smooth picture as a function of where its light comes from; one byte level is far below a pixel. */
function glow(x: number, y: number): number {
  return 128 + 60 * Math.sin(3 * x) + 50 * Math.cos(4 * y + x);
}

describe.each([
  ["barrel-shaped", WEBCAM_DISTORTION],
  ["strongly barrel-shaped", STRONG],
  ["cushion-shaped", { ...NO_DISTORTION, k1: 0.15 }],
])("a %s lens", (_, distortion) => {
  it("is taken out again by the trainer's undistort", () => {
    const { width, height, fx, fy, cx, cy } = intrinsics;
    const rays = lensRays(intrinsics, distortion, [[0.5, 0.5]]);
    const rgba = new Uint8Array(width * height * 4).fill(255);
    for (let pixel = 0; pixel < width * height; pixel++) {
      rgba[pixel * 4] = Math.round(glow(rays[2 * pixel], rays[2 * pixel + 1]));
    }
    const straight = undistort(rgba, intrinsics, distortion);
    let worst = 0;
    let seen = 0;
    for (let pixel = 0; pixel < width * height; pixel++) {
      if (straight.mask[pixel] === 0) continue;
      const x = ((pixel % width) + 0.5 - cx) / fx;
      const y = (Math.floor(pixel / width) + 0.5 - cy) / fy;
      worst = Math.max(worst, Math.abs(straight.rgba[pixel * 4] - glow(x, y)));
      seen++;
    }
    expect(seen / (width * height)).toBeGreaterThan(0.8);
    // Rounding twice, and half a pixel beyond the outermost centres.
    expect(worst).toBeLessThan(2.5);
  });
});

describe("unbend", () => {
  it("finds the ray that the lens puts there", () => {
    const { k1, k2, p1, p2 } = STRONG;
    const [x, y] = [0.43, -0.31];
    const r2 = x * x + y * y;
    const radial = 1 + k1 * r2 + k2 * r2 * r2;
    const [u, v] = [
      x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
      y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    ];
    const found = unbend(u, v, STRONG);
    expect(found[0]).toBeCloseTo(x, 9);
    expect(found[1]).toBeCloseTo(y, 9);
  });

  it("knows where no light can come from", () => {
    // r(1 − 0.5 r²) is never more than 0.55.
    expect(unbend(0.7, 0, { ...NO_DISTORTION, k1: -0.5 })).toEqual([Number.NaN, Number.NaN]);
  });
});

it("a lens that does not bend is told from one that does", () => {
  expect(isDistorted(NO_DISTORTION)).toBe(false);
  expect(isDistorted({ ...NO_DISTORTION, p2: 1e-4 })).toBe(true);
});
