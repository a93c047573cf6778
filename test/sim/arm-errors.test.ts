import { describe, expect, it } from "vitest";
import { DEFAULT_CAMERA_MOUNT } from "../../src/robot/so101.ts";
import {
  NO_ERRORS,
  trueDistortion,
  trueIntrinsics,
  trueMount,
  typicalErrors,
} from "../../src/sim/arm-errors.ts";
import { NO_DISTORTION } from "../../src/sim/lens.ts";
import { gripperCamera, wristIntrinsics } from "../../src/sim/wrist-camera.ts";

const intrinsics = wristIntrinsics(640, 480);
const DEGREE = Math.PI / 180;

function spread(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

describe("typicalErrors", () => {
  const drawn = Array.from({ length: 300 }, (_, seed) => typicalErrors(seed));

  it("are the same for a seed, and others for another", () => {
    expect(typicalErrors(3)).toEqual(typicalErrors(3));
    expect(typicalErrors(3)).not.toEqual(typicalErrors(4));
  });

  it("have the spread of real arms, and bounds", () => {
    const zeros = drawn.flatMap((errors) => errors.jointZerosRad);
    const clocks = drawn.map((errors) => errors.clockOffsetS);
    const places = drawn.flatMap((errors) => errors.mount.translation_m);
    const turns = drawn.flatMap((errors) => errors.mount.rotation_rad);
    const focal = drawn.map((errors) => errors.lens.focalScale - 1);
    const expected = [2 * DEGREE, 0.04, 0.01, 4 * DEGREE, 0.05];
    const bounds = [6 * DEGREE, 0.15, 0.03, 10 * DEGREE, 0.12];
    for (const [i, values] of [zeros, clocks, places, turns, focal].entries()) {
      expect(spread(values) / expected[i]).toBeGreaterThan(0.85);
      expect(spread(values) / expected[i]).toBeLessThan(1.15);
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bounds[i] + 1e-12);
    }
  });

  it("can be smaller", () => {
    const [whole, half] = [typicalErrors(5), typicalErrors(5, 0.5)];
    expect(half.clockOffsetS).toBeCloseTo(whole.clockOffsetS / 2, 12);
    expect(half.lens.focalScale - 1).toBeCloseTo((whole.lens.focalScale - 1) / 2, 12);
  });
});

describe("the true camera", () => {
  it("is the nominal one when there are no errors", () => {
    expect(trueMount(DEFAULT_CAMERA_MOUNT, NO_ERRORS)).toEqual({
      translation_m: DEFAULT_CAMERA_MOUNT.translation_m,
      rotation_wxyz: DEFAULT_CAMERA_MOUNT.rotation_wxyz,
    });
    expect(trueIntrinsics(intrinsics, NO_ERRORS)).toEqual(intrinsics);
    expect(trueDistortion(NO_DISTORTION, NO_ERRORS)).toEqual(NO_DISTORTION);
  });

  it("is moved along the gripper's axes and turned about its own", () => {
    const error = { translation_m: [0.01, 0.02, -0.03], rotation_rad: [0.1, 0, 0] };
    const mount = trueMount(DEFAULT_CAMERA_MOUNT, { ...NO_ERRORS, mount: error });
    expect(mount.translation_m[1]).toBeCloseTo(DEFAULT_CAMERA_MOUNT.translation_m[1] + 0.02, 12);
    const [before, after] = [DEFAULT_CAMERA_MOUNT, mount].map(
      (one) => gripperCamera(intrinsics, one).rotation,
    );
    // World-to-camera rows are the camera's axes: x stays, and z goes from z towards −y, so up in the picture.
    const along = (row: number): number =>
      [0, 1, 2].reduce((sum, i) => sum + after[6 + i] * before[row * 3 + i], 0);
    expect(along(0)).toBeCloseTo(0, 12);
    expect(along(1)).toBeCloseTo(-Math.sin(0.1), 12);
    expect(along(2)).toBeCloseTo(Math.cos(0.1), 12);
  });
});
