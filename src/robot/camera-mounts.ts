/**
 * Wrist-camera mounts that others have published, by short names. Every one of them is a starting guess: two copies of
 * one printed mount were found 6…21 mm and 2…7° apart, and mounts differ in the side of the gripper they sit on.
 */
import { SplatError } from "../errors.ts";
import { DEFAULT_CAMERA_MOUNT, type CameraMount } from "./so101.ts";

/** One published mount. */
export interface MountPreset {
  readonly name: string;
  /** `gripper_link` → camera, OpenCV optical axes. */
  readonly mount: CameraMount;
  /** Side of `gripper_link` the camera is on: at wrist roll +90° a −y camera is on top, a +y camera below. */
  readonly side: "+y" | "-y";
  /** Who published it. */
  readonly source: string;
  /** How it was found, in words; always a starting guess. */
  readonly status: string;
}

/** Used where nobody names a mount. */
export const DEFAULT_MOUNT_NAME = "integrated-32x32";

/** All known mounts, the default first. */
export const CAMERA_MOUNTS: readonly MountPreset[] = [
  {
    name: DEFAULT_MOUNT_NAME,
    mount: DEFAULT_CAMERA_MOUNT,
    side: "-y",
    source: "TheRobotStudio/SO-ARM100 Optional/Wrist_Cam_Mount_32x32_UVC_Module",
    status: "a starting guess, from the part's CAD",
  },
  {
    name: "integrated-32x32-right",
    mount: mountAt([-0.00274, -0.07132, 0.00672], [-0.001687, -0.010376, 0.978223, 0.207288]),
    side: "-y",
    source: "the same part on the right arm of Anhyeonseo/Bimanual-Household-Manipulation",
    status: "a starting guess, solved on that arm to about 10 mm; 6 mm and 1.6° from the CAD",
  },
  {
    name: "integrated-32x32-left",
    mount: mountAt([0.01687, -0.05997, -0.00584], [-0.002777, -0.061952, 0.972146, 0.226025]),
    side: "-y",
    source: "the same part on the left arm of Anhyeonseo/Bimanual-Household-Manipulation",
    status: "a starting guess, solved on that arm to about 8 mm and 1.6°; 21 mm and 7.2° from the CAD",
  },
  {
    name: "integrated-32x32-tuned",
    // A MuJoCo camera turned 22.8° about x, then 180° about z.
    mount: mountAt([0.008, -0.065, -0.019], [0, 0, Math.cos(radOf(11.4)), Math.sin(radOf(11.4))]),
    side: "-y",
    source: "the same part in a builder's log (Devlog 066)",
    status: "a starting guess, by tape measure and by eye",
  },
  {
    name: "menagerie",
    mount: mountAt([0, 0.055, -0.045], [0.281142, 0.959666, 0, 0]),
    side: "+y",
    source: "google-deepmind/mujoco_menagerie robotstudio_so101/so101.xml, commit 191a7ba5",
    status: "a starting guess, values of a model with a mount of its own",
  },
  {
    name: "leisaac",
    mount: mountAt([-0.001, 0.1, -0.04], [-0.404379, -0.912179, -0.0451242, 0.0486914]),
    side: "+y",
    source: "LightwheelAI/leisaac single_arm_env_cfg.py, commit 24d3bcd3",
    status: "a starting guess, values of a simulation whose parent frame is assumed to be gripper_link",
  },
];

/** The mount with a name. Throws `usage` for one that is not known, naming those that are. */
export function cameraMountNamed(name: string): MountPreset {
  const preset = CAMERA_MOUNTS.find((one) => one.name === name);
  if (preset !== undefined) return preset;
  const names = CAMERA_MOUNTS.map((one) => one.name).join(", ");
  throw new SplatError("usage", `no camera mount is called ${JSON.stringify(name)}`, {
    hint: `These are known: ${names}; none is no camera at all.`,
  });
}

function mountAt(translation_m: number[], rotation_wxyz: number[]): CameraMount {
  return { parent: "gripper_link", translation_m, rotation_wxyz };
}

function radOf(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
