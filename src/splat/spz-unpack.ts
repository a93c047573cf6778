/** From the bytes of SPZ's attributes to Gaussians, and its axes to a PLY's. */
import { shCount, type Gaussians } from "./gaussians.ts";
import { logitOfByte } from "./quantise.ts";
import { badSpz, COLOR_SCALE, mirror, QUATERNION_STEP, type Mirror } from "./spz-layout.ts";

/** How the attributes are packed. */
export interface SpzPacking {
  readonly version: number;
  readonly fractionalBits: number;
  /** View-dependent coefficients per channel in the file, and how many of them are wanted. */
  readonly coefficients: number;
  readonly kept: number;
  readonly mirror: Mirror;
}

/** Adobe's extension that names the axes a file is written in. */
const AXES_EXTENSION = 0xadbe0003;

/** Its last value whose axes differ from ours by mirroring alone; the others are also turned by 90° about x. */
const LAST_MIRRORED = 8;

/**
 * From the file's axes to a PLY's (x right, y down, z forward). Without an extension that says otherwise the file's are
 * x right, y up, z back. Extensions are records of type, length and content; unknown ones are passed over. Throws
 * `bad_input` for axes that cannot be converted.
 */
export function spzMirror(extensions: Uint8Array): Mirror {
  const view = new DataView(extensions.buffer, extensions.byteOffset, extensions.length);
  for (let at = 0; at + 12 <= extensions.length; at += 8 + view.getUint32(at + 4, true)) {
    if (view.getUint32(at, true) !== AXES_EXTENSION) continue;
    const axes = view.getUint32(at + 8, true);
    if (axes === 0) break;
    if (axes > LAST_MIRRORED) throw badSpz(`its axes (number ${axes}) are none that can be converted`);
    // Numbered LDB, RDB, LUB, RUB, LDF, RDF, LUF, RUF: a bit each for right, up and forward.
    const bits = axes - 1;
    return mirror((bits & 1) === 0 ? -1 : 1, (bits & 2) === 0 ? 1 : -1, (bits & 4) === 0 ? -1 : 1);
  }
  return mirror(1, -1, -1);
}

/** Fill `gaussians` from the six attributes, each as long as their count asks for. */
export function unpackSpz(gaussians: Gaussians, parts: readonly Uint8Array[], packing: SpzPacking): void {
  const { count, means, logScales, opacities, sh, shDegree } = gaussians;
  const [positions, alphas, colors, scales, rotations, rest] = parts;
  const k = shCount(shDegree);
  const unit = 2 ** -packing.fractionalBits;
  const { position, sh: signs } = packing.mirror;
  for (let i = 0; i < count * 3; i++) {
    const at = i * 3;
    // The sign is in the highest of the three bytes: shifted to the top and back.
    const fixed = ((positions[at] << 8) | (positions[at + 1] << 16) | (positions[at + 2] << 24)) >> 8;
    means[i] = position[i % 3] * fixed * unit;
    logScales[i] = scales[i] / 16 - 10;
    sh[i * k] = (colors[i] - 127.5) / (255 * COLOR_SCALE);
  }
  for (let i = 0; i < count; i++) {
    opacities[i] = logitOfByte(alphas[i]);
    for (let c = 0; c < 3; c++) {
      for (let j = 0; j < packing.kept; j++) {
        const byte = rest[(i * packing.coefficients + j) * 3 + c];
        sh[(i * 3 + c) * k + 1 + j] = (signs[j + 1] * (byte - 128)) / 128;
      }
    }
  }
  if (packing.version < 3) readFirstThree(gaussians, rotations, packing.mirror);
  else readSmallestThree(gaussians, rotations, packing.mirror);
}

/** x, y and z in a byte each; w makes the length 1 and is not negative. */
function readFirstThree({ count, quats }: Gaussians, bytes: Uint8Array, { quat }: Mirror): void {
  for (let i = 0; i < count; i++) {
    let rest = 1;
    for (let c = 0; c < 3; c++) {
      const value = bytes[i * 3 + c] / 127.5 - 1;
      quats[i * 4 + 1 + c] = quat[1 + c] * value;
      rest -= value * value;
    }
    quats[i * 4] = Math.sqrt(Math.max(0, rest));
  }
}

/** Two bits for the largest of x, y, z, w, and sign and nine bits for each other; see the writer. */
function readSmallestThree({ count, quats }: Gaussians, bytes: Uint8Array, { quat }: Mirror): void {
  for (let i = 0; i < count; i++) {
    let bits = bytes[i * 4] | (bytes[i * 4 + 1] << 8) | (bytes[i * 4 + 2] << 16) | (bytes[i * 4 + 3] << 24);
    const largest = bits >>> 30;
    let rest = 1;
    for (let c = 3; c >= 0; c--) {
      if (c === largest) continue;
      const magnitude = (bits & 511) * QUATERNION_STEP;
      const value = (bits & 512) === 0 ? magnitude : -magnitude;
      const to = (c + 1) % 4;
      quats[i * 4 + to] = quat[to] * value;
      rest -= value * value;
      bits >>>= 10;
    }
    const to = (largest + 1) % 4;
    quats[i * 4 + to] = quat[to] * Math.sqrt(Math.max(0, rest));
  }
}
