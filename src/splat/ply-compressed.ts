/**
 * Reads PlayCanvas's compressed PLY: vertices of four packed integers, in chunks of 256 whose bounds are an element of
 * their own, and view-dependent colour in bytes as a third element
 * (blog.playcanvas.com/compressing-gaussian-splats; SuperSplat writes it).
 */
import { allocateGaussians, shCount, type Gaussians, type ShDegree } from "./gaussians.ts";
import { badPly, plyElements, readPlyTable, type PlyTable } from "./ply-table.ts";
import { logitOfByte } from "./quantise.ts";
import { SH_C0 } from "./sh.ts";

/** Vertices that share bounds. */
const CHUNK = 256;

const PACKED = ["packed_position", "packed_rotation", "packed_scale", "packed_color"] as const;

/** Whether the vertices of a PLY are packed this way. */
export function isCompressed(vertices: Pick<PlyTable, "typeOf">): boolean {
  return vertices.typeOf(PACKED[0]) !== undefined;
}

/** The scene of such a PLY; `degreeOf` tells its degree from its `f_rest_*` properties. Throws `bad_input`. */
export function decodeCompressed(
  bytes: Uint8Array,
  vertices: PlyTable,
  degreeOf: (table: PlyTable) => ShDegree,
): Gaussians {
  const [positions, rotations, scales, colors] = PACKED.map((name) => packedColumn(vertices, name));
  const chunks = readPlyTable(bytes, "chunk");
  if (chunks.count * CHUNK < vertices.count) {
    throw badPly(`its ${chunks.count} chunks are too few for ${vertices.count} vertices`);
  }
  const rest = plyElements(bytes).includes("sh") ? readPlyTable(bytes, "sh") : undefined;
  if (rest !== undefined && rest.count !== vertices.count) {
    throw badPly(`it has ${rest.count} rows of view-dependent colour for ${vertices.count} vertices`);
  }
  const gaussians = allocateGaussians(vertices.count, rest === undefined ? 0 : degreeOf(rest));
  const { means, logScales, quats, opacities, sh, shDegree } = gaussians;
  const k = shCount(shDegree);
  unpackTriples(means, 3, positions, boundsOf(chunks, ["x", "y", "z"]), UNPACK_11_10_11);
  unpackTriples(logScales, 3, scales, boundsOf(chunks, ["scale_x", "scale_y", "scale_z"]), UNPACK_11_10_11);
  // Colours had no bounds at first: then they are 0…1 themselves.
  const colorBounds = chunks.typeOf("min_r") === undefined ? null : boundsOf(chunks, ["r", "g", "b"]);
  unpackTriples(sh, 3 * k, colors, colorBounds, UNPACK_8_8_8, k);
  for (let i = 0; i < vertices.count; i++) {
    for (let c = 0; c < 3; c++) sh[(i * 3 + c) * k] = (sh[(i * 3 + c) * k] - 0.5) / SH_C0;
    opacities[i] = logitOfByte(colors[i] & 255);
    unpackRotation(quats, i, rotations[i]);
  }
  if (rest !== undefined) readRest(gaussians, rest);
  return gaussians;
}

function packedColumn(vertices: PlyTable, name: string): Uint32Array {
  if (vertices.typeOf(name) !== "uint") throw badPly(`its vertices have no unsigned integer ${name}`);
  const column = new Uint32Array(vertices.count);
  vertices.copy(name, column, 0, 1);
  return column;
}

/** Least and greatest value of three numbers in each chunk. */
interface Bounds {
  /** [chunks,3] each. */
  readonly min: Float32Array;
  readonly max: Float32Array;
}

function boundsOf(chunks: PlyTable, names: readonly string[]): Bounds {
  const read = (side: string): Float32Array => {
    // Before anything is allocated: chunks without properties take no bytes, and any number of them would do.
    const missing = names.find((name) => chunks.typeOf(`${side}_${name}`) === undefined);
    if (missing !== undefined) throw badPly(`its chunks have no ${side}_${missing}`);
    const values = new Float32Array(chunks.count * 3);
    names.forEach((name, c) => chunks.copy(`${side}_${name}`, values, c, 3));
    return values;
  };
  return { min: read("min"), max: read("max") };
}

/** Shift and largest value of each of three numbers packed into 32 bits. */
type Packing = readonly (readonly [shift: number, most: number])[];

const UNPACK_11_10_11: Packing = [
  [21, 2047],
  [11, 1023],
  [0, 2047],
];
const UNPACK_8_8_8: Packing = [
  [24, 255],
  [16, 255],
  [8, 255],
];

/** Three numbers of each vertex, placed between its chunk's bounds, to `target[i · stride + c · step]`. */
function unpackTriples(
  target: Float32Array,
  stride: number,
  packed: Uint32Array,
  bounds: Bounds | null,
  packing: Packing,
  step = 1,
): void {
  for (let i = 0; i < packed.length; i++) {
    const chunk = Math.floor(i / CHUNK) * 3;
    for (let c = 0; c < 3; c++) {
      const [shift, most] = packing[c];
      const share = ((packed[i] >>> shift) & most) / most;
      target[i * stride + c * step] =
        bounds === null ? share : bounds.min[chunk + c] * (1 - share) + bounds.max[chunk + c] * share;
    }
  }
}

/** Two bits for the largest of w, x, y, z, which is positive; ten for each other one, −√½…√½. */
function unpackRotation(quats: Float32Array, i: number, packed: number): void {
  const largest = packed >>> 30;
  let rest = 1;
  let shift = 20;
  for (let c = 0; c < 4; c++) {
    if (c === largest) continue;
    const value = (((packed >>> shift) & 1023) / 1023 - 0.5) * Math.SQRT2;
    quats[i * 4 + c] = value;
    rest -= value * value;
    shift -= 10;
  }
  quats[i * 4 + largest] = Math.sqrt(Math.max(0, rest));
}

/** Bytes for −4…4, channel-major; the outermost two stand for the ends themselves. */
function readRest({ count, sh, shDegree }: Gaussians, rest: PlyTable): void {
  const k = shCount(shDegree);
  const column = new Uint32Array(count);
  for (let index = 0; index < 3 * (k - 1); index++) {
    const name = `f_rest_${index}`;
    if (rest.typeOf(name) !== "uchar") throw badPly(`its view-dependent colour ${name} is no byte`);
    rest.copy(name, column, 0, 1);
    const channel = Math.floor(index / (k - 1));
    const at = channel * k + 1 + (index % (k - 1));
    for (let i = 0; i < count; i++) {
      const byte = column[i];
      const share = byte === 0 ? 0 : byte === 255 ? 1 : (byte + 0.5) / 256;
      sh[i * 3 * k + at] = (share - 0.5) * 8;
    }
  }
}
