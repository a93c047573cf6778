/**
 * What reading and writing SPZ have in common (Niantic's format; github.com/nianticlabs/spz, README and extensions).
 * All numbers are little endian; each attribute of all Gaussians lies together.
 */
import { SplatError } from "../errors.ts";
import { shBasis } from "./sh.ts";

/** "NGSP" as a number. */
export const SPZ_MAGIC = 0x5053474e;

/** Magic, version, count, then a byte each: degree, fractional bits, flags, and streams (since version 4). */
export const SPZ_HEADER_BYTES = 16;

/** Colour byte = 127.5 + 255 · this · f_dc: leaves room for base colours that only higher bands bring back to 0…1. */
export const COLOR_SCALE = 0.15;

/** Largest magnitude of a component beside a larger one, in the 9 bits that versions 3 and 4 keep of it. */
export const QUATERNION_STEP = Math.SQRT1_2 / 511;

/** Bytes of each attribute in file order: positions, opacities, colours, scales, rotations, view-dependent colour. */
export function spzPartBytes(version: number, count: number, shDegree: number): number[] {
  const coefficients = (shDegree + 1) ** 2 - 1;
  return [9, 1, 3, 3, version < 3 ? 3 : 4, 3 * coefficients].map((bytes) => bytes * count);
}

/** What mirrored axes do to a Gaussian: a factor of ±1 for each of its numbers. */
export interface Mirror {
  /** x, y, z. */
  readonly position: readonly number[];
  /** w, x, y, z. */
  readonly quat: readonly number[];
  /** One per coefficient of view-dependent colour, the first included, up to degree 3. */
  readonly sh: readonly number[];
}

/**
 * Mirror along the axes whose factor is −1. A PLY's world is read as x right, y down, z forward, an SPZ's as x right,
 * y up, z back: between these two, y and z.
 */
export function mirror(x: number, y: number, z: number): Mirror {
  // Each basis function is even or odd in every coordinate, so one point where none is zero tells its sign.
  const here = new Float64Array(16);
  const there = new Float64Array(16);
  shBasis(here, 3, 0.36, 0.48, 0.8);
  shBasis(there, 3, 0.36 * x, 0.48 * y, 0.8 * z);
  return {
    position: [x, y, z],
    quat: [1, y * z, x * z, x * y],
    sh: Array.from(here, (value, j) => Math.sign(value * there[j])),
  };
}

/** An error about an SPZ that cannot be used. */
export function badSpz(reason: string, cause?: unknown): SplatError {
  return new SplatError("bad_input", `not an SPZ file that can be read: ${reason}`, { cause });
}
