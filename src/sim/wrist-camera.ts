/** The camera on the simulated arm's wrist. */
import { cameraToWorld, type Mount } from "../robot/kinematics.ts";
import { compose, quaternionToRotation } from "../robot/rigid.ts";
import { cameraFromPose, type Camera, type Intrinsics } from "../trainer/camera.ts";

/** Lens of the simulated camera, square pixels, centred, 63° across: between a phone and a wide webcam. */
export function wristIntrinsics(width: number, height: number): Intrinsics {
  const focal = width * 0.8125;
  return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2 };
}

/** The camera as seen from the gripper: the world is `gripper_link` itself, whatever the arm does. */
export function gripperCamera(intrinsics: Intrinsics, mount: Mount): Camera {
  const pose = compose(quaternionToRotation(mount.rotation_wxyz), mount.translation_m);
  // From OpenCV axes to OpenGL's: y and z turn round.
  return cameraFromPose(
    intrinsics,
    pose.map((value, i) => (i < 12 && (i % 4 === 1 || i % 4 === 2) ? -value : value)),
  );
}

/** What the wrist camera sees with from a pose of the arm. `jointsRad`: ≥ 5 angles in motor order. */
export function wristCamera(jointsRad: readonly number[], intrinsics: Intrinsics, mount: Mount): Camera {
  return cameraFromPose(intrinsics, cameraToWorld(jointsRad, mount));
}
