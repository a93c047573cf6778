/** Values as bytes and back, as the packed formats keep them. */

/** Opacities this near to 0 or 1 are as good as there; keeps their logit finite. */
const OPACITY_MARGIN = 1e-6;

/** The largest logit of opacity that a byte decodes to; opacities given as ±infinity become this. */
export const MOST_LOGIT = Math.log((1 - OPACITY_MARGIN) / OPACITY_MARGIN);

/** The nearest byte, 0…255; 0 for NaN. */
export function toByte(value: number): number {
  return Math.min(255, Math.max(0, Math.round(value))) || 0;
}

/** Opacity 0…1 of a logit. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** The logit of an opacity in 255ths. */
export function logitOfByte(byte: number): number {
  const opacity = Math.min(1 - OPACITY_MARGIN, Math.max(OPACITY_MARGIN, byte / 255));
  return Math.log(opacity / (1 - opacity));
}

/** Write the unit quaternion of `quats[i]` (w, x, y, z) to `out`; one without a direction means no rotation. */
export function unitQuaternion(out: Float64Array, quats: Float32Array, i: number): void {
  const at = i * 4;
  const norm = Math.hypot(quats[at], quats[at + 1], quats[at + 2], quats[at + 3]);
  if (norm > 0) for (let c = 0; c < 4; c++) out[c] = quats[at + c] / norm;
  else out.set([1, 0, 0, 0]);
}
