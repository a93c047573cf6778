/**
 * The SO-101 arm in numbers. LeRobot uses this model for the SO-100 too.
 *
 * Joint constants: TheRobotStudio/SO-ARM100, Simulation/SO101/so101_new_calib.urdf, commit fda892cb, Apache-2.0.
 * Literals stand as in that file (π with six digits), so that poses agree with tools that read it.
 * In this calibration zero is the middle of each joint's range, which is also LeRobot's zero.
 */

/** One revolute joint: the fixed step from its parent link, then a turn about its own z axis. */
export interface Joint {
  readonly name: string;
  /** [3] m, in the parent link. */
  readonly translationM: readonly number[];
  /** [3] roll, pitch, yaw, rad. */
  readonly rollPitchYawRad: readonly number[];
  readonly lowerRad: number;
  readonly upperRad: number;
}

// The literals are the file's own, not π: see the top.
// oxlint-disable oxc/approx-constant
/**
 * `base_link` (x forward, y to the arm's left, z up) → `gripper_link` (−z points out along the fingers).
 * Positive turns at the zero pose: pan to the arm's right; lift, elbow and wrist flex move the tip down.
 */
export const ARM_JOINTS: readonly Joint[] = [
  {
    name: "shoulder_pan",
    translationM: [0.0388353, -8.97657e-9, 0.0624],
    rollPitchYawRad: [3.14159, 4.18253e-17, -3.14159],
    lowerRad: -1.91986,
    upperRad: 1.91986,
  },
  {
    name: "shoulder_lift",
    translationM: [-0.0303992, -0.0182778, -0.0542],
    rollPitchYawRad: [-1.5708, -1.5708, 0],
    lowerRad: -1.74533,
    upperRad: 1.74533,
  },
  {
    name: "elbow_flex",
    translationM: [-0.11257, -0.028, 1.73763e-16],
    rollPitchYawRad: [-3.63608e-16, 8.74301e-16, 1.5708],
    lowerRad: -1.69,
    upperRad: 1.69,
  },
  {
    name: "wrist_flex",
    translationM: [-0.1349, 0.0052, 3.62355e-17],
    rollPitchYawRad: [4.02456e-15, 8.67362e-16, -1.5708],
    lowerRad: -1.65806,
    upperRad: 1.65806,
  },
  {
    name: "wrist_roll",
    translationM: [5.55112e-17, -0.0611, 0.0181],
    rollPitchYawRad: [1.5708, 0.0486795, 3.14159],
    lowerRad: -2.74385,
    upperRad: 2.84121,
  },
];

/** Fixed step `gripper_link` → `gripper_frame_link`: the point between the fingertips, +z out along them. */
export const GRIPPER_FRAME: Pick<Joint, "translationM" | "rollPitchYawRad"> = {
  translationM: [-0.0079, -0.000218121, -0.0981274],
  rollPitchYawRad: [0, 3.14159, 0],
};
// oxlint-enable oxc/approx-constant

/** The sixth motor opens the jaw; it moves neither `gripper_link` nor the camera. */
export const GRIPPER_LIMITS_RAD = { lowerRad: -0.174533, upperRad: 1.74533 } as const;

/** Names of the six motors, in the order of `joint_angles`. */
export const JOINT_NAMES: readonly string[] = [...ARM_JOINTS.map((joint) => joint.name), "gripper"];

/** Where the camera sits on the gripper, OpenCV optical axes (x right, y down, z forward). */
export interface CameraMount {
  readonly parent: "gripper_link";
  /** [3] m. */
  readonly translation_m: number[];
  /** [4] w, x, y, z. */
  readonly rotation_wxyz: number[];
}

/**
 * The printed mount for 32×32 mm USB modules that SO-ARM100 publishes (Optional/Wrist_Cam_Mount_32x32_UVC_Module),
 * measured on its CAD: module upside-down at −y, tilted 25° towards the fingers; the pinhole lies about 6 mm in front
 * of the plate. Real mounts differ from it by 6…21 mm and 2…7°.
 */
export const DEFAULT_CAMERA_MOUNT: CameraMount = {
  parent: "gripper_link",
  translation_m: [0.002524, -0.069517, -0.001285],
  rotation_wxyz: [0, 0, Math.cos((12.5 * Math.PI) / 180), Math.sin((12.5 * Math.PI) / 180)],
};
