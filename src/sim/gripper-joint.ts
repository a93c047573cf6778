/** The sixth joint, which moves the jaw: only the simulation has to know where it is. */

// The first angle is the file's own literal, not π/2. Of the other two one is rounded (−5.24284e-8 there), and one is none:
// 1e-15 or so there.
// oxlint-disable oxc/approx-constant
/**
 * `gripper_link` → the moving jaw, which turns about its own z axis; positive opens it towards +x.
 * TheRobotStudio/SO-ARM100, Simulation/SO101/so101_new_calib.urdf, commit fda892cb, Apache-2.0.
 */
export const GRIPPER_JOINT = {
  /** [3] m. */
  translationM: [0.0202, 0.0188, -0.0234],
  /** [3] roll, pitch, yaw, rad. */
  rollPitchYawRad: [1.5708, -5.24e-8, 0],
} as const;
// oxlint-enable oxc/approx-constant
