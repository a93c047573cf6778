/**
 * The headerless `.splat` file of antimatter15's viewer: 32 bytes a Gaussian, no view-dependent colour. Little endian:
 * float32 position ×3, float32 standard deviation ×3, RGBA bytes, rotation w x y z as bytes (128 + 128 q). Gaussians
 * come in falling order of size × opacity, so that any prefix of the file is the best scene of its length.
 */
import { SplatError } from "../errors.ts";
import { allocateGaussians, shCount, type Gaussians } from "./gaussians.ts";
import { logitOfByte, sigmoid, toByte, unitQuaternion } from "./quantise.ts";
import { SH_C0 } from "./sh.ts";

/** Bytes per Gaussian. */
export const SPLAT_BYTES = 32;

/** Gaussians per slice: some milliseconds of work. */
const SLICE = 8192;

/** Standard deviations are kept between e^±this, where a float32 is exact to the last bit, ln m. */
const MOST_LOG_SCALE = 80;

/** The file in pieces. Every value must be finite; an empty scene is an empty file. */
export function* encodeSplat(gaussians: Gaussians): Generator<Uint8Array> {
  if (gaussians.count === 0) return;
  const order = byImportance(gaussians);
  for (let start = 0; start < order.length; start += SLICE) {
    yield encodeSlice(gaussians, order.subarray(start, start + SLICE));
  }
}

/**
 * The scene of a `.splat` file, its view-dependent colour being of degree 0. There is no header, so all that can be
 * said of foreign bytes is that no Gaussian in them is sound. Gaussians that are not finite are left out. Throws
 * `bad_input`.
 */
export function decodeSplat(bytes: Uint8Array): Gaussians {
  const count = requireCount(bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const sound: number[] = [];
  for (let i = 0; i < count; i++) if (isSound(view, i * SPLAT_BYTES)) sound.push(i);
  if (sound.length === 0) throw badSplat("none of its Gaussians has usable numbers");
  const gaussians = allocateGaussians(sound.length, 0);
  sound.forEach((from, to) => readGaussian(gaussians, to, view, from * SPLAT_BYTES));
  return gaussians;
}

/** How many Gaussians a file of `fileBytes` has; those in its `start` are looked at. Throws as `decodeSplat`. */
export function readSplatCount(start: Uint8Array, fileBytes: number): number {
  const count = requireCount(fileBytes);
  decodeSplat(start.subarray(0, start.length - (start.length % SPLAT_BYTES)));
  return count;
}

function requireCount(fileBytes: number): number {
  const count = fileBytes / SPLAT_BYTES;
  if (!Number.isInteger(count)) throw badSplat(`${fileBytes} bytes are no multiple of ${SPLAT_BYTES}`);
  if (count === 0) throw badSplat("it is empty");
  return count;
}

function badSplat(reason: string): SplatError {
  return new SplatError("bad_input", `not a .splat file that can be read: ${reason}`);
}

/** Six finite floats, no standard deviation below 0. */
function isSound(view: DataView, at: number): boolean {
  for (let c = 0; c < 6; c++) {
    const value = view.getFloat32(at + c * 4, true);
    if (!Number.isFinite(value) || (c >= 3 && value < 0)) return false;
  }
  return true;
}

function readGaussian(gaussians: Gaussians, i: number, view: DataView, at: number): void {
  const { means, logScales, quats, opacities, sh } = gaussians;
  for (let c = 0; c < 3; c++) {
    means[i * 3 + c] = view.getFloat32(at + c * 4, true);
    logScales[i * 3 + c] = Math.max(-MOST_LOG_SCALE, Math.log(view.getFloat32(at + 12 + c * 4, true)));
    sh[i * 3 + c] = (view.getUint8(at + 24 + c) / 255 - 0.5) / SH_C0;
  }
  opacities[i] = logitOfByte(view.getUint8(at + 27));
  for (let c = 0; c < 4; c++) quats[i * 4 + c] = (view.getUint8(at + 28 + c) - 128) / 128;
}

function encodeSlice(gaussians: Gaussians, order: Uint32Array): Uint8Array {
  const { means, logScales, quats, opacities, sh, shDegree } = gaussians;
  const k = shCount(shDegree);
  const bytes = new Uint8Array(order.length * SPLAT_BYTES);
  const view = new DataView(bytes.buffer);
  const quat = new Float64Array(4);
  order.forEach((i, row) => {
    const at = row * SPLAT_BYTES;
    for (let c = 0; c < 3; c++) {
      const logScale = Math.min(MOST_LOG_SCALE, Math.max(-MOST_LOG_SCALE, logScales[i * 3 + c]));
      view.setFloat32(at + c * 4, means[i * 3 + c], true);
      view.setFloat32(at + 12 + c * 4, Math.exp(logScale), true);
      bytes[at + 24 + c] = toByte((0.5 + SH_C0 * sh[(i * 3 + c) * k]) * 255);
    }
    bytes[at + 27] = toByte(sigmoid(opacities[i]) * 255);
    unitQuaternion(quat, quats, i);
    for (let c = 0; c < 4; c++) bytes[at + 28 + c] = toByte(128 + 128 * quat[c]);
  });
  return bytes;
}

/** Indices by falling volume × opacity; equal ones as they came. */
function byImportance({ count, logScales, opacities }: Gaussians): Uint32Array {
  const keys = new Uint32Array(count);
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  for (let i = 0; i < count; i++) {
    const logVolume = logScales[i * 3] + logScales[i * 3 + 1] + logScales[i * 3 + 2];
    float[0] = logVolume - Math.log1p(Math.exp(-opacities[i]));
    // A float's bits rise with it where it is positive and fall where it is negative; these fall everywhere.
    keys[i] = bits[0] < 0 ? bits[0] : ~bits[0] & 0x7fffffff;
  }
  return sorted(keys);
}

/** Indices by rising key, by a radix sort: linear, so a large scene does not hold up whoever serves it. */
function sorted(keys: Uint32Array): Uint32Array {
  let order = new Uint32Array(keys.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  let next = new Uint32Array(keys.length);
  for (const shift of [0, 16]) {
    const starts = new Uint32Array(0x10001);
    for (const key of keys) starts[((key >>> shift) & 0xffff) + 1]++;
    for (let digit = 0; digit < 0xffff; digit++) starts[digit + 1] += starts[digit];
    for (const i of order) next[starts[(keys[i] >>> shift) & 0xffff]++] = i;
    [order, next] = [next, order];
  }
  return order;
}
