/** Pictures the trainer compares its renders with. */
import type { Camera } from "./camera.ts";

/** A picture to compare the render with. */
export interface Picture {
  readonly camera: Camera;
  /** [height, width, 4] straight-alpha sRGB. */
  readonly rgba: Uint8Array;
  /** [height, width] 0 = does not count; null = all count. */
  readonly mask: Uint8Array | null;
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

/**
 * The picture at half size, for a frame's first steps: a quarter of the work while the large shapes form. 2×2 boxes averaged, the lens to match. Null when it is small already.
 */
export function halvePicture({ camera, rgba, mask }: Picture): Picture | null {
  if (Math.min(camera.width, camera.height) < 2 * SMALLEST_SIDE) return null;
  const width = camera.width >> 1;
  const height = camera.height >> 1;
  const half = new Uint8Array(width * height * 4);
  const halfMask = mask === null ? null : new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const corner = 2 * y * camera.width + 2 * x;
      const box = [corner, corner + 1, corner + camera.width, corner + camera.width + 1];
      averageBox(rgba, box, half, (y * width + x) * 4);
      // A pixel counts when all its sources do.
      if (mask !== null && halfMask !== null) halfMask[y * width + x] = Math.min(...box.map((p) => mask[p]));
    }
  }
  const { fx, fy, cx, cy } = camera;
  const halfCamera = { ...camera, width, height, fx: fx / 2, fy: fy / 2, cx: cx / 2, cy: cy / 2 };
  return { camera: halfCamera, rgba: half, mask: halfMask };
}

/** Mean of four straight-alpha pixels, colour weighted by alpha. */
function averageBox(rgba: Uint8Array, box: readonly number[], out: Uint8Array, at: number): void {
  let alpha = 0;
  for (const p of box) alpha += rgba[p * 4 + 3];
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    for (const p of box) sum += rgba[p * 4 + channel] * rgba[p * 4 + 3];
    out[at + channel] = alpha === 0 ? rgba[box[0] * 4 + channel] : Math.round(sum / alpha);
  }
  out[at + 3] = Math.round(alpha / 4);
}

/** Whether a good part of some pixel is transparent. */
export function hasCutout(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] < 128) return true;
  return false;
}

/** The picture with the scene's mask, sampled to its size, over its own. */
export function maskPicture({ camera, rgba, mask }: Picture, scene: TrainerMask | null): Picture {
  if (scene === null) return { camera, rgba, mask };
  const { width, height } = camera;
  const combined = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const sceneRow = Math.floor(((y + 0.5) * scene.height) / height) * scene.width;
    for (let x = 0; x < width; x++) {
      const shown = scene.values[sceneRow + Math.floor(((x + 0.5) * scene.width) / width)];
      combined[y * width + x] = mask === null ? shown : Math.min(shown, mask[y * width + x]);
    }
  }
  return { camera, rgba, mask: combined };
}
