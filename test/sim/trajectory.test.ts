import { describe, expect, it } from "vitest";
import { ARM_JOINTS, DEFAULT_CAMERA_MOUNT, GRIPPER_LIMITS_RAD } from "../../src/robot/so101.ts";
import { OBJECTS_CENTER_M } from "../../src/sim/tabletop.ts";
import { armTrajectory } from "../../src/sim/trajectory.ts";
import { wristCamera, wristIntrinsics } from "../../src/sim/wrist-camera.ts";
import { centerOf } from "../../src/trainer/camera.ts";

const DEGREES = 180 / Math.PI;
const trajectory = armTrajectory(48);
const cameras = trajectory.map((joints) =>
  wristCamera(joints, wristIntrinsics(320, 240), DEFAULT_CAMERA_MOUNT),
);

function fromTarget(center: readonly number[]): number[] {
  const offset = center.map((value, i) => value - OBJECTS_CENTER_M[i]);
  return offset.map((value) => value / Math.hypot(...offset));
}

function angleDeg(a: readonly number[], b: readonly number[]): number {
  return Math.acos(Math.min(1, a[0] * b[0] + a[1] * b[1] + a[2] * b[2])) * DEGREES;
}

describe("armTrajectory", () => {
  it("stays within the joint limits", () => {
    const limits = [...ARM_JOINTS, GRIPPER_LIMITS_RAD];
    for (const joints of trajectory) {
      expect(joints).toHaveLength(6);
      for (const [i, { lowerRad, upperRad }] of limits.entries()) {
        expect(joints[i]).toBeGreaterThan(lowerRad);
        expect(joints[i]).toBeLessThan(upperRad);
      }
    }
  });

  it("looks at the objects from every pose, from near and above the table", () => {
    for (const camera of cameras) {
      const forward = camera.rotation.slice(6);
      const center = centerOf(camera);
      expect(
        angleDeg(
          forward.map((value) => -value),
          fromTarget(center),
        ),
      ).toBeLessThan(10);
      expect(center[2]).toBeGreaterThan(0.08);
      const distance = Math.hypot(...center.map((value, i) => value - OBJECTS_CENTER_M[i]));
      expect(distance).toBeGreaterThan(0.18);
      expect(distance).toBeLessThan(0.26);
    }
  });

  it("sees them from many sides", () => {
    const directions = cameras.map((camera) => fromTarget(centerOf(camera)));
    const spread = Math.max(...directions.flatMap((a) => directions.map((b) => angleDeg(a, b))));
    expect(spread).toBeGreaterThan(60);
  });

  it("moves without jumps", () => {
    for (let i = 1; i < trajectory.length; i++) {
      for (let joint = 0; joint < 6; joint++) {
        expect(Math.abs(trajectory[i][joint] - trajectory[i - 1][joint]) * DEGREES).toBeLessThan(40);
      }
    }
  });

  it("is the same each time", () => {
    expect(armTrajectory(48)).toEqual(trajectory);
  });
});
