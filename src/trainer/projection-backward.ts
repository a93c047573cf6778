/**
 * From gradients of 2D splats to gradients of 3D Gaussians and of the camera: the transpose of `projection.ts`.
 * Checked by finite differences in test/trainer/gradients.test.ts.
 */
import { shBasis, shBasisGradient } from "../splat/sh.ts";
import type { Gradients } from "./gradients.ts";
import { BLUR, COLOR_MAX, FILTER_MIN } from "./kernels/conventions.ts";
import { CAMERA_GRADIENT, CHUNK, GRADIENT_STRIDE, SPLAT_STRIDE, type Views } from "./memory.ts";
import { readView, shape as m, shapeOf, type View } from "./projection.ts";

const basis = new Float64Array(16);
const basisGradient = new Float64Array(48);

/**
 * Gradients of the loss in the parameters of Gaussians [from, to) into `gradients`, whose row 0 is Gaussian `from`,
 * from its `splats`; [from, to) must be one chunk. Gaussians that are not on the image get zeros. The chunk's share of
 * the camera's gradient goes to `cameraGradients` (rotation as nine free numbers).
 */
export function projectBackward(views: Views, gradients: Gradients, from: number, to: number): void {
  const view = readView(views);
  const camera = views.cameraGradients.subarray(
    (from / CHUNK) * CAMERA_GRADIENT,
    (from / CHUNK + 1) * CAMERA_GRADIENT,
  );
  camera.fill(0);
  const count = to - from;
  gradients.means.fill(0, 0, count * 3);
  gradients.logScales.fill(0, 0, count * 3);
  gradients.quats.fill(0, 0, count * 4);
  gradients.opacities.fill(0, 0, count);
  gradients.sh.fill(0, 0, count * 3 * view.k);
  for (let row = 0; row < count; row++) {
    if (views.splats[(from + row) * SPLAT_STRIDE + 10] < 0) continue;
    shapeBackward(views, view, gradients, camera, from + row, row);
    colorBackward(views, view, gradients, camera, from + row, row);
  }
}

/** Chain rule through mean, covariance and opacity: the transpose of `projectShape`. Long because it is one formula. */
// oxlint-disable-next-line max-lines-per-function -- one formula, in the order of the chain rule
function shapeBackward(
  views: Views,
  view: View,
  gradients: Gradients,
  camera: Float64Array,
  i: number,
  row: number,
): void {
  const { means, splats, quats, opacities } = views;
  const { splats: splatGradients } = gradients;
  const { r, t, fx, fy } = view;
  const x = means[i * 3];
  const y = means[i * 3 + 1];
  const z = means[i * 3 + 2];
  const px = r[0] * x + r[1] * y + r[2] * z + t[0];
  const py = r[3] * x + r[4] * y + r[5] * z + t[1];
  const pz = r[6] * x + r[7] * y + r[8] * z + t[2];
  const iz = 1 / pz;
  const uFree = Math.abs(px * iz) < view.limitX;
  const vFree = Math.abs(py * iz) < view.limitY;
  const u = Math.max(-view.limitX, Math.min(view.limitX, px * iz));
  const v = Math.max(-view.limitY, Math.min(view.limitY, py * iz));
  const j0 = fx * iz;
  const j2 = -fx * u * iz;
  const j4 = fy * iz;
  const j5 = -fy * v * iz;
  const a0 = j0 * r[0] + j2 * r[6];
  const a1 = j0 * r[1] + j2 * r[7];
  const a2 = j0 * r[2] + j2 * r[8];
  const b0 = j4 * r[3] + j5 * r[6];
  const b1 = j4 * r[4] + j5 * r[7];
  const b2 = j4 * r[5] + j5 * r[8];
  const inverseNorm = shapeOf(views, i);
  const v0 = a0 * m[0] + a1 * m[3] + a2 * m[6];
  const v1 = a0 * m[1] + a1 * m[4] + a2 * m[7];
  const v2 = a0 * m[2] + a1 * m[5] + a2 * m[8];
  const v3 = b0 * m[0] + b1 * m[3] + b2 * m[6];
  const v4 = b0 * m[1] + b1 * m[4] + b2 * m[7];
  const v5 = b0 * m[2] + b1 * m[5] + b2 * m[8];

  // Conic Q = Σ⁻¹: dL/dΣ = −Q G Q with G the symmetric gradient in Q. s = twice that, as both factors of Σ move.
  const s = i * SPLAT_STRIDE;
  const g = row * GRADIENT_STRIDE;
  const qa = splats[s + 2];
  const qb = splats[s + 3];
  const qc = splats[s + 4];
  const ga = splatGradients[g + 2];
  const gb = 0.5 * splatGradients[g + 3];
  const gc = splatGradients[g + 4];
  const h0 = qa * ga + qb * gb;
  const h1 = qa * gb + qb * gc;
  const h2 = qb * ga + qc * gb;
  const h3 = qb * gb + qc * gc;
  let s0 = -2 * (h0 * qa + h1 * qb);
  let s1 = -2 * (h0 * qb + h1 * qc);
  let s2 = -2 * (h2 * qb + h3 * qc);
  const opacity = splats[s + 5];
  if (view.antialiased) {
    // Opacity hangs on sqrt(det before / det after the blur), where that is above its least.
    const xx = v0 * v0 + v1 * v1 + v2 * v2;
    const xy = v0 * v3 + v1 * v4 + v2 * v5;
    const yy = v3 * v3 + v4 * v4 + v5 * v5;
    const sharp = (v1 * v5 - v2 * v4) ** 2 + (v2 * v3 - v0 * v5) ** 2 + (v0 * v4 - v1 * v3) ** 2;
    const det = sharp + BLUR * (xx + yy) + BLUR * BLUR;
    if (sharp > FILTER_MIN * det) {
      const perLog = splatGradients[g + 5] * opacity;
      s0 += perLog * (yy / sharp - (yy + BLUR) / det);
      s1 -= perLog * (xy / sharp - xy / det);
      s2 += perLog * (xx / sharp - (xx + BLUR) / det);
    }
  }
  // w: gradient in the two rows v0…v5. Then in the rows a, b of J·R.
  const w0 = s0 * v0 + s1 * v3;
  const w1 = s0 * v1 + s1 * v4;
  const w2 = s0 * v2 + s1 * v5;
  const w3 = s1 * v0 + s2 * v3;
  const w4 = s1 * v1 + s2 * v4;
  const w5 = s1 * v2 + s2 * v5;
  const da0 = w0 * m[0] + w1 * m[1] + w2 * m[2];
  const da1 = w0 * m[3] + w1 * m[4] + w2 * m[5];
  const da2 = w0 * m[6] + w1 * m[7] + w2 * m[8];
  const db0 = w3 * m[0] + w4 * m[1] + w5 * m[2];
  const db1 = w3 * m[3] + w4 * m[4] + w5 * m[5];
  const db2 = w3 * m[6] + w4 * m[7] + w5 * m[8];
  const dj0 = da0 * r[0] + da1 * r[1] + da2 * r[2];
  const dj2 = da0 * r[6] + da1 * r[7] + da2 * r[8];
  const dj4 = db0 * r[3] + db1 * r[4] + db2 * r[5];
  const dj5 = db0 * r[6] + db1 * r[7] + db2 * r[8];
  const gu = splatGradients[g];
  const gv = splatGradients[g + 1];

  // Mean in the camera frame: through the splat's position, and through J (where x/z is not clamped).
  const du = -fx * iz * dj2;
  const dv = -fy * iz * dj5;
  const dpx = gu * j0 + (uFree ? du * iz : 0);
  const dpy = gv * j4 + (vFree ? dv * iz : 0);
  const dpz =
    -(gu * j0 * px + gv * j4 * py) * iz -
    (dj0 * j0 + dj4 * j4 + dj2 * j2 + dj5 * j5) * iz -
    (uFree ? du * u * iz : 0) -
    (vFree ? dv * v * iz : 0);
  gradients.means[row * 3] = r[0] * dpx + r[3] * dpy + r[6] * dpz;
  gradients.means[row * 3 + 1] = r[1] * dpx + r[4] * dpy + r[7] * dpz;
  gradients.means[row * 3 + 2] = r[2] * dpx + r[5] * dpy + r[8] * dpz;

  // n: gradient in m = rotation · scale.
  const n0 = a0 * w0 + b0 * w3;
  const n1 = a0 * w1 + b0 * w4;
  const n2 = a0 * w2 + b0 * w5;
  const n3 = a1 * w0 + b1 * w3;
  const n4 = a1 * w1 + b1 * w4;
  const n5 = a1 * w2 + b1 * w5;
  const n6 = a2 * w0 + b2 * w3;
  const n7 = a2 * w1 + b2 * w4;
  const n8 = a2 * w2 + b2 * w5;
  gradients.logScales[row * 3] = m[0] * n0 + m[3] * n3 + m[6] * n6;
  gradients.logScales[row * 3 + 1] = m[1] * n1 + m[4] * n4 + m[7] * n7;
  gradients.logScales[row * 3 + 2] = m[2] * n2 + m[5] * n5 + m[8] * n8;
  const e0 = Math.exp(views.logScales[i * 3]);
  const e1 = Math.exp(views.logScales[i * 3 + 1]);
  const e2 = Math.exp(views.logScales[i * 3 + 2]);
  const d0 = n0 * e0;
  const d1 = n1 * e1;
  const d2 = n2 * e2;
  const d3 = n3 * e0;
  const d4 = n4 * e1;
  const d5 = n5 * e2;
  const d6 = n6 * e0;
  const d7 = n7 * e1;
  const d8 = n8 * e2;
  const q = i * 4;
  const qw = quats[q] * inverseNorm;
  const qx = quats[q + 1] * inverseNorm;
  const qy = quats[q + 2] * inverseNorm;
  const qz = quats[q + 3] * inverseNorm;
  const gw = 2 * (qz * (d3 - d1) + qy * (d2 - d6) + qx * (d7 - d5));
  const gx = 2 * (qy * (d1 + d3) + qz * (d2 + d6) + qw * (d7 - d5)) - 4 * qx * (d4 + d8);
  const gy = 2 * (qx * (d1 + d3) + qw * (d2 - d6) + qz * (d5 + d7)) - 4 * qy * (d0 + d8);
  const gz = 2 * (qw * (d3 - d1) + qx * (d2 + d6) + qy * (d5 + d7)) - 4 * qz * (d0 + d4);
  // The normalisation lets only the part across the quaternion through.
  const along = gw * qw + gx * qx + gy * qy + gz * qz;
  gradients.quats[row * 4] = (gw - along * qw) * inverseNorm;
  gradients.quats[row * 4 + 1] = (gx - along * qx) * inverseNorm;
  gradients.quats[row * 4 + 2] = (gy - along * qy) * inverseNorm;
  gradients.quats[row * 4 + 3] = (gz - along * qz) * inverseNorm;
  gradients.opacities[row] = (splatGradients[g + 5] * opacity) / (1 + Math.exp(opacities[i]));

  // The camera: R through the mean and through J·R, t through the mean, and the lens.
  camera[0] += dpx * x + j0 * da0;
  camera[1] += dpx * y + j0 * da1;
  camera[2] += dpx * z + j0 * da2;
  camera[3] += dpy * x + j4 * db0;
  camera[4] += dpy * y + j4 * db1;
  camera[5] += dpy * z + j4 * db2;
  camera[6] += dpz * x + j2 * da0 + j5 * db0;
  camera[7] += dpz * y + j2 * da1 + j5 * db1;
  camera[8] += dpz * z + j2 * da2 + j5 * db2;
  camera[9] += dpx;
  camera[10] += dpy;
  camera[11] += dpz;
  camera[12] += gu * px * iz + dj0 * iz - (uFree ? dj2 * u * iz : 0);
  camera[13] += gv * py * iz + dj4 * iz - (vFree ? dj5 * v * iz : 0);
  camera[14] += gu;
  camera[15] += gv;
}

/** Chain rule through the colour: into the SH coefficients, and through the view direction into mean and camera. */
function colorBackward(
  views: Views,
  view: View,
  gradients: Gradients,
  camera: Float64Array,
  i: number,
  row: number,
): void {
  const { means, sh, splats } = views;
  const { c, k, r, t } = view;
  const used = (view.degree + 1) ** 2;
  const dx = means[i * 3] - c[0];
  const dy = means[i * 3 + 1] - c[1];
  const dz = means[i * 3 + 2] - c[2];
  const inverse = 1 / Math.sqrt(dx * dx + dy * dy + dz * dz);
  const nx = dx * inverse;
  const ny = dy * inverse;
  const nz = dz * inverse;
  shBasis(basis, view.degree, nx, ny, nz);
  if (used > 1) shBasisGradient(basisGradient, view.degree, nx, ny, nz);
  let gx = 0;
  let gy = 0;
  let gz = 0;
  for (let channel = 0; channel < 3; channel++) {
    const offset = (i * 3 + channel) * k;
    const color = splats[i * SPLAT_STRIDE + 6 + channel];
    // A colour that was cut passes nothing on; its coefficients may not even be numbers.
    if (!(color > 0 && color < COLOR_MAX)) continue;
    const g = gradients.splats[row * GRADIENT_STRIDE + 6 + channel];
    for (let j = 0; j < used; j++) gradients.sh[(row * 3 + channel) * k + j] = g * basis[j];
    for (let j = 1; j < used; j++) {
      const weight = g * sh[offset + j];
      gx += weight * basisGradient[3 * j];
      gy += weight * basisGradient[3 * j + 1];
      gz += weight * basisGradient[3 * j + 2];
    }
  }
  if (used === 1) return;
  const along = gx * nx + gy * ny + gz * nz;
  const ex = (gx - along * nx) * inverse;
  const ey = (gy - along * ny) * inverse;
  const ez = (gz - along * nz) * inverse;
  gradients.means[row * 3] += ex;
  gradients.means[row * 3 + 1] += ey;
  gradients.means[row * 3 + 2] += ez;
  // The centre is −Rᵀt and the direction is mean − centre, so both signs cancel.
  for (let axis = 0; axis < 3; axis++) {
    camera[axis * 3] += t[axis] * ex;
    camera[axis * 3 + 1] += t[axis] * ey;
    camera[axis * 3 + 2] += t[axis] * ez;
    camera[9 + axis] += r[axis * 3] * ex + r[axis * 3 + 1] * ey + r[axis * 3 + 2] * ez;
  }
}
