/** Forward kinematics of the SO-101: joint angles → where the gripper is, and where its camera looks from. */
import { compose, multiply, quaternionToRotation, rollPitchYawToRotation } from "./rigid.ts";
import { ARM_JOINTS } from "./so101.ts";

/** Where a camera sits on `gripper_link`, OpenCV optical axes: translation [3] m, rotation [4] w, x, y, z. */
export interface Mount {
  readonly translation_m: readonly number[];
  readonly rotation_wxyz: readonly number[];
}

const FIXED_STEPS = ARM_JOINTS.map((joint) =>
  compose(rollPitchYawToRotation(joint.rollPitchYawRad), joint.translationM),
);

/**
 * [16] row-major `base_link` → `gripper_link`, metres.
 * `jointsRad`: ≥ 5 angles in motor order; `zeroOffsetsRad`: [5] added to them (true angle = reading + offset).
 */
export function gripperPose(jointsRad: readonly number[], zeroOffsetsRad?: readonly number[]): number[] {
  let pose = FIXED_STEPS[0];
  for (let joint = 0; joint < FIXED_STEPS.length; joint++) {
    if (joint > 0) pose = multiply(pose, FIXED_STEPS[joint]);
    pose = turnAboutZ(pose, jointsRad[joint] + (zeroOffsetsRad?.[joint] ?? 0));
  }
  return pose;
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
