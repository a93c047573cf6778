/**
 * 3D Gaussians → 2D splats on the image of one camera, for one range of Gaussians.
 *
 * Zwicker et al. 2001 (EWA splatting) as used by Kerbl et al. 2023, with gsplat's conventions: Σ = R S Sᵀ Rᵀ,
 * Jacobian taken at x/z and y/z clamped to the view widened by 30 %, +0.3 px on the diagonal of the 2D covariance,
 * colour = SH + 0.5, cut at 0, seen along mean − camera centre.
 *
 * A splat is 12 numbers: 0,1 mean x, y (px) · 2,3,4 conic a, b, c (inverse covariance [a b; b c], 1/px²) ·
 * 5 opacity (filtered when antialiased) · 6,7,8 red, green, blue · 9 the largest q = dᵀ conic d that can still be seen ·
 * 10,11 half-size of the box where q stays below it (px); negative when the splat is not on the image.
 */
import { shBasis } from "../splat/sh.ts";
import {
  ALPHA_MIN,
  BLUR,
  COLOR_MAX,
  CORRELATION_MAX,
  EXTENT_MAX,
  FILTER_MIN,
  JACOBIAN_LIMIT,
  NEAR,
} from "./kernels/conventions.ts";
import { SPLAT_STRIDE, type Views } from "./memory.ts";
import * as SCALAR from "./scalars.ts";

/** The camera of the current step, read once per range; limits are the largest |x/z|, |y/z| of the Jacobian. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly fx: number;
  readonly fy: number;
  readonly cx: number;
  readonly cy: number;
  readonly r: Float64Array;
  readonly t: Float64Array;
  readonly c: Float64Array;
  readonly limitX: number;
  readonly limitY: number;
  readonly degree: number;
  readonly k: number;
  readonly antialiased: boolean;
}

/** Read the camera from the scalars. */
export function readView({ scalars }: Views): View {
  const width = scalars[SCALAR.width];
  const height = scalars[SCALAR.height];
  const fx = scalars[SCALAR.fx];
  const fy = scalars[SCALAR.fy];
  return {
    width,
    height,
    fx,
    fy,
    cx: scalars[SCALAR.cx],
    cy: scalars[SCALAR.cy],
    r: scalars.slice(SCALAR.rotation, SCALAR.rotation + 9),
    t: scalars.slice(SCALAR.translation, SCALAR.translation + 3),
    c: scalars.slice(SCALAR.center, SCALAR.center + 3),
    limitX: (JACOBIAN_LIMIT * 0.5 * width) / fx,
    limitY: (JACOBIAN_LIMIT * 0.5 * height) / fy,
    degree: scalars[SCALAR.shDegree],
    k: scalars[SCALAR.shCount],
    antialiased: scalars[SCALAR.antialiased] === 1,
  };
}

const basis = new Float64Array(16);
/** [3,3] rotation · scale of the Gaussian at hand, filled by `shapeOf`. */
export const shape = new Float64Array(9);
const rot = new Float64Array(9);
const m = shape;

/** Fill `shape` for Gaussian i. Returns 1 / |quaternion|, 0 for the zero quaternion (taken as no rotation). */
export function shapeOf(views: Views, i: number): number {
  const { quats, logScales } = views;
  const q = i * 4;
  const norm = Math.sqrt(quats[q] ** 2 + quats[q + 1] ** 2 + quats[q + 2] ** 2 + quats[q + 3] ** 2);
  const inverse = norm === 0 ? 0 : 1 / norm;
  const w = norm === 0 ? 1 : quats[q] * inverse;
  const x = quats[q + 1] * inverse;
  const y = quats[q + 2] * inverse;
  const z = quats[q + 3] * inverse;
  rot[0] = 1 - 2 * (y * y + z * z);
  rot[1] = 2 * (x * y - w * z);
  rot[2] = 2 * (x * z + w * y);
  rot[3] = 2 * (x * y + w * z);
  rot[4] = 1 - 2 * (x * x + z * z);
  rot[5] = 2 * (y * z - w * x);
  rot[6] = 2 * (x * z - w * y);
  rot[7] = 2 * (y * z + w * x);
  rot[8] = 1 - 2 * (x * x + y * y);
  for (let axis = 0; axis < 3; axis++) {
    const scale = Math.exp(logScales[i * 3 + axis]);
    m[axis] = rot[axis] * scale;
    m[3 + axis] = rot[3 + axis] * scale;
    m[6 + axis] = rot[6 + axis] * scale;
  }
  return inverse;
}

/** Project Gaussians [from, to) of the current step's camera into `splats` and `depths`. */
export function project(views: Views, from: number, to: number): void {
  const view = readView(views);
  for (let i = from; i < to; i++) {
    views.splats[i * SPLAT_STRIDE + 10] = -1;
    views.depths[i] = 0;
    if (projectShape(views, view, i)) projectColor(views, view, i);
  }
}

/** Everything of a splat but its colour. False when it is not on the image. */
function projectShape(views: Views, view: View, i: number): boolean {
  const { means, opacities, splats, depths } = views;
  const { r, t, fx, fy } = view;
  const x = means[i * 3];
  const y = means[i * 3 + 1];
  const z = means[i * 3 + 2];
  const pz = r[6] * x + r[7] * y + r[8] * z + t[2];
  const solid = 1 / (1 + Math.exp(-opacities[i]));
  // Written so that NaN anywhere is refused too.
  if (!(pz >= NEAR && solid >= ALPHA_MIN)) return false;
  const px = r[0] * x + r[1] * y + r[2] * z + t[0];
  const py = r[3] * x + r[4] * y + r[5] * z + t[1];
  shapeOf(views, i);
  const iz = 1 / pz;
  const u = Math.max(-view.limitX, Math.min(view.limitX, px * iz));
  const v = Math.max(-view.limitY, Math.min(view.limitY, py * iz));
  const j0 = fx * iz;
  const j2 = -fx * u * iz;
  const j4 = fy * iz;
  const j5 = -fy * v * iz;
  // The two rows of J · R · (rotation · scale) of the Gaussian: the covariance is their products.
  const a0 = j0 * r[0] + j2 * r[6];
  const a1 = j0 * r[1] + j2 * r[7];
  const a2 = j0 * r[2] + j2 * r[8];
  const b0 = j4 * r[3] + j5 * r[6];
  const b1 = j4 * r[4] + j5 * r[7];
  const b2 = j4 * r[5] + j5 * r[8];
  const v0 = a0 * m[0] + a1 * m[3] + a2 * m[6];
  const v1 = a0 * m[1] + a1 * m[4] + a2 * m[7];
  const v2 = a0 * m[2] + a1 * m[5] + a2 * m[8];
  const v3 = b0 * m[0] + b1 * m[3] + b2 * m[6];
  const v4 = b0 * m[1] + b1 * m[4] + b2 * m[7];
  const v5 = b0 * m[2] + b1 * m[5] + b2 * m[8];
  const xx = v0 * v0 + v1 * v1 + v2 * v2 + BLUR;
  const xy = v0 * v3 + v1 * v4 + v2 * v5;
  const yy = v3 * v3 + v4 * v4 + v5 * v5 + BLUR;
  const { det, filter } = determinants(v0, v1, v2, v3, v4, v5);
  const opacity = view.antialiased ? solid * filter : solid;
  if (!(opacity >= ALPHA_MIN)) return false;
  const qMax = 2 * Math.log(opacity / ALPHA_MIN);
  const extentX = Math.sqrt(qMax * xx);
  const extentY = Math.sqrt(qMax * yy);
  const mx = fx * px * iz + view.cx;
  const my = fy * py * iz + view.cy;
  const onImage =
    mx + extentX > 0 && mx - extentX < view.width && my + extentY > 0 && my - extentY < view.height;
  if (!(onImage && det > 0 && extentX + extentY < EXTENT_MAX)) return false;
  const a = yy / det;
  const c = xx / det;
  // A needle thousands of pixels long would come out of rounding with q < 0 somewhere.
  const limit = CORRELATION_MAX * Math.sqrt(a * c);
  const s = i * SPLAT_STRIDE;
  depths[i] = pz;
  splats[s] = mx;
  splats[s + 1] = my;
  splats[s + 2] = a;
  splats[s + 3] = Math.max(-limit, Math.min(limit, -xy / det));
  splats[s + 4] = c;
  splats[s + 5] = opacity;
  splats[s + 9] = qMax;
  splats[s + 10] = extentX;
  splats[s + 11] = extentY;
  return true;
}

/**
 * Determinant of the covariance of rows (v0, v1, v2) and (v3, v4, v5) with the blur, and sqrt of its ratio to that
 * without, as the square of the rows' cross product: nothing cancels, however thin the splat.
 */
function determinants(v0: number, v1: number, v2: number, v3: number, v4: number, v5: number) {
  const sharp = (v1 * v5 - v2 * v4) ** 2 + (v2 * v3 - v0 * v5) ** 2 + (v0 * v4 - v1 * v3) ** 2;
  const trace = v0 * v0 + v1 * v1 + v2 * v2 + v3 * v3 + v4 * v4 + v5 * v5;
  const det = sharp + BLUR * trace + BLUR * BLUR;
  return { det, filter: Math.sqrt(Math.max(FILTER_MIN, sharp / det)) };
}

/** Colour of a Gaussian seen along mean − camera centre. */
function projectColor(views: Views, view: View, i: number): void {
  const { means, sh, splats } = views;
  const { c, k } = view;
  const used = (view.degree + 1) ** 2;
  if (used > 1) {
    const dx = means[i * 3] - c[0];
    const dy = means[i * 3 + 1] - c[1];
    const dz = means[i * 3 + 2] - c[2];
    const inverse = 1 / Math.sqrt(dx * dx + dy * dy + dz * dz);
    shBasis(basis, view.degree, dx * inverse, dy * inverse, dz * inverse);
  } else {
    shBasis(basis, 0, 0, 0, 1);
  }
  for (let channel = 0; channel < 3; channel++) {
    const offset = (i * 3 + channel) * k;
    let value = 0.5;
    for (let j = 0; j < used; j++) value += basis[j] * sh[offset + j];
    splats[i * SPLAT_STRIDE + 6 + channel] = value > 0 ? Math.min(value, COLOR_MAX) : 0;
  }
}
