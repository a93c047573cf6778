/** Joint angles as a user types them → poses of the gripper and its camera. */
import { LIMITS } from "../api/limits.ts";
import { SplatError } from "../errors.ts";
import { cameraMountNamed, type MountPreset } from "../robot/camera-mounts.ts";
import {
  cameraJacobian,
  cameraToWorld,
  gripperFramePose,
  gripperJacobian,
  gripperPose,
} from "../robot/kinematics.ts";
import { ARM_JOINTS, GRIPPER_LIMITS_RAD, JOINT_NAMES } from "../robot/so101.ts";
import type { FkFlags } from "./fk.ts";

type Matrix = readonly (readonly number[])[];

/** What `fk --json` prints. Matrices are row-major and map to `base_link`, metres. */
export interface ArmPose {
  /** [6] rad, as read; the gripper is 0 when it was not given. */
  readonly joint_angles: readonly number[];
  /** [5] rad, added to the readings. */
  readonly joint_zero_offsets_rad: readonly number[];
  /** 4×4. */
  readonly gripper_link: Matrix;
  /** 4×4: the point between the fingertips. */
  readonly gripper_frame_link: Matrix;
  /** 4×4, OpenGL camera axes as in the HTTP contract; null without a mount. */
  readonly camera_to_world: Matrix | null;
  readonly camera_mount: (MountPreset["mount"] & Omit<MountPreset, "mount">) | null;
  /** [3] m, where the camera's view meets the plane z = 0 that the arm stands on; null when it does not. */
  readonly looks_at_m: readonly number[] | null;
  /** 6×5 each, m/rad above rad/rad in the axes of `base_link`. */
  readonly jacobian: { readonly gripper_link: Matrix; readonly camera: Matrix | null };
  readonly warnings: readonly string[];
}

const ARM_JOINT_COUNT = ARM_JOINTS.length;
const RAD_PER_DEGREE = Math.PI / 180;
const JOINT_LIMITS = [...ARM_JOINTS, GRIPPER_LIMITS_RAD];

/**
 * Poses at the angles typed: pieces of a comma-separated list of five or six numbers.
 * Throws `usage` for another count, for what is no finite number or looks like degrees, and for an unknown mount.
 */
export function armPose(
  typed: readonly string[],
  { degrees = false, mount: mountName, zeros: typedZeros }: Pick<FkFlags, "degrees" | "mount" | "zeros">,
): ArmPose {
  const joints = readAngles(typed, [ARM_JOINT_COUNT + 1, ARM_JOINT_COUNT], "joint angles", degrees);
  const zeros =
    typedZeros === undefined
      ? ARM_JOINTS.map(() => 0)
      : readAngles([typedZeros], [ARM_JOINT_COUNT], "--zeros", degrees);
  const preset = mountName === "none" ? null : cameraMountNamed(mountName);
  const camera = preset === null ? null : cameraToWorld(joints, preset.mount, zeros);
  return {
    joint_angles: joints.length > ARM_JOINT_COUNT ? joints : [...joints, 0],
    joint_zero_offsets_rad: zeros,
    gripper_link: rowsOf(gripperPose(joints, zeros), 4),
    gripper_frame_link: rowsOf(gripperFramePose(joints, zeros), 4),
    camera_to_world: camera === null ? null : rowsOf(camera, 4),
    camera_mount: preset === null ? null : withName(preset),
    looks_at_m: camera === null ? null : meetsTable(camera),
    jacobian: {
      gripper_link: rowsOf(gripperJacobian(joints, zeros), ARM_JOINT_COUNT),
      camera: preset === null ? null : rowsOf(cameraJacobian(joints, preset.mount, zeros), ARM_JOINT_COUNT),
    },
    warnings: limitWarnings(joints, zeros),
  };
}

/** Rad. */
function readAngles(
  typed: readonly string[],
  counts: readonly number[],
  what: string,
  inDegrees: boolean,
): number[] {
  const option = typed.find((piece) => /^-+[a-z]/i.test(piece));
  if (option !== undefined) {
    throw new SplatError("usage", `unknown option '${option}'`, {
      hint: "splatctl fk --help lists those there are.",
    });
  }
  const texts = typed
    .join(",")
    .split(",")
    .map((text) => text.trim());
  const angles = texts.map(Number);
  const bad = texts.find((text, i) => text === "" || !Number.isFinite(angles[i]));
  if (bad !== undefined) {
    throw new SplatError("usage", `${what}: ${JSON.stringify(bad)} is not a number`, {
      hint: "Give numbers with commas between them, such as 0,-0.5,0.5,0.3,0,0.",
    });
  }
  if (!counts.includes(angles.length)) {
    const wanted = counts.toSorted((a, b) => a - b).join(" or ");
    throw new SplatError("usage", `${what}: ${angles.length} numbers, ${wanted} wanted`, {
      hint: `In this order: ${JOINT_NAMES.slice(0, Math.max(...counts)).join(", ")}.`,
    });
  }
  const rad = inDegrees ? angles.map((angle) => angle * RAD_PER_DEGREE) : angles;
  const beyond = rad.findIndex((angle) => Math.abs(angle) > LIMITS.jointAngleRad);
  if (beyond === -1) return rad;
  const unit = inDegrees ? "°" : " rad";
  throw new SplatError(
    "usage",
    `${what}: ${JOINT_NAMES[beyond]} ${angles[beyond]}${unit} is beyond a full turn`,
    {
      hint: inDegrees ? undefined : "Angles are in radians: are these degrees? Then add --degrees.",
    },
  );
}

function limitWarnings(joints: readonly number[], zeros: readonly number[]): string[] {
  return joints.flatMap((reading, joint) => {
    const angle = reading + (zeros[joint] ?? 0);
    const { lowerRad, upperRad } = JOINT_LIMITS[joint];
    if (angle >= lowerRad && angle <= upperRad) return [];
    const range = [lowerRad, upperRad].map((limit) => limit.toFixed(2)).join(" to ");
    return [`${JOINT_NAMES[joint]} ${angle.toFixed(3)} rad is beyond its limits, ${range}`];
  });
}

/** Where the view of a [16] camera-to-world meets z = 0. */
function meetsTable(camera: readonly number[]): number[] | null {
  const distance = camera[11] / camera[10];
  if (!(distance > 0) || !Number.isFinite(distance)) return null;
  return [camera[3] - distance * camera[2], camera[7] - distance * camera[6], 0];
}

function withName({ mount, ...words }: MountPreset): ArmPose["camera_mount"] {
  return { ...words, ...mount };
}

function rowsOf(values: readonly number[], columns: number): Matrix {
  return Array.from({ length: values.length / columns }, (_, row) =>
    values.slice(row * columns, (row + 1) * columns),
  );
}
