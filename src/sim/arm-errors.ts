/**
 * What nobody knows about the simulated arm. Pictures are traced with the true values, `nominal ⊕ error`; who works with
 * them is told only the nominal ones and should find the errors, in these words and signs.
 */
import type { Mount } from "../robot/kinematics.ts";
import type { Intrinsics } from "../trainer/camera.ts";
import { NO_DISTORTION } from "./lens.ts";
import { randomStream } from "../trainer/random.ts";
import type { Distortion } from "../trainer/undistort.ts";
import { normalDraw } from "./normal-draw.ts";

/** How far the truth is from what is said. */
export interface ArmErrors {
  /** [5] rad; true angle = reading + offset, as `joint_zero_offsets_rad`. */
  readonly jointZerosRad: readonly number[];
  readonly mount: {
    /** [3] m, added, in the axes of `gripper_link`. */
    readonly translation_m: readonly number[];
    /** [3] rad, a rotation vector in the camera's own (OpenCV) axes: true R = R · exp(error). */
    readonly rotation_rad: readonly number[];
  };
  /** As `clock_offset_s`: a picture stamped T shows the joints of T + offset. Positive: the camera's clock is behind. */
  readonly clockOffsetS: number;
  readonly lens: LensErrors;
}

export interface LensErrors {
  /** True focal length / nominal. */
  readonly focalScale: number;
  /** [2] added to cx, cy, in widths of the picture. */
  readonly centerShift: readonly number[];
  /** Added to the nominal coefficients. */
  readonly distortion: Distortion;
}

export const NO_ERRORS: ArmErrors = {
  jointZerosRad: [0, 0, 0, 0, 0],
  mount: { translation_m: [0, 0, 0], rotation_rad: [0, 0, 0] },
  clockOffsetS: 0,
  lens: { focalScale: 1, centerShift: [0, 0], distortion: NO_DISTORTION },
};

const DEGREE = Math.PI / 180;

/**
 * Standard deviations of what hobby arms are found to have, and where they end, one of each component: joint zeros 2°
 * (6°), mount 10 mm (30 mm) and 4° (10°), clock 40 ms (150 ms), focal length 5 % (12 %), centre 10 of 640 pixels (30),
 * k1 0.05 (0.15). The k1 is chosen smaller than what cameras are found to have, 0.2: with that a traced picture gets black
 * corners, which no such camera has.
 */
const PRIORS = {
  jointZeroRad: [2 * DEGREE, 6 * DEGREE],
  mountM: [0.01, 0.03],
  mountRad: [4 * DEGREE, 10 * DEGREE],
  clockS: [0.04, 0.15],
  focal: [0.05, 0.12],
  centerShare: [10 / 640, 30 / 640],
  k1: [0.05, 0.15],
} as const;

/** Errors as an arm out of the box may have them; the same for the same seed. `share` makes all of them smaller. */
export function typicalErrors(seed: number, share = 1): ArmErrors {
  const random = randomStream(seed);
  const draw = ([deviation, bound]: readonly [number, number]): number =>
    share * Math.min(bound, Math.max(-bound, deviation * normalDraw(random)));
  const draws = (count: number, prior: readonly [number, number]): number[] =>
    Array.from({ length: count }, () => draw(prior));
  return {
    jointZerosRad: draws(5, PRIORS.jointZeroRad),
    mount: { translation_m: draws(3, PRIORS.mountM), rotation_rad: draws(3, PRIORS.mountRad) },
    clockOffsetS: draw(PRIORS.clockS),
    lens: {
      focalScale: 1 + draw(PRIORS.focal),
      centerShift: draws(2, PRIORS.centerShare),
      distortion: { ...NO_DISTORTION, k1: draw(PRIORS.k1) },
    },
  };
}

/** Where the camera really sits. */
export function trueMount(nominal: Mount, { mount: error }: ArmErrors): Mount {
  const [x, y, z] = error.rotation_rad;
  const angle = Math.hypot(x, y, z);
  const sine = angle === 0 ? 0.5 : Math.sin(angle / 2) / angle;
  return {
    translation_m: nominal.translation_m.map((value, axis) => value + error.translation_m[axis]),
    rotation_wxyz: product(nominal.rotation_wxyz, [Math.cos(angle / 2), x * sine, y * sine, z * sine]),
  };
}

/** Of two quaternions w, x, y, z: first turn by b, then by a. */
function product([aw, ax, ay, az]: readonly number[], [bw, bx, by, bz]: readonly number[]): number[] {
  return [
    aw * bw - ax * bx - ay * by - az * bz,
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
  ];
}

/** What the lens really is. */
export function trueIntrinsics(nominal: Intrinsics, { lens }: ArmErrors): Intrinsics {
  return {
    ...nominal,
    fx: nominal.fx * lens.focalScale,
    fy: nominal.fy * lens.focalScale,
    cx: nominal.cx + lens.centerShift[0] * nominal.width,
    cy: nominal.cy + lens.centerShift[1] * nominal.width,
  };
}

/** How the lens really bends. */
export function trueDistortion(nominal: Distortion, { lens: { distortion } }: ArmErrors): Distortion {
  return {
    k1: nominal.k1 + distortion.k1,
    k2: nominal.k2 + distortion.k2,
    p1: nominal.p1 + distortion.p1,
    p2: nominal.p2 + distortion.p2,
  };
}
