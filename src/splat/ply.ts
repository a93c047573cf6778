/**
 * Writes a scene as the PLY every Gaussian-splat viewer reads: Inria's property order, 32-bit floats, little endian
 * (Kerbl et al. 2023, `save_ply` of their reference implementation).
 */
import { shCount, type Gaussians, type ShDegree } from "./gaussians.ts";

/** Gaussians per slice: about 1 MB at degree 3, a millisecond or two of work. */
const SLICE = 4096;

/** Tells viewers that the scene was trained with the antialiasing filter, as PlayCanvas' splat-transform writes it. */
export const ANTIALIASED_COMMENT = "SplatRenderMode: mip";

/**
 * The file in pieces: the header, then slices of Gaussians, so a server can do other things in between.
 * Every value must be finite (see `finiteGaussians`); what is yielded is never written to again.
 * `comments` are lines of their own in the header.
 */
export function* encodePly(gaussians: Gaussians, comments: readonly string[] = []): Generator<Uint8Array> {
  yield encodeHeader(gaussians, comments);
  for (let start = 0; start < gaussians.count; start += SLICE) {
    yield encodeSlice(gaussians, start, Math.min(start + SLICE, gaussians.count));
  }
}

/** Exact length of what `encodePly` yields without comments, bytes. */
export function plySize(gaussians: Gaussians): number {
  const rowBytes = propertyNames(gaussians.shDegree).length * 4;
  return encodeHeader(gaussians, []).length + gaussians.count * rowBytes;
}

/** Names of the columns in file order. Normals are zero and there only because old readers insist on them. */
export function propertyNames(shDegree: ShDegree): string[] {
  const rest = Array.from({ length: 3 * (shCount(shDegree) - 1) }, (_, i) => `f_rest_${i}`);
  return [
    "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2",
    ...rest,
    "opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3",
  ]
    .join(" ")
    .split(" ");
}

function encodeHeader({ count, shDegree }: Gaussians, comments: readonly string[]): Uint8Array {
  const lines = [
    "ply",
    "format binary_little_endian 1.0",
    "comment splatctl",
    "comment axes of the world the cameras were posed in: right-handed, metres",
    ...comments.map((comment) => `comment ${comment}`),
    `element vertex ${count}`,
    ...propertyNames(shDegree).map((name) => `property float ${name}`),
    "end_header",
  ];
  return new TextEncoder().encode(`${lines.join("\n")}\n`);
}

function encodeSlice(gaussians: Gaussians, start: number, end: number): Uint8Array {
  const { means, logScales, quats, opacities, sh, shDegree } = gaussians;
  const k = shCount(shDegree);
  const bytes = new Uint8Array((end - start) * propertyNames(shDegree).length * 4);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (value: number): void => {
    view.setFloat32(at, value, true);
    at += 4;
  };
  for (let i = start; i < end; i++) {
    for (let c = 0; c < 3; c++) put(means[i * 3 + c]);
    at += 3 * 4; // normals
    for (let c = 0; c < 3; c++) put(sh[(i * 3 + c) * k]);
    // f_rest is channel-major, as `sh` is, without each channel's first coefficient.
    for (let c = 0; c < 3; c++) for (let j = 1; j < k; j++) put(sh[(i * 3 + c) * k + j]);
    put(opacities[i]);
    for (let c = 0; c < 3; c++) put(logScales[i * 3 + c]);
    for (let c = 0; c < 4; c++) put(quats[i * 4 + c]);
  }
  return bytes;
}
