/** Rigid transforms as 4×4 matrices: 16 numbers, row-major. */

/** Product a · b. */
export function multiply(a: readonly number[], b: readonly number[]): number[] {
  const product: number[] = [];
  for (let row = 0; row < 16; row += 4) {
    for (let column = 0; column < 4; column++) {
      product.push(
        a[row] * b[column] +
          a[row + 1] * b[column + 4] +
          a[row + 2] * b[column + 8] +
          a[row + 3] * b[column + 12],
      );
    }
  }
  return product;
}

/** Inverse of a rigid transform: Rᵀ, −Rᵀt. */
export function invert(m: readonly number[]): number[] {
  const translation = [0, 1, 2].map((i) => -(m[i] * m[3] + m[i + 4] * m[7] + m[i + 8] * m[11]));
  return compose([m[0], m[4], m[8], m[1], m[5], m[9], m[2], m[6], m[10]], translation);
}

/** Transform of a [3,3] row-major rotation and a [3] translation. */
export function compose(rotation: readonly number[], translation: readonly number[]): number[] {
  const r = rotation;
  const [x, y, z] = translation;
  return [r[0], r[1], r[2], x, r[3], r[4], r[5], y, r[6], r[7], r[8], z, 0, 0, 0, 1];
}

/** [3,3] row-major rotation of a quaternion w, x, y, z of any length but zero. */
export function quaternionToRotation(quaternion: readonly number[]): number[] {
  const length = Math.hypot(...quaternion);
  const [w, x, y, z] = quaternion.map((value) => value / length);
  return [
    1 - 2 * (y * y + z * z),
    2 * (x * y - w * z),
    2 * (x * z + w * y),
    2 * (x * y + w * z),
    1 - 2 * (x * x + z * z),
    2 * (y * z - w * x),
    2 * (x * z - w * y),
    2 * (y * z + w * x),
    1 - 2 * (x * x + y * y),
  ];
}

/** [3,3] row-major rotation of URDF's roll, pitch, yaw: Rz(yaw) · Ry(pitch) · Rx(roll), rad. */
export function rollPitchYawToRotation(rollPitchYawRad: readonly number[]): number[] {
  const [sr, sp, sy] = rollPitchYawRad.map(Math.sin);
  const [cr, cp, cy] = rollPitchYawRad.map(Math.cos);
  return [
    cy * cp,
    cy * sp * sr - sy * cr,
    cy * sp * cr + sy * sr,
    sy * cp,
    sy * sp * sr + cy * cr,
    sy * sp * cr - cy * sr,
    -sp,
    cp * sr,
    cp * cr,
  ];
}
