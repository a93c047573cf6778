import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  cameraJacobian,
  cameraToWorld,
  gripperFramePose,
  gripperJacobian,
  gripperPose,
} from "../../src/robot/kinematics.ts";
import { compose, invert, multiply, quaternionToRotation } from "../../src/robot/rigid.ts";
import { DEFAULT_CAMERA_MOUNT, JOINT_NAMES } from "../../src/robot/so101.ts";

interface Vector {
  readonly name: string;
  readonly joints_rad: readonly number[];
  readonly gripper_link: readonly number[];
  readonly gripper_frame_link: readonly number[];
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

describe("gripperFramePose", () => {
  it.each(vectors)("agrees with the URDF: $name", ({ joints_rad, gripper_frame_link }) => {
    expectClose(gripperFramePose(joints_rad), gripper_frame_link, 1e-7);
  });
});

describe("Jacobians", () => {
  const zeroOffsets = [0.05, -0.02, 0.03, 0.01, -0.04];
  const cameraAt = (joints: readonly number[]): number[] =>
    cameraToWorld(joints, DEFAULT_CAMERA_MOUNT, zeroOffsets);
  const gripperAt = (joints: readonly number[]): number[] => gripperPose(joints, zeroOffsets);

  it.each(vectors)("agree with finite differences: $name", ({ joints_rad }) => {
    expectClose(gripperJacobian(joints_rad, zeroOffsets), differences(gripperAt, joints_rad), 1e-8);
    const camera = cameraJacobian(joints_rad, DEFAULT_CAMERA_MOUNT, zeroOffsets);
    expectClose(camera, differences(cameraAt, joints_rad), 1e-8);
  });

  // A published table, computed for a camera at the front of the mount's plate; two decimals.
  const plate = { ...DEFAULT_CAMERA_MOUNT, translation_m: [0.00252405, -0.07205246, 0.00415252] };
  it.each([
    ["zeros", [0, 0, 0, 0, 0], [4.55, 4.34, 3.35, 0.99, 1.26], 7.3],
    ["looking down", [0, 0.2, -0.2, 1.2, 0], [4.29, 3.7, 2.83, 0.99, 1.26], 6.5],
    ["stretched", [0, 1.2, -1.2, 0, 0], [6.02, 5.37, 3.35, 0.99, 1.26], 8.9],
    ["folded", [0, -1.7, 1.6, 1.2, 0], [1.8, 0.83, 2.83, 0.99, 1.26], 3.8],
  ])("say how far a degree of each joint moves the camera: %s", (_, joints, wantedMm, togetherMm) => {
    const jacobian = cameraJacobian(joints, plate);
    const movedMm = joints.map((_angle, joint) => {
      const [x, y, z] = [0, 5, 10].map((row) => jacobian[row + joint]);
      return Math.hypot(x, y, z) * (Math.PI / 180) * 1000;
    });
    movedMm.forEach((mm, joint) => expect(Math.abs(mm / wantedMm[joint] - 1)).toBeLessThan(0.01));
    expect(Math.abs(Math.hypot(...movedMm) / togetherMm - 1)).toBeLessThan(0.01);
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

/** [6,5] Jacobian of a pose by central differences of fourth order. */
function differences(poseAt: (joints: readonly number[]) => number[], joints: readonly number[]): number[] {
  const h = 1e-3;
  const rows: number[][] = [[], [], [], [], [], []];
  const pose = poseAt(joints);
  for (let joint = 0; joint < 5; joint++) {
    const at = (steps: number): number[] =>
      poseAt(joints.map((angle, i) => (i === joint ? angle + steps * h : angle)));
    const [a, b, c, d] = [at(-2), at(-1), at(1), at(2)];
    const rate = pose.map((_, i) => (a[i] - 8 * b[i] + 8 * c[i] - d[i]) / (12 * h));
    // Its derivative times its transpose is the matrix of the cross product with the rotation's rate.
    const spin = (i: number, j: number): number =>
      [0, 1, 2].reduce((sum, k) => sum + rate[4 * i + k] * pose[4 * j + k], 0);
    [rate[3], rate[7], rate[11], spin(2, 1), spin(0, 2), spin(1, 0)].forEach((value, i) =>
      rows[i].push(value),
    );
  }
  return rows.flat();
}
