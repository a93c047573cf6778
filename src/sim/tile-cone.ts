/** Which solids the rays of a small part of the picture can meet: most can be left out before any ray is traced. */
import type { Solid } from "./solids.ts";

/** Added to the cone: rays of a bent lens leave the corners' cone a little, and rounding must never matter. Share, rad. */
const MARGIN = { share: 0.15, rad: 1e-3 } as const;

/** A cone of rays from one place. */
export interface TileCone {
  /** [3] m, where all rays start. */
  readonly origin: ArrayLike<number>;
  /** [3] unit. */
  readonly axis: readonly number[];
  readonly angleRad: number;
}

/** The cone about the middle ray of a tile that holds its corners' rays; all [3] unit directions. */
export function coneAround(
  origin: ArrayLike<number>,
  axis: readonly number[],
  corners: readonly (readonly number[])[],
): TileCone {
  const cosine = Math.min(...corners.map((corner) => dot(axis, corner)));
  return { origin, axis, angleRad: Math.acos(Math.min(1, cosine)) * (1 + MARGIN.share) + MARGIN.rad };
}

/** Those solids that rays within the cone can meet, in their order. All when the cone is none (not a number). */
export function withinCone(solids: readonly Solid[], { origin, axis, angleRad }: TileCone): Solid[] {
  return solids.filter(({ centerM, reachM }) => {
    const to = [0, 1, 2].map((i) => centerM[i] - origin[i]);
    const distance = Math.hypot(...to);
    if (distance <= reachM) return true;
    const off = Math.acos(Math.max(-1, Math.min(1, dot(to, axis) / distance)));
    return !(off > angleRad + Math.asin(reachM / distance));
  });
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
