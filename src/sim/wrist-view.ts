/** What the wrist camera really takes: the true pose through the true lens, the gripper in view, the sensor's quirks. */
import type { Mount } from "../robot/kinematics.ts";
import type { Intrinsics } from "../trainer/camera.ts";
import { isDistorted, type Distortion } from "../trainer/undistort.ts";
import { NO_ERRORS, trueDistortion, trueIntrinsics, trueMount, type ArmErrors } from "./arm-errors.ts";
import { withGripper } from "./fingers.ts";
import { lensRays, NO_DISTORTION } from "./lens.ts";
import { renderTabletop, SUBPIXELS } from "./raytrace.ts";
import { driftingGain, type ExposureDrift, type SensorNoise } from "./sensor.ts";
import { wristCamera } from "./wrist-camera.ts";

/** The camera as it is. Plain data, so that a worker can be told. */
export interface WristView {
  readonly intrinsics: Intrinsics;
  readonly mount: Mount;
  readonly distortion: Distortion;
  /** Whether the gripper is in view. */
  readonly fingers: boolean;
  readonly drift: ExposureDrift | null;
  readonly noise: SensorNoise | null;
}

/** The camera as its owner describes it. */
export interface NominalView {
  readonly intrinsics: Intrinsics;
  readonly mount: Mount;
  readonly distortion?: Distortion | undefined;
  /** By default in view. */
  readonly fingers?: boolean | undefined;
  readonly drift?: ExposureDrift | undefined;
  readonly noise?: SensorNoise | undefined;
  /** How far the truth is from this description. */
  readonly errors?: ArmErrors | undefined;
}

/** The camera as it really is. */
export function trueView(nominal: NominalView): WristView {
  const errors = nominal.errors ?? NO_ERRORS;
  return {
    intrinsics: trueIntrinsics(nominal.intrinsics, errors),
    mount: trueMount(nominal.mount, errors),
    distortion: trueDistortion(nominal.distortion ?? NO_DISTORTION, errors),
    fingers: nominal.fingers ?? true,
    drift: nominal.drift ?? null,
    noise: nominal.noise ?? null,
  };
}

/** [height, width, 3] sRGB of the arm at true angles ([6] rad), at a time (Unix seconds); frames differ in their noise. */
export type TakePicture = (jointsRad: readonly number[], timeS: number, frame: number) => Uint8Array;

/** A camera ready to take pictures: the lens is worked out once. */
export function createWristView(view: WristView): TakePicture {
  const { intrinsics, mount, distortion, drift, noise } = view;
  const rays = isDistorted(distortion) ? lensRays(intrinsics, distortion, SUBPIXELS) : undefined;
  return (jointsRad, timeS, frame) =>
    renderTabletop(wristCamera(jointsRad, intrinsics, mount), {
      tabletop: view.fingers ? withGripper(jointsRad) : undefined,
      rays,
      exposure: {
        gain: drift === null ? 1 : driftingGain(drift, timeS),
        noise: noise === null ? undefined : { ...noise, seed: noise.seed + 7919 * frame },
      },
    });
}
