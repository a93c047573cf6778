/** The camera on the simulated arm's wrist. */
import { cameraToWorld, type Mount } from "../robot/kinematics.ts";
import { cameraFromPose, type Camera, type Intrinsics } from "../trainer/camera.ts";

/** Lens of the simulated camera, square pixels, centred, 63° across: between a phone and a wide webcam. */
export function wristIntrinsics(width: number, height: number): Intrinsics {
  const focal = width * 0.8125;
  return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2 };
}

/** What the wrist camera sees with from a pose of the arm. `jointsRad`: ≥ 5 angles in motor order. */
export function wristCamera(jointsRad: readonly number[], intrinsics: Intrinsics, mount: Mount): Camera {
  return cameraFromPose(intrinsics, cameraToWorld(jointsRad, mount));
}
