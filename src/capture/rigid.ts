/** Poses as files give them, made into rigid transforms where that is possible. Matrices are [16], row-major. */

export type PoseCheck =
  /** `repaired`: it was visibly scaled or skewed (beyond rounding). */
  | { readonly kind: "rigid"; readonly pose: readonly number[]; readonly repaired: boolean }
  | { readonly kind: "unusable"; readonly reason: string };

/** Departure from orthonormal that is taken for a rotation stored with rounding; more is worth telling. */
const ROUNDING = 1e-3;
/** After uniform scale is removed, more skew than this is not a slip of a pose but no pose at all. */
const BEYOND_REPAIR = 0.1;

/**
 * Check a 3×4 or 4×4 camera-to-world matrix read from a file: numbers, a rotation (made exactly orthonormal; a uniform
 * scale is dropped), a last row of 0 0 0 1.
 */
export function rigidPose(matrix: unknown): PoseCheck {
  const rows = Array.isArray(matrix) ? (matrix as unknown[]) : [];
  const values = rows.flat();
  if (rows.length < 3 || rows.length > 4 || values.length !== rows.length * 4) {
    return { kind: "unusable", reason: "its pose is not a 4×4 matrix" };
  }
  if (!values.every((value): value is number => typeof value === "number" && Number.isFinite(value))) {
    return { kind: "unusable", reason: "its pose holds NaN or something that is not a number" };
  }
  const last = values.length === 16 ? values.slice(12) : [0, 0, 0, 1];
  if (last.some((value, i) => Math.abs(value - (i === 3 ? 1 : 0)) > 1e-6)) {
    return { kind: "unusable", reason: "the last row of its pose is not 0 0 0 1" };
  }
  const linear = [0, 1, 2, 4, 5, 6, 8, 9, 10].map((i) => values[i]);
  const scale = Math.cbrt(determinant(linear));
  if (!(scale > 1e-9)) return { kind: "unusable", reason: "its pose is mirrored or flat, not a rotation" };
  const unit = linear.map((value) => value / scale);
  const skew = departure(unit);
  if (skew > BEYOND_REPAIR) return { kind: "unusable", reason: "its pose is not a rotation" };
  const r = nearestRotation(unit);
  const pose = [r[0], r[1], r[2], values[3], r[3], r[4], r[5], values[7], r[6], r[7], r[8], values[11]];
  return {
    kind: "rigid",
    pose: [...pose, 0, 0, 0, 1],
    repaired: Math.max(Math.abs(scale - 1), skew) > ROUNDING,
  };
}

/**
 * The rotation nearest to a 3×3 matrix with positive determinant: Newton's iteration for the polar decomposition,
 * R ← (R + R⁻ᵀ)/2 (Higham 1986, "Computing the polar decomposition — with applications").
 */
function nearestRotation(matrix: readonly number[]): number[] {
  let r = [...matrix];
  for (let step = 0; step < 20 && departure(r) > 1e-14; step++) {
    const inverseTranspose = cofactors(r).map((value) => value / determinant(r));
    r = r.map((value, i) => (value + inverseTranspose[i]) / 2);
  }
  return r;
}

/** Largest entry of |M Mᵀ − 1|. */
function departure(m: readonly number[]): number {
  let worst = 0;
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      const dot = m[i * 3] * m[j * 3] + m[i * 3 + 1] * m[j * 3 + 1] + m[i * 3 + 2] * m[j * 3 + 2];
      worst = Math.max(worst, Math.abs(dot - (i === j ? 1 : 0)));
    }
  }
  return worst;
}

function determinant(m: readonly number[]): number {
  const c = cofactors(m);
  return m[0] * c[0] + m[1] * c[1] + m[2] * c[2];
}

function cofactors([a, b, c, d, e, f, g, h, i]: readonly number[]): number[] {
  return [
    e * i - f * h,
    f * g - d * i,
    d * h - e * g,
    c * h - b * i,
    a * i - c * g,
    b * g - a * h,
    b * f - c * e,
    c * d - a * f,
    a * e - b * d,
  ];
}
