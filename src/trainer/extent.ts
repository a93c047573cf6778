/** Where the scene is and how large, read off the cameras alone. */
import { centerOf, type Camera } from "./camera.ts";

/** Metres; what learning rates and first depths are measured in. */
export interface Extent {
  /** Size of the scene: 1.1 × the largest distance of a camera from their mean, or the depth if larger. */
  readonly size: number;
  /** Distance from the cameras to what they look at. */
  readonly depth: number;
}

/** Depth taken when the cameras do not tell: an arm's reach. */
const DEFAULT_DEPTH_M = 0.3;
/** Cameras closer together than this stand in one place: where their axes meet is chance. */
const SAME_PLACE_M = 0.005;

/**
 * Extent of the scene seen by `cameras` (at least one). The depth is the median distance, along each view, to the
 * point nearest to all optical axes; cameras that look apart, or stand in one place, say nothing, and the default
 * or three times their spacing is taken, whichever is more.
 */
export function sceneExtent(cameras: readonly Camera[]): Extent {
  const centers = cameras.map(centerOf);
  const mean = [0, 1, 2].map((axis) => centers.reduce((sum, c) => sum + c[axis], 0) / centers.length);
  const spread = Math.max(...centers.map((c) => Math.hypot(c[0] - mean[0], c[1] - mean[1], c[2] - mean[2])));
  const focus = focusOf(cameras);
  const depths = focus === null ? [] : cameras.map((camera) => depthOf(camera, focus));
  const inFront = depths.filter((depth) => depth > 0.1 * spread).sort((a, b) => a - b);
  const agreed = inFront.length > 0.7 * cameras.length && spread > SAME_PLACE_M;
  const depth = agreed ? inFront[Math.floor(inFront.length / 2)] : Math.max(3 * spread, DEFAULT_DEPTH_M);
  return { size: Math.max(1.1 * spread, depth), depth };
}

function depthOf(camera: Camera, point: readonly number[]): number {
  const { rotation: r, translation: t } = camera;
  return r[6] * point[0] + r[7] * point[1] + r[8] * point[2] + t[2];
}

/** Point with the least squared distance to all optical axes; null when the axes are (nearly) parallel. */
function focusOf(cameras: readonly Camera[]): readonly number[] | null {
  // Normal equations Σ (I − d dᵀ) p = Σ (I − d dᵀ) c, d the unit view direction, c the centre.
  const a = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  const b = [0, 0, 0];
  for (const camera of cameras) {
    const d = camera.rotation.slice(6, 9);
    const c = centerOf(camera);
    for (let row = 0; row < 3; row++) {
      for (let column = 0; column < 3; column++) {
        const value = (row === column ? 1 : 0) - d[row] * d[column];
        a[row * 3 + column] += value / cameras.length;
        b[row] += (value * c[column]) / cameras.length;
      }
    }
  }
  const det = det3(a);
  // Parallel axes give 0; axes spread over a few degrees already give more than this.
  if (!(det > 1e-4)) return null;
  return solve3(a, b, det);
}

/** Cramer's rule for a symmetric 3×3 system. */
function solve3(a: readonly number[], b: readonly number[], det: number): readonly number[] {
  const column = (j: number): number[] => a.map((value, i) => (i % 3 === j ? b[Math.floor(i / 3)] : value));
  return [0, 1, 2].map((j) => det3(column(j)) / det);
}

function det3(m: readonly number[]): number {
  return (
    m[0] * (m[4] * m[8] - m[5] * m[7]) -
    m[1] * (m[3] * m[8] - m[5] * m[6]) +
    m[2] * (m[3] * m[7] - m[4] * m[6])
  );
}
