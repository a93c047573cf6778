/** Kinematics of the SO-101: joint angles → where the gripper is and its camera looks from, and how these move with them. */
import { compose, multiply, quaternionToRotation, rollPitchYawToRotation } from "./rigid.ts";
import { ARM_JOINTS, GRIPPER_FRAME } from "./so101.ts";

/** Where a camera sits on `gripper_link`, OpenCV optical axes: translation [3] m, rotation [4] w, x, y, z. */
export interface Mount {
  readonly translation_m: readonly number[];
  readonly rotation_wxyz: readonly number[];
}

const FIXED_STEPS = ARM_JOINTS.map((joint) =>
  compose(rollPitchYawToRotation(joint.rollPitchYawRad), joint.translationM),
);
const GRIPPER_FRAME_STEP = compose(
  rollPitchYawToRotation(GRIPPER_FRAME.rollPitchYawRad),
  GRIPPER_FRAME.translationM,
);

/**
 * [16] row-major `base_link` → `gripper_link`, metres.
 * `jointsRad`: ≥ 5 angles in motor order; `zeroOffsetsRad`: [5] added to them (true angle = reading + offset).
 */
export function gripperPose(jointsRad: readonly number[], zeroOffsetsRad?: readonly number[]): number[] {
  return linkPoses(jointsRad, zeroOffsetsRad)[FIXED_STEPS.length - 1];
}

/** [16] row-major `base_link` → `gripper_frame_link`, the point that inverse kinematics of others aims; see `gripperPose`. */
export function gripperFramePose(jointsRad: readonly number[], zeroOffsetsRad?: readonly number[]): number[] {
  return multiply(gripperPose(jointsRad, zeroOffsetsRad), GRIPPER_FRAME_STEP);
}

/** [7,3] m in `base_link`: its origin, the five joints from pan to wrist roll, the point between the fingertips. */
export function armPoints(jointsRad: readonly number[]): number[][] {
  const joints = linkPoses(jointsRad).map(originOf);
  return [[0, 0, 0], ...joints, originOf(gripperFramePose(jointsRad))];
}

/**
 * [16] row-major camera → world, world = `base_link`, metres, OpenGL camera axes (x right, y up, looks along −z):
 * FK(`gripper_link`) · mount · diag(1, −1, −1, 1). The mount has OpenCV axes, as in the HTTP contract.
 */
export function cameraToWorld(
  jointsRad: readonly number[],
  mount: Mount,
  zeroOffsetsRad?: readonly number[],
): number[] {
  const mountPose = compose(quaternionToRotation(mount.rotation_wxyz), mount.translation_m);
  const pose = multiply(gripperPose(jointsRad, zeroOffsetsRad), mountPose);
  for (let row = 0; row < 12; row += 4) {
    pose[row + 1] = -pose[row + 1];
    pose[row + 2] = -pose[row + 2];
  }
  return pose;
}

/**
 * How `gripper_link` moves with each joint: [6,5] row-major, in the axes of `base_link`. Rows 0–2: its origin, m/rad;
 * rows 3–5: its rotation vector, rad/rad. Columns: the five arm joints, or, what is the same, their zero offsets.
 */
export function gripperJacobian(jointsRad: readonly number[], zeroOffsetsRad?: readonly number[]): number[] {
  const poses = linkPoses(jointsRad, zeroOffsetsRad);
  return jacobianAt(poses, originOf(poses[poses.length - 1]));
}

/** How the camera's pinhole moves with each joint: [6,5] as `gripperJacobian`. */
export function cameraJacobian(
  jointsRad: readonly number[],
  mount: Mount,
  zeroOffsetsRad?: readonly number[],
): number[] {
  const poses = linkPoses(jointsRad, zeroOffsetsRad);
  const [x, y, z] = mount.translation_m;
  const m = poses[poses.length - 1];
  const pinhole = [0, 4, 8].map((row) => m[row] * x + m[row + 1] * y + m[row + 2] * z + m[row + 3]);
  return jacobianAt(poses, pinhole);
}

/** Geometric Jacobian of a [3] point that moves with the last link: axis × (point − joint), above axis. */
function jacobianAt(poses: readonly (readonly number[])[], point: readonly number[]): number[] {
  const rows: number[][] = [[], [], [], [], [], []];
  for (const pose of poses) {
    // Turning about its own z axis, a joint leaves that axis and its origin where they were before.
    const [ax, ay, az] = [pose[2], pose[6], pose[10]];
    const [x, y, z] = originOf(pose).map((value, i) => point[i] - value);
    [ay * z - az * y, az * x - ax * z, ax * y - ay * x, ax, ay, az].forEach((value, i) =>
      rows[i].push(value),
    );
  }
  return rows.flat();
}

/** Pose of the link behind each joint, `base_link` → link; the last one is `gripper_link`. */
function linkPoses(jointsRad: readonly number[], zeroOffsetsRad?: readonly number[]): number[][] {
  const poses: number[][] = [];
  for (let joint = 0; joint < FIXED_STEPS.length; joint++) {
    const step = FIXED_STEPS[joint];
    const unturned = joint === 0 ? step : multiply(poses[joint - 1], step);
    poses.push(turnAboutZ(unturned, jointsRad[joint] + (zeroOffsetsRad?.[joint] ?? 0)));
  }
  return poses;
}

function originOf(pose: readonly number[]): number[] {
  return [pose[3], pose[7], pose[11]];
}

/** pose · Rz(angle): only the first two columns change. */
function turnAboutZ(pose: readonly number[], angleRad: number): number[] {
  const c = Math.cos(angleRad);
  const s = Math.sin(angleRad);
  const turned = [...pose];
  for (let row = 0; row < 12; row += 4) {
    turned[row] = pose[row] * c + pose[row + 1] * s;
    turned[row + 1] = pose[row + 1] * c - pose[row] * s;
  }
  return turned;
}
