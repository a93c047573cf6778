/**
 * The gripper as its own camera sees it: a fixed finger, a moving jaw and the block behind them, of an SO-101's size.
 * Simple solids, drawn by eye after the arm's proportions; only the jaw's axis and the tips are the model's own.
 */
import { gripperPose } from "../robot/kinematics.ts";
import { compose, multiply, rollPitchYawToRotation } from "../robot/rigid.ts";
import { GRIPPER_JOINT } from "./gripper-joint.ts";
import { placeSolid, type Shape, type Solid } from "./solids.ts";
import { TABLETOP, type Tabletop } from "./tabletop.ts";
import { printed, type Rgb } from "./textures.ts";

/** Where a tapering piece ends: a rectangle across its z axis, in the part's frame, metres. */
interface End {
  readonly z: number;
  readonly x: readonly [min: number, max: number];
  readonly y: readonly [min: number, max: number];
}

/** A piece of a part, with the radius of the ball that takes as much ambient light. */
type Piece = { readonly tip: End; readonly root: End; readonly shadeM: number };

/** In `gripper_link`: −z points out along the fingers, +x to the jaw's side. */
const FIXED_PIECES: readonly Piece[] = [
  // The servo's block.
  {
    root: { z: 0, x: [-0.032, 0.034], y: [-0.018, 0.019] },
    tip: { z: -0.044, x: [-0.034, 0.03], y: [-0.016, 0.016] },
    shadeM: 0.022,
  },
  {
    root: { z: -0.04, x: [-0.034, -0.014], y: [-0.0125, 0.0125] },
    tip: { z: -0.078, x: [-0.025, -0.0105], y: [-0.011, 0.011] },
    shadeM: 0.012,
  },
  {
    root: { z: -0.078, x: [-0.025, -0.0105], y: [-0.011, 0.011] },
    tip: { z: -0.106, x: [-0.0125, -0.0079], y: [-0.0075, 0.0075] },
    shadeM: 0.009,
  },
];

/** In the jaw's frame turned so that z lies as in `gripper_link` when the jaw stands at 0; origin on its axis. */
const JAW_PIECES: readonly Piece[] = [
  {
    root: { z: 0.004, x: [-0.011, 0.012], y: [-0.0125, 0.0125] },
    tip: { z: -0.034, x: [0.001, 0.019], y: [-0.0115, 0.0115] },
    shadeM: 0.011,
  },
  {
    root: { z: -0.034, x: [0.001, 0.019], y: [-0.0115, 0.0115] },
    tip: { z: -0.079, x: [-0.0126, -0.0075], y: [-0.0075, 0.0075] },
    shadeM: 0.01,
  },
];

/** Where the jaw's middle lies along its axis, in `gripper_link`'s y, from the joint's origin, metres. */
const JAW_MIDDLE_M = -0.0188;

const PLASTIC: Rgb = [0.05, 0.051, 0.056];
const LAYER_M = 0.0012;

/** The gripper's solids at a pose of `gripper_link` ([16], row-major, world) and an angle of the jaw, rad. */
export function gripperSolids(gripper: readonly number[], jawRad: number): Solid[] {
  const { translationM, rollPitchYawRad } = GRIPPER_JOINT;
  const joint = compose(rollPitchYawToRotation(rollPitchYawRad), translationM);
  const turn = compose(rollPitchYawToRotation([0, 0, jawRad]), [0, 0, 0]);
  // Back from the joint's axes to those of gripper_link, so that fingers and jaw are drawn alike.
  const upright = compose(rollPitchYawToRotation([-Math.PI / 2, 0, 0]), [0, 0, -JAW_MIDDLE_M]);
  const jaw = [joint, turn, upright].reduce(multiply, gripper);
  return [
    ...FIXED_PIECES.map((piece) => placePiece(piece, gripper)),
    ...JAW_PIECES.map((piece) => placePiece(piece, jaw)),
  ];
}

/** A scene with the gripper in it, as the arm holds it. `jointsRad`: [6] true angles, motor order. */
export function withGripper(jointsRad: readonly number[], tabletop: Tabletop = TABLETOP): Tabletop {
  const solids = gripperSolids(gripperPose(jointsRad), jointsRad[5]);
  return { ...tabletop, solids: [...tabletop.solids, ...solids] };
}

function placePiece(piece: Piece, frame: readonly number[]): Solid {
  const { root, tip } = piece;
  const at = [(sum(root.x) + sum(tip.x)) / 4, (sum(root.y) + sum(tip.y)) / 4, (root.z + tip.z) / 2];
  const along = (row: number): number =>
    frame[row] * at[0] + frame[row + 1] * at[1] + frame[row + 2] * at[2] + frame[row + 3];
  return placeSolid(taper(piece, at), [along(0), along(4), along(8)], printed(LAYER_M, PLASTIC), {
    rotation: [0, 1, 2, 4, 5, 6, 8, 9, 10].map((i) => frame[i]),
    shadeM: piece.shadeM,
  });
}

/** Six planes: both ends, and each side through an edge of either end. `at`: the solid's centre. */
function taper({ root, tip }: Piece, at: readonly number[]): Shape {
  const planes = [0, 0, 1, root.z - at[2], 0, 0, -1, at[2] - tip.z];
  for (const axis of ["x", "y"] as const) {
    const index = axis === "x" ? 0 : 1;
    for (const side of [0, 1]) {
      const outward = side === 0 ? -1 : 1;
      const slope = (root[axis][side] - tip[axis][side]) / (root.z - tip.z);
      const length = Math.hypot(1, slope);
      const normal = [0, 0, (-outward * slope) / length];
      normal[index] = outward / length;
      planes.push(...normal, normal[index] * (root[axis][side] - at[index]) + normal[2] * (root.z - at[2]));
    }
  }
  const corners = [root, tip].flatMap(({ x, y, z }) =>
    x.flatMap((cornerX) => y.map((cornerY) => Math.hypot(cornerX - at[0], cornerY - at[1], z - at[2]))),
  );
  return { kind: "hull", planes: Float64Array.from(planes), reachM: Math.max(...corners) };
}

function sum([a, b]: readonly [number, number]): number {
  return a + b;
}
