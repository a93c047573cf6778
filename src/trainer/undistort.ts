/** Takes the bend of a lens out of an image, so that the trainer only ever sees pinhole cameras. */
import type { Intrinsics } from "./camera.ts";

/** Radial k1, k2 and tangential p1, p2 (Brown 1966; OpenCV `calib3d`, first four coefficients). */
export interface Distortion {
  readonly k1: number;
  readonly k2: number;
  readonly p1: number;
  readonly p2: number;
}

/** Whether there is anything to take out. */
export function isDistorted({ k1, k2, p1, p2 }: Distortion): boolean {
  return k1 !== 0 || k2 !== 0 || p1 !== 0 || p2 !== 0;
}

/**
 * The image a pinhole with the same intrinsics would have seen, bilinear.
 * @param rgba [height, width, 4] as the lens saw it.
 * @param take gives memory for the result, whatever is in it; by default shared memory of its own.
 * @returns `rgba` of the same shape, and `mask` [height, width]: 0 where the lens did not look, 1 elsewhere.
 */
export function undistort(
  rgba: Uint8Array,
  { width, height, fx, fy, cx, cy }: Intrinsics,
  distortion: Distortion,
  take: (bytes: number) => Uint8Array = sharedBytes,
): { rgba: Uint8Array; mask: Uint8Array } {
  const out = take(rgba.length).fill(0);
  const mask = take(width * height).fill(0);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [x, y] = distort((column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy, distortion);
      const u = fx * x + cx - 0.5;
      const v = fy * y + cy - 0.5;
      // Half a pixel beyond the outermost centres is still inside the sensor.
      if (!(u >= -0.5 && v >= -0.5 && u <= width - 0.5 && v <= height - 0.5)) continue;
      const pixel = row * width + column;
      mask[pixel] = 1;
      sample(rgba, width, height, u, v, out.subarray(pixel * 4, pixel * 4 + 4));
    }
  }
  return { rgba: out, mask };
}

function sharedBytes(bytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(bytes));
}

/** Where the lens puts a ray of the ideal image plane (z = 1). */
function distort(x: number, y: number, { k1, k2, p1, p2 }: Distortion): [number, number] {
  const r2 = x * x + y * y;
  // Past the turning point of the radial polynomial, rays fold back into the image: they have no source.
  if (1 + 3 * k1 * r2 + 5 * k2 * r2 * r2 <= 0) return [NaN, NaN];
  const radial = 1 + k1 * r2 + k2 * r2 * r2;
  return [
    x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
    y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
  ];
}

function sample(
  rgba: Uint8Array,
  width: number,
  height: number,
  u: number,
  v: number,
  out: Uint8Array,
): void {
  const x = Math.min(Math.max(u, 0), width - 1);
  const y = Math.min(Math.max(v, 0), height - 1);
  const x0 = Math.min(Math.floor(x), Math.max(0, width - 2));
  const y0 = Math.min(Math.floor(y), Math.max(0, height - 2));
  const [right, down] = [width > 1 ? 4 : 0, height > 1 ? width * 4 : 0];
  const [sx, sy] = [x - x0, y - y0];
  const at = (y0 * width + x0) * 4;
  for (let c = 0; c < 4; c++) {
    const top = rgba[at + c] * (1 - sx) + rgba[at + right + c] * sx;
    const bottom = rgba[at + down + c] * (1 - sx) + rgba[at + down + right + c] * sx;
    out[c] = Math.round(top * (1 - sy) + bottom * sy);
  }
}
