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

/** Gaussians per slice: 1 MB, some milliseconds of work. */
const SLICE = 32_768;

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
  const count = bytes.length / SPLAT_BYTES;
  if (!Number.isInteger(count)) throw badSplat(`${bytes.length} bytes are no multiple of ${SPLAT_BYTES}`);
  if (count === 0) throw badSplat("it is empty");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const sound: number[] = [];
  for (let i = 0; i < count; i++) if (isSound(view, i * SPLAT_BYTES)) sound.push(i);
  if (sound.length === 0) throw badSplat("none of its Gaussians has usable numbers");
  const gaussians = allocateGaussians(sound.length, 0);
  sound.forEach((from, to) => readGaussian(gaussians, to, view, from * SPLAT_BYTES));
  return gaussians;
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

/**
 * Indices by falling volume × opacity; equal ones as they came. Importance and index are packed into one double
 * each, because sorting numbers is several times faster than sorting with a comparison.
 */
function byImportance({ count, logScales, opacities }: Gaussians): Uint32Array {
  const indices = 2 ** Math.ceil(Math.log2(Math.max(2, count)));
  const levels = Number.MAX_SAFE_INTEGER / indices;
  // The importance as an integer that rises as the float does: a float's bits do, once negative ones are turned.
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    float[0] =
      logScales[i * 3] + logScales[i * 3 + 1] + logScales[i * 3 + 2] - Math.log1p(Math.exp(-opacities[i]));
    const rising = (bits[0] < 0 ? -2_147_483_648 - bits[0] : bits[0]) + 2_147_483_648;
    const falling = 4_294_967_295 - rising;
    const level = levels >= 2 ** 32 ? falling : Math.floor((falling / 2 ** 32) * Math.floor(levels));
    keys[i] = level * indices + i;
  }
  keys.sort();
  return Uint32Array.from(keys, (key) => key % indices);
}
