/**
 * Everything a training step touches lies in one shared memory, so that any number of workers, and the kernels, see
 * the same arrays. `regions` is the only place that says what lies where.
 */
import * as ADDRESS from "./kernels/addresses.ts";
import {
  ADDRESSES_AT,
  ADDRESSES_MAX,
  CHUNK,
  CONSTANTS_AT,
  CONTROL_WORDS,
  FREE_FROM,
  GRADIENT_STRIDE,
  LOSS_HEIGHT,
  LOSS_WIDTH,
  SCALARS_AT,
  SCRATCH_BYTES,
  SPLAT_STRIDE,
  TILE,
} from "./kernels/layout.ts";
import { SCALAR_COUNT } from "./scalars.ts";

export { CHUNK, GRADIENT_STRIDE, SPLAT_STRIDE, TILE } from "./kernels/layout.ts";

/** Numbers per chunk of the camera's gradient: rotation [9], translation [3], fx, fy, cx, cy. */
export const CAMERA_GRADIENT = 16;

/** How much a memory can hold. `shCount` is fixed for its life. */
export interface Capacity {
  readonly gaussians: number;
  /** Spherical-harmonics coefficients per channel, (degree + 1)². */
  readonly shCount: number;
  readonly pixels: number;
  /** (tile, splat) pairs. */
  readonly pairs: number;
  /** Threads, the owner included; fixed for its life. */
  readonly threads: number;
}

/** Name → array type and length. Pairs come last: they grow most often, and growing moves only what follows. */
function regions(capacity: Capacity) {
  const { shCount: k, pixels, pairs, threads } = capacity;
  // The kernels take four Gaussians at a time, the last ones too.
  const n = 4 * Math.ceil(capacity.gaussians / 4);
  // A one-pixel-high image has the most tiles per pixel.
  const tiles = Math.ceil(pixels / TILE) + 1;
  return {
    control: [Int32Array, CONTROL_WORDS],
    scalars: [Float64Array, SCALAR_COUNT],
    /** Where each region begins, for the kernels: by the indices of kernels/addresses.ts. */
    addresses: [Uint32Array, ADDRESSES_MAX],
    /** The kernels' own constants, from `CONSTANTS_AT` on. */
    constants: [Uint8Array, FREE_FROM - ADDRESSES_AT - 4 * ADDRESSES_MAX],
    /** Working room of each thread. */
    scratch: [Uint8Array, threads * SCRATCH_BYTES],
    // Parameters and Adam's two moments of each; see `Gaussians` for the meaning.
    means: [Float32Array, n * 3],
    logScales: [Float32Array, n * 3],
    quats: [Float32Array, n * 4],
    opacities: [Float32Array, n],
    sh: [Float32Array, n * 3 * k],
    meansMoment1: [Float32Array, n * 3],
    logScalesMoment1: [Float32Array, n * 3],
    quatsMoment1: [Float32Array, n * 4],
    opacitiesMoment1: [Float32Array, n],
    shMoment1: [Float32Array, n * 3 * k],
    meansMoment2: [Float32Array, n * 3],
    logScalesMoment2: [Float32Array, n * 3],
    quatsMoment2: [Float32Array, n * 4],
    opacitiesMoment2: [Float32Array, n],
    shMoment2: [Float32Array, n * 3 * k],
    /** [N,12] the Gaussians as seen by the current camera. */
    splats: [Float32Array, n * SPLAT_STRIDE],
    /** [N] distance along the optical axis, ≥ 0, metres. */
    depths: [Float32Array, n],
    /** Gaussians on the image, near to far; `scalars.visible` of them count. */
    order: [Uint32Array, n],
    orderSpare: [Uint32Array, n],
    /** [N,4] first and last tile column, first and last tile row of each splat. */
    boxes: [Uint16Array, n * 4],
    /** [N] tiles that each splat touches, 0 for those not on the image; and their sum per chunk. */
    pairCounts: [Int32Array, n],
    chunkPairs: [Int32Array, Math.ceil(n / CHUNK) + 1],
    /** [chunks,16] each chunk's share of the camera's gradient. */
    cameraGradients: [Float64Array, (Math.ceil(n / CHUNK) + 1) * CAMERA_GRADIENT],
    /** [N+1] where each splat's slots of `pairGradients` begin. */
    slotStart: [Int32Array, n + 1],
    /** [tiles+1] where each tile's pairs begin. */
    tileStart: [Int32Array, tiles + 1],
    /** [tiles] where the next pair of each tile goes, while they are written. */
    cursors: [Int32Array, tiles],
    /** [4,H,W] transmittance, red, green, blue of the current render. */
    image: [Float32Array, pixels * 4],
    /** [H,W,4] the current frame as it was taken. */
    frameRgba: [Uint8Array, pixels * 4],
    /** [H,W] 0 = does not count. */
    frameMask: [Uint8Array, pixels],
    /** [3,H,W] the current frame on its background. */
    target: [Float32Array, pixels * 3],
    /** [3,H,W] gradient of the loss in the image. */
    imageGradient: [Float32Array, pixels * 3],
    /** [3,3,H,W] derivatives of SSIM. */
    ssimGradients: [Float32Array, pixels * 9],
    /** [blocks,3,2] squared error and SSIM summed over a block of one channel, after the second pass the gradient in gain and bias; the thinnest image has most blocks. */
    lossSums: [Float64Array, 6 * (Math.ceil(pixels / Math.min(LOSS_WIDTH, LOSS_HEIGHT)) + 1)],
    /** [P] splat of each pair, tile by tile, near to far. */
    pairSplat: [Int32Array, pairs],
    /** [P] the pair's own slot in `pairGradients`. */
    pairSlot: [Int32Array, pairs],
    /** [P,2] which 4-pixel vectors of its tile each pair blends or closes, one bit each: the kernels' way back. */
    pairMask: [Uint32Array, pairs * 2],
    /** [P,9] each pair's gradient, splat by splat: no two workers write the same place. */
    pairGradients: [Float32Array, pairs * GRADIENT_STRIDE],
  } as const;
}

type Regions = ReturnType<typeof regions>;

/** Named arrays over the shared memory. Rebuilt after the memory has grown. */
export type Views = { readonly [Name in keyof Regions]: InstanceType<Regions[Name][0]> };

const ALIGN = 64;
const PAGE = 65_536;
/** Address space reserved, not used: 3 GiB. */
const MAX_PAGES = 49_152;

/** Bytes a memory of this capacity needs. */
export function sizeOf(capacity: Capacity): number {
  let bytes = 0;
  for (const [type, length] of Object.values(regions(capacity))) {
    bytes += align(length * type.BYTES_PER_ELEMENT);
  }
  return bytes;
}

/** A zero-filled shared memory for `capacity`. Throws RangeError when the machine has no such room. */
export function allocateMemory(capacity: Capacity): WebAssembly.Memory {
  const initial = Math.ceil(sizeOf(capacity) / PAGE);
  return new WebAssembly.Memory({ initial, maximum: MAX_PAGES, shared: true });
}

/** Make room for `capacity` in place. Views made before stay valid, but end where they ended. */
export function growMemory(memory: WebAssembly.Memory, capacity: Capacity): void {
  const pages = Math.ceil((sizeOf(capacity) - memory.buffer.byteLength) / PAGE);
  if (pages > 0) memory.grow(pages);
}

/** The arrays of `capacity` over `memory`. */
export function viewsOf(memory: WebAssembly.Memory, capacity: Capacity): Views {
  const views: Record<string, unknown> = {};
  let offset = 0;
  for (const [name, [type, length]] of Object.entries(regions(capacity))) {
    views[name] = new type(memory.buffer as unknown as ArrayBuffer, offset, length);
    offset += align(length * type.BYTES_PER_ELEMENT);
  }
  return views as Views;
}

/** Tell the kernels where everything lies. To be called by the owner whenever the arrays have moved. */
export function publishAddresses(views: Views): void {
  for (const [name, index] of Object.entries(ADDRESS)) {
    views.addresses[index] = views[name as keyof typeof ADDRESS].byteOffset;
  }
}

if (
  viewsStartAt("scalars") !== SCALARS_AT ||
  viewsStartAt("addresses") !== ADDRESSES_AT ||
  viewsStartAt("constants") > CONSTANTS_AT ||
  viewsStartAt("scratch") !== FREE_FROM
) {
  throw new Error("the regions do not begin where kernels/layout.ts says");
}

/** Offset of a region whose place does not depend on capacity. */
function viewsStartAt(wanted: keyof Regions): number {
  let offset = 0;
  for (const [name, [type, length]] of Object.entries(
    regions({ gaussians: 0, shCount: 0, pixels: 0, pairs: 0, threads: 0 }),
  )) {
    if (name === wanted) break;
    offset += align(length * type.BYTES_PER_ELEMENT);
  }
  return offset;
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGN) * ALIGN;
}
