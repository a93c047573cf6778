import { describe, expect, it } from "vitest";
import { CAMERA_MOUNTS, cameraMountNamed, DEFAULT_MOUNT_NAME } from "../../src/robot/camera-mounts.ts";
import { cameraToWorld, gripperPose } from "../../src/robot/kinematics.ts";
import { quaternionToRotation } from "../../src/robot/rigid.ts";
import { DEFAULT_CAMERA_MOUNT } from "../../src/robot/so101.ts";

const mountOf = (name: string) => cameraMountNamed(name).mount;
/** Column `axis` of the camera's rotation: where its x, y or z points on the gripper. */
function axisOf(name: string, axis: number): number[] {
  const rotation = quaternionToRotation(mountOf(name).rotation_wxyz);
  return [0, 3, 6].map((row) => rotation[row + axis]);
}

function expectNear(actual: readonly number[], wanted: readonly number[], tolerance: number): void {
  expect(actual).toHaveLength(wanted.length);
  actual.forEach((value, i) => expect(Math.abs(value - wanted[i])).toBeLessThan(tolerance));
}

describe("camera mounts", () => {
  /** As published: [3,3] rotation, or as much of it as is; [3] translation, m. */
  it.each([
    ["integrated-32x32", [-1, 0, 0], [0, 0.42261826, -0.90630779], [0.002524, -0.069517, -0.001285]],
    [
      "integrated-32x32-right",
      [-0.9998, -0.021, -0.001],
      [-0.0076, 0.4055, -0.9141],
      [-0.00274, -0.07132, 0.00672],
    ],
    [
      "integrated-32x32-left",
      [-0.9923, -0.1217, -0.0226],
      [-0.0334, 0.4391, -0.8978],
      [0.01687, -0.05997, -0.00584],
    ],
    ["integrated-32x32-tuned", [-1, 0, 0], [0, 0.38752, -0.92186], [0.008, -0.065, -0.019]],
    ["menagerie", [1, 0, 0], [0, -0.5396, -0.8419], [0, 0.055, -0.045]],
    ["leisaac", [0.991, 0.043, -0.125], [-0.052, -0.742, -0.668], [-0.001, 0.1, -0.04]],
  ])("%s lies and looks as published", (name, right, view, translation) => {
    expectNear(axisOf(name, 0), right, 6e-4);
    expectNear(axisOf(name, 2), view, 6e-4);
    expect(mountOf(name).translation_m).toEqual(translation);
  });

  it.each(CAMERA_MOUNTS.map(({ name }) => name))("%s is a rotation, in unit form", (name) => {
    expect(Math.hypot(...mountOf(name).rotation_wxyz)).toBeCloseTo(1, 5);
    const [x, y, z] = [0, 1, 2].map((axis) => axisOf(name, axis));
    const cross = [0, 1, 2].map((i) => x[(i + 1) % 3] * y[(i + 2) % 3] - x[(i + 2) % 3] * y[(i + 1) % 3]);
    expectNear(cross, z, 1e-12);
  });

  it("stand on the side they say, look out along the fingers, and say that they are guesses", () => {
    for (const { name, side, mount, source, status } of CAMERA_MOUNTS) {
      expect([name, Math.sign(mount.translation_m[1])]).toEqual([name, side === "+y" ? 1 : -1]);
      // Towards −z, and back to the middle from the side it stands on.
      expect(axisOf(name, 2)[2]).toBeLessThan(-0.6);
      expect(Math.sign(axisOf(name, 2)[1])).toBe(side === "+y" ? -1 : 1);
      expect(status).toMatch(/^a starting guess/);
      expect(source).not.toBe("");
      expect(name).toMatch(/^[a-z0-9-]+$/);
    }
    expect(new Set(CAMERA_MOUNTS.map(({ name }) => name)).size).toBe(CAMERA_MOUNTS.length);
  });

  it("a −y camera is on top when the wrist is rolled by +90°, a +y camera below", () => {
    const rolled = [0, 0, 0, 0, Math.PI / 2];
    const gripperZ = gripperPose(rolled)[11];
    for (const { name, side, mount } of CAMERA_MOUNTS) {
      const isOnTop = cameraToWorld(rolled, mount)[11] > gripperZ;
      expect([name, isOnTop]).toEqual([name, side === "-y"]);
    }
    expect(cameraToWorld(rolled, DEFAULT_CAMERA_MOUNT)[11]).toBeCloseTo(0.304, 2);
  });

  it("begin with the default", () => {
    expect(CAMERA_MOUNTS[0]).toMatchObject({ name: DEFAULT_MOUNT_NAME, mount: DEFAULT_CAMERA_MOUNT });
  });

  it("name those that there are when asked for another", () => {
    expect(() => cameraMountNamed("d405")).toThrow(
      expect.objectContaining({
        code: "usage",
        hint: expect.stringContaining("integrated-32x32, ") as string,
      }),
    );
  });
});
