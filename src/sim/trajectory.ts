/** Joint angles of a simulated scan: the wrist camera swings around the objects and keeps looking at them. */
import { cameraToWorld, gripperPose, type Mount } from "../robot/kinematics.ts";
import { ARM_JOINTS, DEFAULT_CAMERA_MOUNT } from "../robot/so101.ts";
import { OBJECTS_CENTER_M } from "./tabletop.ts";

export interface TrajectoryOptions {
  readonly mount?: Mount | undefined;
  /** [3] m, where the camera looks. */
  readonly targetM?: readonly number[] | undefined;
}

/**
 * Widening swings over a disc of the dome above the target. They turn back instead of going round, because the camera
 * goes about the target mostly by rolling the wrist, and the wrist cannot roll through 180°. The arm cannot reach all
 * of it and comes as near as it can.
 */
const SWEEP = {
  /** Middle of the disc: so high above the table, seen from the arm's side, degrees. */
  elevationDeg: 56,
  /** Radius of the first and the last swing, degrees of view on the target. */
  radiusDeg: [20, 38],
  /** Where on the disc the swings have their middle, and how far they go: 0 lowest, 90 right, 180 highest, degrees. */
  middleDeg: 92,
  amplitudeDeg: 140,
  swings: 3,
  distanceM: 0.22,
} as const;

/** Weights of what is wanted of a pose, per metre or radian: looking at the target comes first. */
const WEIGHTS = { position: 1, aim: 0.2, limit: 30, clearance: 10, rest: 0.005 } as const;

/** Kept between a joint and its end stop, rad. */
const LIMIT_MARGIN_RAD = 0.03;
/** Kept between the finger tips and the table, metres. */
const CLEARANCE_M = 0.05;
/** Finger tips in `gripper_link`, metres: URDF's gripper_frame_joint. */
const FINGER_TIP_M = [-0.0079, -0.000218121, -0.0981274] as const;

const REST_RAD: readonly number[] = [0, -0.6, 0.6, 0.9, 0];
const JAW_RAD = 0.3;

/**
 * [count][6] rad: readings of a scan as an SO-101 within its joint limits would make it, from first to last pose.
 * The same count gives the same angles; a larger one follows the same path in smaller steps.
 */
export function armTrajectory(count: number, options: TrajectoryOptions = {}): number[][] {
  const mount = options.mount ?? DEFAULT_CAMERA_MOUNT;
  const target = options.targetM ?? OBJECTS_CENTER_M;
  const trajectory: number[][] = [];
  let joints: readonly number[] = REST_RAD;
  for (let i = 0; i < count; i++) {
    const wanted = viewpoint(count === 1 ? 0.5 : i / (count - 1), target);
    joints = solve(joints, (candidate) => residuals(candidate, mount, wanted, target));
    trajectory.push([...joints, JAW_RAD]);
  }
  return trajectory;
}

/** [3] m: where the camera should be at `progress` 0…1. */
function viewpoint(progress: number, target: readonly number[]): number[] {
  const [narrow, wide] = SWEEP.radiusDeg;
  const radius = radians(narrow + (wide - narrow) * progress);
  // Nearly a zigzag, so that views do not crowd where the swings turn back.
  const swing = Math.asin(0.97 * Math.cos(Math.PI * SWEEP.swings * progress)) / Math.asin(0.97);
  const around = radians(SWEEP.middleDeg + SWEEP.amplitudeDeg * swing);
  const right = Math.sin(radius) * Math.sin(around);
  const tilt = -Math.sin(radius) * Math.cos(around);
  const lean = radians(SWEEP.elevationDeg);
  const back = Math.cos(radius) * Math.cos(lean) - tilt * Math.sin(lean);
  const up = Math.cos(radius) * Math.sin(lean) + tilt * Math.cos(lean);
  const heading = Math.atan2(target[1], target[0]);
  return [
    target[0] + SWEEP.distanceM * (-back * Math.cos(heading) + right * Math.sin(heading)),
    target[1] + SWEEP.distanceM * (-back * Math.sin(heading) - right * Math.cos(heading)),
    target[2] + SWEEP.distanceM * up,
  ];
}

/** What a pose lacks: zero everywhere would be perfect. */
function residuals(
  joints: readonly number[],
  mount: Mount,
  wantedM: readonly number[],
  targetM: readonly number[],
): number[] {
  const pose = cameraToWorld(joints, mount);
  const to = [targetM[0] - pose[3], targetM[1] - pose[7], targetM[2] - pose[11]];
  const distance = Math.hypot(...to);
  const lateral = [0, 1].map((axis) => dotColumn(pose, axis, to) / distance);
  const ahead = -dotColumn(pose, 2, to) / distance;
  // The angle off the optical axis, pointing sideways; grows on when the target is behind.
  const off = Math.atan2(Math.hypot(...lateral), ahead) / Math.max(Math.hypot(...lateral), 1e-9);
  const gripper = gripperPose(joints);
  const [x, y, z] = FINGER_TIP_M;
  const tipHeight = gripper[8] * x + gripper[9] * y + gripper[10] * z + gripper[11];
  return [
    ...[3, 7, 11].map((index, i) => WEIGHTS.position * (pose[index] - wantedM[i])),
    ...lateral.map((value) => WEIGHTS.aim * value * off),
    WEIGHTS.clearance * Math.max(0, CLEARANCE_M - tipHeight),
    ...joints.map((angle, i) => WEIGHTS.limit * beyondLimit(angle, i)),
    ...joints.map((angle, i) => WEIGHTS.rest * (angle - REST_RAD[i])),
  ];
}

function dotColumn(pose: readonly number[], column: number, v: readonly number[]): number {
  return pose[column] * v[0] + pose[column + 4] * v[1] + pose[column + 8] * v[2];
}

function beyondLimit(angle: number, joint: number): number {
  const { lowerRad, upperRad } = ARM_JOINTS[joint];
  return Math.max(0, angle - (upperRad - LIMIT_MARGIN_RAD), lowerRad + LIMIT_MARGIN_RAD - angle);
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

/** Levenberg–Marquardt with numeric derivatives from a start near the answer. */
function solve(start: readonly number[], evaluate: (joints: readonly number[]) => number[]): number[] {
  let joints = [...start];
  let current = evaluate(joints);
  let damping = 1e-3;
  for (let iteration = 0; iteration < 60; iteration++) {
    const step = dampedStep(jacobian(joints, current, evaluate), current, damping);
    const candidate = joints.map((angle, i) => angle - step[i]);
    const next = evaluate(candidate);
    if (sumOfSquares(next) < sumOfSquares(current)) {
      joints = candidate;
      current = next;
      damping = Math.max(damping / 3, 1e-9);
      if (Math.hypot(...step) < 1e-7) break;
    } else {
      damping *= 4;
    }
  }
  return joints;
}

/** [joints][residuals] forward differences. */
function jacobian(
  joints: readonly number[],
  current: readonly number[],
  evaluate: (joints: readonly number[]) => number[],
): number[][] {
  const h = 1e-6;
  return joints.map((_, joint) => {
    const moved = evaluate(joints.map((angle, i) => (i === joint ? angle + h : angle)));
    return moved.map((value, i) => (value - current[i]) / h);
  });
}

/** Solve (J Jᵀ + damping) step = J r by elimination; the matrix is positive definite, so no pivoting is needed. */
function dampedStep(columns: readonly number[][], residual: readonly number[], damping: number): number[] {
  const n = columns.length;
  const rows = columns.map((a, i) => [
    ...columns.map((b, j) => dot(a, b) + (i === j ? damping : 0)),
    dot(a, residual),
  ]);
  for (let pivot = 0; pivot < n; pivot++) {
    for (let row = pivot + 1; row < n; row++) {
      const factor = rows[row][pivot] / rows[pivot][pivot];
      for (let column = pivot; column <= n; column++) rows[row][column] -= factor * rows[pivot][column];
    }
  }
  const step = Array.from({ length: n }, () => 0);
  for (let row = n - 1; row >= 0; row--) {
    const known = step.reduce((sum, value, column) => sum + rows[row][column] * value, 0);
    step[row] = (rows[row][n] - known) / rows[row][row];
  }
  return step;
}

function sumOfSquares(values: readonly number[]): number {
  return dot(values, values);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
