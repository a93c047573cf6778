import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cameraToWorld, gripperPose } from "../../src/robot/kinematics.ts";
import { compose, invert, multiply, quaternionToRotation } from "../../src/robot/rigid.ts";
import { DEFAULT_CAMERA_MOUNT, JOINT_NAMES } from "../../src/robot/so101.ts";

interface Vector {
  readonly name: string;
  readonly joints_rad: readonly number[];
  readonly gripper_link: readonly number[];
}

const { vectors } = JSON.parse(readFileSync(new URL("fk-vectors.json", import.meta.url), "utf8")) as {
  vectors: readonly Vector[];
};

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual).toHaveLength(expected.length);
  const worst = Math.max(...actual.map((value, i) => Math.abs(value - expected[i])));
  expect(worst).toBeLessThan(tolerance);
}

describe("gripperPose", () => {
  it.each(vectors)("agrees with the URDF: $name", ({ joints_rad, gripper_link }) => {
    expectClose(gripperPose(joints_rad), gripper_link, 1e-7);
  });

  it("adds the zero offsets to the readings", () => {
    const { joints_rad, gripper_link } = vectors[1];
    const offsets = [0.05, -0.02, 0.03, 0.01, -0.04];
    const readings = joints_rad.map((angle, i) => angle - (offsets[i] ?? 0));
    expectClose(gripperPose(readings, offsets), gripper_link, 1e-7);
  });

  it("does not depend on the jaw", () => {
    expect(gripperPose([0.1, 0.2, 0.3, 0.4, 0.5, 0])).toEqual(gripperPose([0.1, 0.2, 0.3, 0.4, 0.5, 1]));
  });
});

describe("cameraToWorld", () => {
  it("puts the default camera at −y of the gripper, looking 25° from the fingers' direction", () => {
    const joints = vectors[3].joints_rad;
    const pose = multiply(invert(gripperPose(joints)), cameraToWorld(joints, DEFAULT_CAMERA_MOUNT));
    expectClose([pose[3], pose[7], pose[11]], [0.002524, -0.069517, -0.001285], 1e-12);
    // OpenGL cameras look along −z; the fingers point along −z of gripper_link.
    const view = [-pose[2], -pose[6], -pose[10]];
    expectClose(view, [0, Math.sin((25 * Math.PI) / 180), -Math.cos((25 * Math.PI) / 180)], 1e-12);
    expectClose([pose[0], pose[4], pose[8]], [-1, 0, 0], 1e-12);
  });

  it("stays a rotation", () => {
    const m = cameraToWorld([0.3, -0.4, 0.5, 0.25, -0.6], { ...DEFAULT_CAMERA_MOUNT });
    expectClose(multiply(m, invert(m)), [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], 1e-12);
  });
});

describe("rigid", () => {
  it("turns by a quaternion of any length", () => {
    const half = Math.SQRT1_2 * 3;
    expectClose(quaternionToRotation([half, 0, 0, half]), [0, -1, 0, 1, 0, 0, 0, 0, 1], 1e-12);
  });

  it("inverts", () => {
    const m = compose(quaternionToRotation([1, 2, -3, 0.5]), [0.1, -0.2, 0.3]);
    expectClose(multiply(invert(m), m), compose([1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0]), 1e-12);
  });
});

it("names the motors in LeRobot's order", () => {
  expect(JOINT_NAMES).toEqual([
    "shoulder_pan",
    "shoulder_lift",
    "elbow_flex",
    "wrist_flex",
    "wrist_roll",
    "gripper",
  ]);
});
