/** An arm's pose in words, for a terminal. */
import type { ArmPose } from "./arm-pose.ts";

type Matrix = readonly (readonly number[])[];

/** Positions in mm and axes of `base_link`: x forward, y to the arm's left, z up. */
export function describeArmPose(pose: ArmPose): string {
  const { joint_angles: joints, camera_to_world: camera, camera_mount: mount } = pose;
  const zeros = pose.joint_zero_offsets_rad;
  const lines = [
    "position in mm, axes as unit vectors; x forward, y to the arm's left, z up from base_link",
    lineOf("joints, rad", joints, 3),
    lineOf("joints, °", joints.map(degreesOf), 1),
    ...(zeros.some((zero) => zero !== 0) ? [lineOf("+ zeros, rad", zeros, 3)] : []),
    ...frameLines("gripper_link", pose.gripper_link, ["x axis", "y axis", "z axis"]),
    ...frameLines("gripper_frame_link", pose.gripper_frame_link, ["x axis", "y axis", "z axis"]),
  ];
  if (camera === null || mount === null) return lines.join("\n");
  lines.push(...frameLines("camera", camera, ["right", "up", "back"]));
  lines.push(`  ${"looks".padEnd(LABEL_WIDTH)} ${viewOf(camera, pose.looks_at_m)}`);
  lines.push(`mount ${mount.name}: ${mount.status}`, `  ${mount.source}`);
  return lines.join("\n");
}

const LABEL_WIDTH = 12;

function frameLines(name: string, pose: Matrix, axes: readonly string[]): string[] {
  const columnOf = (column: number): number[] => [0, 1, 2].map((row) => pose[row][column]);
  const position = columnOf(3).map((metres) => metres * 1000);
  return [
    name,
    `  ${lineOf("position", position, 1)}`,
    ...axes.map((axis, column) => `  ${lineOf(axis, columnOf(column), 4)}`),
  ];
}

function viewOf(camera: Matrix, spotM: readonly number[] | null): string {
  const downDegrees = degreesOf(Math.asin(Math.min(1, Math.max(-1, camera[2][2]))));
  const tilt = `${Math.abs(downDegrees).toFixed(1)}° ${downDegrees < 0 ? "up" : "down"}`;
  if (spotM === null) return `${tilt}, and never meets the table (z = 0)`;
  const awayMm = Math.hypot(...spotM.map((value, i) => value - camera[i][3])) * 1000;
  const [x, y] = spotM.map((value) => numberOf(value * 1000, 1));
  return `${tilt}, at the table (z = 0) in x ${x}, y ${y}, ${awayMm.toFixed(1)} away`;
}

function lineOf(label: string, values: readonly number[], digits: number): string {
  return `${label.padEnd(LABEL_WIDTH)} ${values.map((value) => numberOf(value, digits).padStart(9)).join("")}`;
}

/** Without the sign of a zero. */
function numberOf(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

function degreesOf(rad: number): number {
  return (rad * 180) / Math.PI;
}
