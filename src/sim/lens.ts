/** A lens that bends: where the light of each place in the picture comes from. */
import type { Intrinsics } from "../trainer/camera.ts";
import type { Distortion } from "../trainer/undistort.ts";

export const NO_DISTORTION: Distortion = { k1: 0, k2: 0, p1: 0, p2: 0 };

/** An ordinary webcam lens: barrel-shaped; at 63° across, the middle of the picture's side comes 6 % nearer its centre. */
export const WEBCAM_DISTORTION: Distortion = { k1: -0.18, k2: 0.04, p1: 0.001, p2: -0.0008 };

const MAX_STEPS = 30;
/** On the image plane at z = 1: a thousandth of a thousandth of a pixel. */
const TOLERANCE = 1e-9;

/**
 * Rays of a picture taken through the lens: [height, width, offsets, 2], x and y at z = 1, OpenCV axes; NaN where no
 * light can come from. `offsets` [N][2]: places within a pixel, 0…1.
 */
export function lensRays(
  { width, height, fx, fy, cx, cy }: Intrinsics,
  distortion: Distortion,
  offsets: readonly (readonly [number, number])[],
): Float64Array {
  const rays = new Float64Array(width * height * offsets.length * 2);
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (const [dx, dy] of offsets) {
        const [x, y] = unbend((column + dx - cx) / fx, (row + dy - cy) / fy, distortion);
        rays[at++] = x;
        rays[at++] = y;
      }
    }
  }
  return rays;
}

/** The ray that the lens puts at a place of the image plane (z = 1), by Newton's iteration; NaN when there is none. */
export function unbend(u: number, v: number, { k1, k2, p1, p2 }: Distortion): [number, number] {
  let x = u;
  let y = v;
  for (let step = 0; step < MAX_STEPS; step++) {
    const r2 = x * x + y * y;
    const radial = 1 + k1 * r2 + k2 * r2 * r2;
    const missX = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) - u;
    const missY = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y - v;
    // Past the turning point of the radial polynomial rays fold back: no lens does that.
    const rises = 1 + 3 * k1 * r2 + 5 * k2 * r2 * r2 > 0;
    if (Math.abs(missX) + Math.abs(missY) < TOLERANCE) return rises ? [x, y] : [Number.NaN, Number.NaN];
    const slope = 2 * k1 + 4 * k2 * r2;
    const xx = radial + slope * x * x + 2 * p1 * y + 6 * p2 * x;
    const xy = slope * x * y + 2 * p1 * x + 2 * p2 * y;
    const yy = radial + slope * y * y + 6 * p1 * y + 2 * p2 * x;
    const determinant = xx * yy - xy * xy;
    x -= (yy * missX - xy * missY) / determinant;
    y -= (xx * missY - xy * missX) / determinant;
  }
  return [Number.NaN, Number.NaN];
}
