import { describe, expect, it } from "vitest";
import type { Camera } from "../../src/trainer/camera.ts";
import { sceneExtent } from "../../src/trainer/extent.ts";
import { lookAt, plainCamera } from "./scenes.ts";

const lens = { width: 64, height: 48, f: 60 };

function at(x: number, y: number, z: number): Camera {
  return { ...plainCamera(64, 48, 60), translation: [-x, -y, -z] };
}

describe("sceneExtent", () => {
  it("finds the depth at which the optical axes meet, wherever that is", () => {
    for (const [offset, scale] of [
      [0, 1],
      [30, 0.1],
      [-5, 7],
    ]) {
      const cameras = Array.from({ length: 8 }, (_, i) =>
        lookAt(
          [offset + scale * Math.cos(i), offset + scale * Math.sin(i), offset + 0.5 * scale],
          [offset, offset, offset],
          lens,
        ),
      );
      const { depth, size } = sceneExtent(cameras);
      expect(depth / scale).toBeCloseTo(Math.hypot(1, 0.5), 4);
      expect(size).toBeGreaterThanOrEqual(depth);
    }
  });

  it("measures size from the mean of the cameras when they are far apart", () => {
    const cameras = [0, 2, 4].map((angle) =>
      lookAt([3 * Math.cos(angle), 3 * Math.sin(angle), 0.1], [0, 0, 0], lens),
    );
    const { size } = sceneExtent(cameras);
    expect(size).toBeGreaterThan(3);
    expect(size).toBeLessThan(1.1 * 3.5);
  });

  it("falls back to the cameras' spacing when they look the same way", () => {
    const { depth } = sceneExtent([at(0, 0, 0), at(1, 0, 0), at(2, 0, 0)]);
    expect(depth).toBeCloseTo(3, 6);
  });

  it("falls back to an arm's reach for one camera, and for several in one place", () => {
    expect(sceneExtent([at(1, 2, 3)])).toEqual({ size: 0.3, depth: 0.3 });
    // A wrist that only turns, exactly and with a millimetre of play.
    for (const play of [0, 0.001]) {
      const turned = lookAt([1 + play, 2, 3], [1, 5, 4], lens);
      expect(sceneExtent([at(1, 2, 3), turned])).toEqual({ size: 0.3, depth: 0.3 });
    }
    expect(sceneExtent([at(0, 0, 0), at(0.02, 0, 0)]).depth).toBe(0.3);
  });

  it("does not believe in a focus behind the cameras", () => {
    // Cameras on a ring looking outwards: their axes meet in the middle, behind them all.
    const cameras = Array.from({ length: 6 }, (_, i) =>
      lookAt([Math.cos(i), Math.sin(i), 0], [3 * Math.cos(i), 3 * Math.sin(i), 0.1], lens),
    );
    const { depth, size } = sceneExtent(cameras);
    expect(depth).toBeGreaterThan(1);
    expect(Number.isFinite(size)).toBe(true);
  });
});
