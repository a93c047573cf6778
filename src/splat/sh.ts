/**
 * Real spherical harmonics up to degree 3, in the order and with the signs every splat viewer expects
 * (Kerbl et al. 2023; same constants as gsplat and the Inria code's PLY files).
 */

/** Degree-0 basis value: colour = 0.5 + SH_C0 · f_dc. */
export const SH_C0 = 0.28209479177387814;
const C1 = 0.4886025119029199;
const C2 = [1.0925484305920792, 0.31539156525252005, 0.5462742152960396] as const;
const C3 = [
  0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154, 1.445305721320277,
] as const;

/** Values of the (degree+1)² basis functions at the unit vector (x, y, z), written to `out`. */
export function shBasis(out: Float64Array, degree: number, x: number, y: number, z: number): void {
  out[0] = SH_C0;
  if (degree < 1) return;
  out[1] = -C1 * y;
  out[2] = C1 * z;
  out[3] = -C1 * x;
  if (degree < 2) return;
  const xx = x * x;
  const yy = y * y;
  const zz = z * z;
  out[4] = C2[0] * x * y;
  out[5] = -C2[0] * y * z;
  out[6] = C2[1] * (2 * zz - xx - yy);
  out[7] = -C2[0] * x * z;
  out[8] = C2[2] * (xx - yy);
  if (degree < 3) return;
  out[9] = -C3[0] * y * (3 * xx - yy);
  out[10] = C3[1] * x * y * z;
  out[11] = -C3[2] * y * (4 * zz - xx - yy);
  out[12] = C3[3] * z * (2 * zz - 3 * xx - 3 * yy);
  out[13] = -C3[2] * x * (4 * zz - xx - yy);
  out[14] = C3[4] * z * (xx - yy);
  out[15] = -C3[0] * x * (xx - 3 * yy);
}

/** Gradient of each basis function in x, y and z at (x, y, z): `out` [(degree+1)², 3]. */
export function shBasisGradient(out: Float64Array, degree: number, x: number, y: number, z: number): void {
  put(out, 0, 0, 0, 0);
  if (degree < 1) return;
  put(out, 1, 0, -C1, 0);
  put(out, 2, 0, 0, C1);
  put(out, 3, -C1, 0, 0);
  if (degree < 2) return;
  const xx = x * x;
  const yy = y * y;
  const zz = z * z;
  put(out, 4, C2[0] * y, C2[0] * x, 0);
  put(out, 5, 0, -C2[0] * z, -C2[0] * y);
  put(out, 6, -2 * C2[1] * x, -2 * C2[1] * y, 4 * C2[1] * z);
  put(out, 7, -C2[0] * z, 0, -C2[0] * x);
  put(out, 8, 2 * C2[2] * x, -2 * C2[2] * y, 0);
  if (degree < 3) return;
  put(out, 9, -6 * C3[0] * x * y, -3 * C3[0] * (xx - yy), 0);
  put(out, 10, C3[1] * y * z, C3[1] * x * z, C3[1] * x * y);
  put(out, 11, 2 * C3[2] * x * y, -C3[2] * (4 * zz - xx - 3 * yy), -8 * C3[2] * y * z);
  put(out, 12, -6 * C3[3] * x * z, -6 * C3[3] * y * z, 3 * C3[3] * (2 * zz - xx - yy));
  put(out, 13, -C3[2] * (4 * zz - 3 * xx - yy), 2 * C3[2] * x * y, -8 * C3[2] * x * z);
  put(out, 14, 2 * C3[4] * x * z, -2 * C3[4] * y * z, C3[4] * (xx - yy));
  put(out, 15, -3 * C3[0] * (xx - yy), 6 * C3[0] * x * y, 0);
}

function put(out: Float64Array, k: number, dx: number, dy: number, dz: number): void {
  out[3 * k] = dx;
  out[3 * k + 1] = dy;
  out[3 * k + 2] = dz;
}
