/** Reads PLY files made by us or by others: scenes of Gaussians, and the point clouds training may start from. */
import { allocateGaussians, shCount, type Gaussians, type ShDegree } from "./gaussians.ts";
import { ANTIALIASED_COMMENT, propertyNames } from "./ply.ts";
import { decodeCompressed, isCompressed } from "./ply-compressed.ts";
import { badPly, readPlyColumns, readPlyTable, type PlyTable } from "./ply-table.ts";
import { MOST_LOGIT } from "./quantise.ts";
import { finiteGaussians } from "./select.ts";

/** Points with a colour each. */
export interface PointCloud {
  /** [N,3] metres. */
  readonly positions: Float32Array;
  /** [N,3] sRGB 0…1. */
  readonly colors: Float32Array;
}

/** Degree of a scene with this many `f_rest_*` properties: 3 · ((degree + 1)² − 1). */
const DEGREE_OF_REST: ReadonlyMap<number, ShDegree> = new Map([
  [0, 0],
  [9, 1],
  [24, 2],
  [45, 3],
]);

/** What every scene has; viewers ask for the same. */
const REQUIRED = propertyNames(0).filter((name) => !name.startsWith("n"));

/** Integer colours count to this; a float is 0…1 already. */
const FULL_COLOR: Readonly<Record<string, number>> = { uchar: 255, char: 127, ushort: 65_535, short: 32_767 };

/**
 * A scene from the bytes of a PLY, compressed ones included. Columns are found by name; normals and anything unknown are
 * ignored; the degree follows from the `f_rest_*` columns, none meaning 0. Gaussians with a NaN or infinite value are left
 * out, so the count can be lower than the header's. Throws `bad_input` when the bytes are no such PLY.
 */
export function decodePly(bytes: Uint8Array): Gaussians {
  return finiteGaussians(readPlyScene(bytes).gaussians);
}

/** A PLY's scene, broken Gaussians still among them, and what its header says of it. */
export interface PlyScene {
  readonly gaussians: Gaussians;
  readonly compressed: boolean;
  /** Trained with an antialiasing filter. */
  readonly antialiased: boolean;
}

/**
 * What the header of a PLY of `fileBytes` says of the scene in it, from the file's `start` (with the whole header). Throws
 * `bad_input` when it is no scene, or the file too short for it.
 */
export function readPlyHeader(start: Uint8Array, fileBytes: number): { count: number; compressed: boolean } {
  const columns = readPlyColumns(start, fileBytes);
  const compressed = isCompressed(columns);
  if (!compressed) {
    requireColumns(columns, REQUIRED);
    degreeOf(columns);
  }
  return { count: columns.count, compressed };
}

/** Longest header whose comments are looked at, bytes. */
const COMMENTS_WITHIN = 8192;

/** As `decodePly`, nothing left out. */
export function readPlyScene(bytes: Uint8Array): PlyScene {
  const table = readPlyTable(bytes);
  const [header] = new TextDecoder("latin1").decode(bytes.subarray(0, COMMENTS_WITHIN)).split("end_header");
  const antialiased = header.split(/\r?\n/).includes(`comment ${ANTIALIASED_COMMENT}`);
  if (isCompressed(table)) {
    return { gaussians: decodeCompressed(bytes, table, degreeOf), compressed: true, antialiased };
  }
  requireColumns(table, REQUIRED);
  const shDegree = degreeOf(table);
  const k = shCount(shDegree);
  const gaussians = allocateGaussians(table.count, shDegree);
  const { means, logScales, quats, opacities, sh } = gaussians;
  ["x", "y", "z"].forEach((name, c) => table.copy(name, means, c, 3));
  numbered("scale_", 3).forEach((name, c) => table.copy(name, logScales, c, 3));
  numbered("rot_", 4).forEach((name, c) => table.copy(name, quats, c, 4));
  table.copy("opacity", opacities, 0, 1);
  numbered("f_dc_", 3).forEach((name, c) => table.copy(name, sh, c * k, 3 * k));
  numbered("f_rest_", 3 * (k - 1)).forEach((name, rest) => {
    const channel = Math.floor(rest / (k - 1));
    table.copy(name, sh, channel * k + 1 + (rest % (k - 1)), 3 * k);
  });
  boundLogits(opacities);
  return { gaussians, compressed: false, antialiased };
}

/** Opacities that were bytes once are 0 and 1 exactly, and converters write their logits as they are: infinite. */
function boundLogits(opacities: Float32Array): void {
  opacities.forEach((logit, i) => {
    if (Math.abs(logit) === Number.POSITIVE_INFINITY) opacities[i] = Math.sign(logit) * MOST_LOGIT;
  });
}

/**
 * A plain point cloud: `x y z` and, when there, `red green blue` (mid-grey otherwise). Points that are not finite
 * are left out. Throws `bad_input` when the bytes are no such PLY.
 */
export function decodePoints(bytes: Uint8Array): PointCloud {
  const table = readPlyTable(bytes);
  requireColumns(table, ["x", "y", "z"]);
  const positions = new Float32Array(table.count * 3);
  const colors = new Float32Array(table.count * 3).fill(0.5);
  ["x", "y", "z"].forEach((name, c) => table.copy(name, positions, c, 3));
  const names = ["red", "green", "blue"];
  if (names.every((name) => table.typeOf(name) !== undefined)) {
    names.forEach((name, c) => {
      table.copy(name, colors, c, 3);
      scaleColumn(colors, c, FULL_COLOR[table.typeOf(name) as string] ?? 1);
    });
  }
  return finitePoints(positions, colors);
}

type Columns = Pick<PlyTable, "names" | "typeOf">;

function requireColumns(table: Columns, names: readonly string[]): void {
  const missing = names.filter((name) => table.typeOf(name) === undefined);
  if (missing.length > 0) throw badPly(`its vertices have no ${missing.join(", ")}`);
}

function degreeOf(table: Columns): ShDegree {
  const rest = table.names.filter((name) => name.startsWith("f_rest_")).length;
  const degree = DEGREE_OF_REST.get(rest);
  if (degree === undefined) throw badPly(`it has ${rest} f_rest properties, not 0, 9, 24 or 45`);
  requireColumns(table, numbered("f_rest_", rest));
  return degree;
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

function scaleColumn(colors: Float32Array, channel: number, full: number): void {
  for (let i = channel; i < colors.length; i += 3) {
    const value = colors[i] / full;
    colors[i] = Number.isNaN(value) ? 0.5 : Math.min(1, Math.max(0, value));
  }
}

function finitePoints(positions: Float32Array, colors: Float32Array): PointCloud {
  let kept = 0;
  for (let i = 0; i < positions.length; i += 3) {
    if (!positions.subarray(i, i + 3).every(Number.isFinite)) continue;
    positions.copyWithin(kept, i, i + 3);
    colors.copyWithin(kept, i, i + 3);
    kept += 3;
  }
  return { positions: positions.slice(0, kept), colors: colors.slice(0, kept) };
}
