/** Pictures the trainer compares its renders with. */
import type { Camera } from "./camera.ts";

/** What a camera saw. */
export interface Pixels {
  /** [height, width, 4] straight-alpha sRGB; on shared memory, handing it to another thread copies nothing. */
  readonly rgba: Uint8Array;
  /** [height, width] 0 = this pixel has no source: neither trained nor scored. Null = all pixels count. */
  readonly mask: Uint8Array | null;
}

/** A picture to compare the render with. */
export interface Picture extends Pixels {
  readonly camera: Camera;
}

/** Hides what moves with the camera, at any resolution; sampled to each frame's size. */
export interface TrainerMask {
  readonly width: number;
  readonly height: number;
  /** [height, width] 0 = hidden. */
  readonly values: Uint8Array;
}

/** A side shorter than this is not halved. */
const SMALLEST_SIDE = 64;
/** Samples of the scene's mask kept, one for each size of picture. */
const SIZES_KEPT = 8;

/** Bytes of memory that pixels take. */
export function sizeOfPixels({ rgba, mask }: Pixels): number {
  return rgba.byteLength + (mask?.byteLength ?? 0);
}

/** Whether pictures of this size have a half-size one. */
export function canHalve({ width, height }: Camera): boolean {
  return Math.min(width, height) >= 2 * SMALLEST_SIDE;
}

/**
 * The picture at half size, for a frame's first steps: a quarter of the work while the large shapes form. 2×2 boxes
 * averaged, the lens to match. Null when it is small already.
 */
export function halvePicture({ camera, rgba, mask }: Picture): Picture | null {
  if (!canHalve(camera)) return null;
  const halfCamera = halveCamera(camera);
  const { width, height } = halfCamera;
  const half = new Uint8Array(width * height * 4);
  const halfMask = mask === null ? null : new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const corner = 2 * y * camera.width + 2 * x;
      const below = corner + camera.width;
      averageBox(rgba, corner, below, half, (y * width + x) * 4);
      if (mask === null || halfMask === null) continue;
      // A pixel counts when all its sources do.
      const top = Math.min(mask[corner], mask[corner + 1]);
      halfMask[y * width + x] = Math.min(top, mask[below], mask[below + 1]);
    }
  }
  return { camera: halfCamera, rgba: half, mask: halfMask };
}

/** The lens of a picture at half size. */
export function halveCamera(camera: Camera): Camera {
  const { width, height, fx, fy, cx, cy } = camera;
  const lens = { fx: fx / 2, fy: fy / 2, cx: cx / 2, cy: cy / 2 };
  return { ...camera, width: width >> 1, height: height >> 1, ...lens };
}

/** Mean of four straight-alpha pixels, two at `top` and two at `below`, colour weighted by alpha. */
function averageBox(rgba: Uint8Array, top: number, below: number, out: Uint8Array, at: number): void {
  const [a, b, c, d] = [top * 4, top * 4 + 4, below * 4, below * 4 + 4];
  const alpha = rgba[a + 3] + rgba[b + 3] + rgba[c + 3] + rgba[d + 3];
  for (let channel = 0; channel < 3; channel++) {
    const sum =
      rgba[a + channel] * rgba[a + 3] +
      rgba[b + channel] * rgba[b + 3] +
      rgba[c + channel] * rgba[c + 3] +
      rgba[d + channel] * rgba[d + 3];
    out[at + channel] = alpha === 0 ? rgba[a + channel] : Math.round(sum / alpha);
  }
  out[at + 3] = Math.round(alpha / 4);
}

/** Whether a good part of some pixel is transparent. */
export function hasCutout(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] < 128) return true;
  return false;
}

/** Puts the scene's mask, or none, over pictures; what it gives is good until it is called again. */
export type Masking = (picture: Picture) => Picture;

/**
 * Make one. The mask is sampled once for each size of picture; where a picture has a mask of its own, both are joined in
 * memory used again for the next.
 */
export function createMasking(scene: TrainerMask | null): Masking {
  if (scene === null) return (picture) => picture;
  const samples = new Map<string, Uint8Array>();
  let joined = new Uint8Array(0);
  return ({ camera, rgba, mask }) => {
    const { width, height } = camera;
    const size = `${width}×${height}`;
    const sample = samples.get(size) ?? sampleMask(scene, width, height);
    if (samples.size >= SIZES_KEPT && !samples.has(size)) samples.clear();
    samples.set(size, sample);
    if (mask === null) return { camera, rgba, mask: sample };
    if (joined.length < sample.length) joined = new Uint8Array(sample.length);
    for (let p = 0; p < sample.length; p++) joined[p] = Math.min(sample[p], mask[p]);
    return { camera, rgba, mask: joined };
  };
}

function sampleMask(scene: TrainerMask, width: number, height: number): Uint8Array {
  const sample = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const sceneRow = Math.floor(((y + 0.5) * scene.height) / height) * scene.width;
    for (let x = 0; x < width; x++) {
      sample[y * width + x] = scene.values[sceneRow + Math.floor(((x + 0.5) * scene.width) / width)];
    }
  }
  return sample;
}
