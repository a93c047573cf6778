/** What stands on the simulated table. World = the arm's `base_link`: x forward, y left, z up, table at z = 0, metres. */
import { placeSolid, type Solid } from "./solids.ts";
import { checks, mosaic, mottled, spots, stripes, type Rgb, type Vector3 } from "./textures.ts";

/** A scene to trace: solids under a lamp, in a dim room. */
export interface Tabletop {
  readonly solids: readonly Solid[];
  /** [4][3] m: points of the lamp, one for each sample of a pixel, so that shadows have soft edges. */
  readonly lampPointsM: readonly Vector3[];
  /** Walls, floor and ceiling, seen from inside; glowing faintly, cast no light. */
  readonly room: { readonly minM: Vector3; readonly maxM: Vector3; readonly color: Rgb };
}

/** Middle of the objects, where the simulated arm looks. */
export const OBJECTS_CENTER_M: Vector3 = [0.27, 0, 0.03];

/** Box that holds the table's top and the objects, closely: a ray through it is on their surface soon. */
export const TABLETOP_BOUNDS = { min_m: [-0.05, -0.4, -0.01], max_m: [0.65, 0.4, 0.1] };

const STONES: readonly Rgb[] = [
  [0.5, 0.42, 0.3],
  [0.22, 0.3, 0.36],
  [0.6, 0.58, 0.52],
  [0.36, 0.2, 0.13],
  [0.16, 0.28, 0.2],
  [0.62, 0.5, 0.22],
];

/** The scene of the demo: spheres, boxes and a cylinder, 2…10 cm tall, on a table of stones. */
export const TABLETOP: Tabletop = {
  solids: [
    table(),
    ball([0.3, 0.035], 0.035, stripes(2, 0.02, [0.75, 0.08, 0.06], [0.85, 0.8, 0.7]), 0.3),
    ball([0.2, -0.07], 0.025, spots(0.016, [0.08, 0.25, 0.7], [0.85, 0.75, 0.2]), 0.3),
    ball([0.35, -0.085], 0.03, mottled(0.012, [0.12, 0.5, 0.18]), 0.15),
    ball([0.235, 0.1], 0.018, stripes(0, 0.012, [0.8, 0.5, 0.05], [0.25, 0.06, 0.3]), 0.2),
    brick([0.275, -0.035], [0.018, 0.03, 0.02], 25, checks(0.012, [0.8, 0.75, 0.65], [0.1, 0.12, 0.16])),
    brick([0.385, 0.05], [0.02, 0.02, 0.045], -15, stripes(2, 0.026, [0.1, 0.45, 0.5], [0.75, 0.3, 0.08])),
    brick([0.195, 0.03], [0.025, 0.014, 0.012], 60, mottled(0.008, [0.6, 0.2, 0.35])),
    can([0.31, 0.115], 0.022, 0.085, stripes(2, 0.034, [0.75, 0.6, 0.1], [0.1, 0.12, 0.4])),
  ],
  lampPointsM: [
    [-0.02, 0.46, 0.86],
    [0.06, 0.42, 0.9],
    [0.02, 0.54, 0.84],
    [-0.06, 0.5, 0.92],
  ],
  room: { minM: [-1.2, -1.4, -0.7], maxM: [1.8, 1.4, 1.7], color: [0.05, 0.06, 0.075] },
};

function table(): Solid {
  const shape = { kind: "box", halfSizeM: [0.35, 0.4, 0.015] } as const;
  return placeSolid(shape, [0.3, 0, -0.015], mosaic(0.024, STONES));
}

function ball(
  [x, y]: readonly [number, number],
  radiusM: number,
  texture: Solid["texture"],
  gloss: number,
): Solid {
  return placeSolid({ kind: "sphere", radiusM }, [x, y, radiusM], texture, { yawDeg: 20, gloss });
}

function brick(
  [x, y]: readonly [number, number],
  halfSizeM: Vector3,
  yawDeg: number,
  texture: Solid["texture"],
): Solid {
  return placeSolid({ kind: "box", halfSizeM }, [x, y, halfSizeM[2]], texture, { yawDeg });
}

function can(
  [x, y]: readonly [number, number],
  radiusM: number,
  heightM: number,
  texture: Solid["texture"],
): Solid {
  const shape = { kind: "cylinder", radiusM, halfHeightM: heightM / 2 } as const;
  return placeSolid(shape, [x, y, heightM / 2], texture, { gloss: 0.1 });
}
