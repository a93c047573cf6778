/**
 * Writes SPZ version 3: the newest one that needs no more than gzip, so every platform writes it with what it has and
 * every reader of versions 3 and 4 takes it.
 */
import { shCount, type Gaussians } from "./gaussians.ts";
import { gzip } from "./gzip.ts";
import { sigmoid, toByte, unitQuaternion } from "./quantise.ts";
import { COLOR_SCALE, mirror, QUATERNION_STEP, SPZ_HEADER_BYTES, SPZ_MAGIC } from "./spz-layout.ts";

/** Gaussians per slice: some milliseconds of work. */
const SLICE = 4096;

/** What 24 bits with sign hold. */
const MOST_FIXED = 2 ** 23 - 1;

/** Never coarser than the reference's 1/4096 while the scene fits, nor than this share of its extent. */
const USUAL_FRACTIONAL_BITS = 12;
const EXTENT_BITS = 16;

/** Of so many coordinates one may lie beyond what is written exactly: a stray Gaussian must not coarsen the rest. */
const STRAYS = 1000;

/** Buckets that view-dependent colour is rounded to, in 128ths, so that it compresses: degree 1, then the others. */
const SH_BUCKETS = [8, 16] as const;

/** PLY's axes to SPZ's. */
const TO_RUB = mirror(1, -1, -1);

/** The file in pieces. Every value must be finite. */
export function encodeSpz(
  gaussians: Gaussians,
  antialiased = false,
): AsyncGenerator<Uint8Array, void, undefined> {
  return gzip(packed(gaussians, antialiased));
}

/** Fractional bits of the positions, 0…22: the file's unit is 2^−this metres. */
export function spzFractionalBits({ means }: Gaussians): number {
  const bits = new Uint32Array(means.buffer, means.byteOffset, means.length);
  // |value| < 2^e of every coordinate, from the float's own exponent; e is −126…129.
  const exponents = new Uint32Array(256);
  for (let i = 0; i < bits.length; i++) exponents[(bits[i] >>> 23) & 0xff]++;
  let exponent = 255;
  let beyond = exponents[255];
  while (exponent > 0 && beyond <= means.length / STRAYS) beyond += exponents[--exponent];
  const extent = exponent - 126;
  const wanted = Math.max(USUAL_FRACTIONAL_BITS, EXTENT_BITS - extent);
  return Math.max(0, Math.min(wanted, 23 - extent, 22));
}

/** How many Gaussians lie farther away than the file can say, and how many are larger or, along some axis, thinner. */
export function spzClamped(gaussians: Gaussians): { far: number; large: number; thin: number } {
  const { count, means, logScales } = gaussians;
  const most = MOST_FIXED / 2 ** spzFractionalBits(gaussians);
  let far = 0;
  let large = 0;
  let thin = 0;
  for (let at = 0; at < count * 3; at += 3) {
    const isFar = (c: number): boolean => Math.abs(means[at + c]) > most;
    const stepsOf = (c: number): number => (logScales[at + c] + 10) * 16;
    if (isFar(0) || isFar(1) || isFar(2)) far++;
    if (Math.max(stepsOf(0), stepsOf(1), stepsOf(2)) > 255.5) large++;
    if (Math.min(stepsOf(0), stepsOf(1), stepsOf(2)) < -0.5) thin++;
  }
  return { far, large, thin };
}

function* packed(gaussians: Gaussians, antialiased: boolean): Generator<Uint8Array> {
  const fractionalBits = spzFractionalBits(gaussians);
  yield header(gaussians, fractionalBits, antialiased);
  for (const part of parts(gaussians, fractionalBits)) {
    for (let start = 0; start < gaussians.count; start += SLICE) {
      const end = Math.min(start + SLICE, gaussians.count);
      const bytes = new Uint8Array((end - start) * part.bytes);
      for (let i = start; i < end; i++) part.write(bytes, (i - start) * part.bytes, i);
      if (bytes.length > 0) yield bytes;
    }
  }
}

function header({ count, shDegree }: Gaussians, fractionalBits: number, antialiased: boolean): Uint8Array {
  const bytes = new Uint8Array(SPZ_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SPZ_MAGIC, true);
  view.setUint32(4, 3, true);
  view.setUint32(8, count, true);
  bytes[12] = shDegree;
  bytes[13] = fractionalBits;
  bytes[14] = antialiased ? 1 : 0;
  return bytes;
}

/** How one attribute of Gaussian `i` is written to `out` at `at`. */
interface Part {
  readonly bytes: number;
  write(out: Uint8Array, at: number, i: number): void;
}

function parts(gaussians: Gaussians, fractionalBits: number): Part[] {
  const { means, logScales, opacities, sh, shDegree } = gaussians;
  const k = shCount(shDegree);
  const unit = 2 ** fractionalBits;
  const position = (out: Uint8Array, at: number, i: number): void => {
    for (let c = 0; c < 3; c++) {
      const value = Math.round(TO_RUB.position[c] * means[i * 3 + c] * unit);
      const fixed = Math.min(MOST_FIXED, Math.max(-MOST_FIXED, value));
      out[at + c * 3] = fixed;
      out[at + c * 3 + 1] = fixed >> 8;
      out[at + c * 3 + 2] = fixed >> 16;
    }
  };
  const color = (out: Uint8Array, at: number, i: number): void => {
    for (let c = 0; c < 3; c++) out[at + c] = toByte(127.5 + 255 * COLOR_SCALE * sh[(i * 3 + c) * k]);
  };
  const scale = (out: Uint8Array, at: number, i: number): void => {
    for (let c = 0; c < 3; c++) out[at + c] = toByte((logScales[i * 3 + c] + 10) * 16);
  };
  // Colour channel innermost.
  const rest = (out: Uint8Array, at: number, i: number): void => {
    for (let j = 1; j < k; j++) {
      const bucket = SH_BUCKETS[j < 4 ? 0 : 1];
      const factor = 128 * TO_RUB.sh[j];
      for (let c = 0; c < 3; c++) {
        const value = 128 + Math.round(Math.min(200, Math.max(-200, factor * sh[(i * 3 + c) * k + j])));
        // Buckets are powers of two: the bits below one are dropped, towards −∞.
        const rounded = (value + bucket / 2) & -bucket;
        out[at + (j - 1) * 3 + c] = Math.min(255, Math.max(0, rounded));
      }
    }
  };
  return [
    { bytes: 9, write: position },
    { bytes: 1, write: (out, at, i) => void (out[at] = toByte(sigmoid(opacities[i]) * 255)) },
    { bytes: 3, write: color },
    { bytes: 3, write: scale },
    { bytes: 4, write: rotationWriter(gaussians) },
    { bytes: 3 * (k - 1), write: rest },
  ];
}

/** Two bits say which of x, y, z, w is largest; the others follow with a sign and nine bits each, highest first. */
function rotationWriter({ quats }: Gaussians): Part["write"] {
  const wxyz = new Float64Array(4);
  const xyzw = new Float64Array(4);
  return (out, at, i) => {
    unitQuaternion(wxyz, quats, i);
    let largest = 0;
    for (let c = 0; c < 4; c++) {
      const from = (c + 1) % 4;
      xyzw[c] = TO_RUB.quat[from] * wxyz[from];
      if (Math.abs(xyzw[c]) > Math.abs(xyzw[largest])) largest = c;
    }
    // q and −q are the same rotation: the one whose largest component is positive is kept.
    const sign = Math.sign(xyzw[largest]);
    let bits = largest;
    for (let c = 0; c < 4; c++) {
      if (c === largest) continue;
      const value = xyzw[c] * sign;
      const magnitude = Math.min(511, Math.round(Math.abs(value) / QUATERNION_STEP));
      bits = (bits << 10) | ((value < 0 ? 1 : 0) << 9) | magnitude;
    }
    for (let b = 0; b < 4; b++) out[at + b] = bits >>> (8 * b);
  };
}
