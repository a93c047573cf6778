/** Gradients of splats → gradients of Gaussians and camera, as `projection-backward.ts` of the reference. */
import { directionToMean } from "./colors.ts";
import {
  BLUR,
  CAMERA_SUMS,
  DET,
  FILTER_MIN,
  FX,
  FY,
  get,
  INVERSE_NORM,
  INVERSE_Z,
  J0,
  J2,
  J4,
  J5,
  JR,
  LIMIT_X,
  LIMIT_Y,
  LOG_SCALES_GRADIENT,
  MEAN,
  MEANS_GRADIENT,
  OPACITY_GRADIENT,
  PLACE,
  put,
  QUAT,
  QUATS_GRADIENT,
  R,
  ROWS,
  SCALE,
  SEEN,
  SHAPE,
  SHARP,
  SPLAT,
  SPLAT_GRADIENT,
  T,
  TRANSPARENCY,
  U,
  V,
  XX,
  XY,
  YY,
} from "./four.ts";
import { DIRECTION_GRADIENT } from "./sh-basis.ts";
import { add, and, div, madd, mul, nmadd, splat, sub } from "./simd.ts";

// @ts-ignore: decorator
@inline
function addCamera(s: usize, k: usize, value: v128, seen: v128): void {
  put(s, CAMERA_SUMS + (k << 4), add(get(s, CAMERA_SUMS + (k << 4)), and(value, seen)));
}

/** Chain rule through mean, covariance and opacity of the lanes set in `SEEN`; the others' gradients become zeros. */
export function shapeBackward(s: usize, antialiased: bool): void {
  const seen = get(s, SEEN);
  // Conic Q = Σ⁻¹: dL/dΣ = −Q G Q with G the symmetric gradient in Q. s = twice that, as both factors of Σ move.
  const qa = get(s, SPLAT + 32);
  const qb = get(s, SPLAT + 48);
  const qc = get(s, SPLAT + 64);
  const ga = get(s, SPLAT_GRADIENT + 32);
  const gb = mul(splat(0.5), get(s, SPLAT_GRADIENT + 48));
  const gc = get(s, SPLAT_GRADIENT + 64);
  const h0 = madd(qa, ga, mul(qb, gb));
  const h1 = madd(qa, gb, mul(qb, gc));
  const h2 = madd(qb, ga, mul(qc, gb));
  const h3 = madd(qb, gb, mul(qc, gc));
  let s0 = mul(splat(-2), madd(h0, qa, mul(h1, qb)));
  let s1 = mul(splat(-2), madd(h0, qb, mul(h1, qc)));
  let s2 = mul(splat(-2), madd(h2, qb, mul(h3, qc)));
  const perLog = mul(get(s, SPLAT_GRADIENT + 80), get(s, SPLAT + 80));
  put(s, OPACITY_GRADIENT, and(mul(perLog, get(s, TRANSPARENCY)), seen));
  if (antialiased) {
    // Opacity hangs on sqrt(det before / det after the blur), where that is above its least.
    const sharp = get(s, SHARP);
    const det = get(s, DET);
    const free = and(perLog, f32x4.gt(sharp, mul(splat(FILTER_MIN), det)));
    const before = div(free, sharp);
    const after = div(free, det);
    const blur = mul(splat(BLUR), after);
    const change = v128.and(sub(before, after), f32x4.gt(sharp, splat(0)));
    s0 = add(s0, sub(mul(change, get(s, YY)), blur));
    s1 = nmadd(change, get(s, XY), s1);
    s2 = add(s2, sub(mul(change, get(s, XX)), blur));
  }

  // w: gradient in the two rows v0…v5. Then d: in the rows a, b of J·R; n: in m = rotation · scale.
  const jr = s + JR;
  const rows = s + ROWS;
  let da0 = splat(0);
  let da1 = splat(0);
  let da2 = splat(0);
  let db0 = splat(0);
  let db1 = splat(0);
  let db2 = splat(0);
  for (let axis: usize = 0; axis < 48; axis += 16) {
    const shape = s + SHAPE + axis;
    const va = get(rows + axis, 0);
    const vb = get(rows + axis, 48);
    const wa = madd(s0, va, mul(s1, vb));
    const wb = madd(s1, va, mul(s2, vb));
    const m0 = get(shape, 0);
    const m1 = get(shape, 48);
    const m2 = get(shape, 96);
    da0 = madd(wa, m0, da0);
    da1 = madd(wa, m1, da1);
    da2 = madd(wa, m2, da2);
    db0 = madd(wb, m0, db0);
    db1 = madd(wb, m1, db1);
    db2 = madd(wb, m2, db2);
    const n0 = madd(get(jr, 0), wa, mul(get(jr, 48), wb));
    const n1 = madd(get(jr, 16), wa, mul(get(jr, 64), wb));
    const n2 = madd(get(jr, 32), wa, mul(get(jr, 80), wb));
    put(s, LOG_SCALES_GRADIENT + axis, and(madd(m0, n0, madd(m1, n1, mul(m2, n2))), seen));
    // The shape is not needed any more: its gradient times scale takes its place.
    const scale = get(s, SCALE + axis);
    put(shape, 0, mul(n0, scale));
    put(shape, 48, mul(n1, scale));
    put(shape, 96, mul(n2, scale));
  }
  quatBackward(s, seen);

  const dj0 = madd(da0, get(s, R), madd(da1, get(s, R + 16), mul(da2, get(s, R + 32))));
  const dj2 = madd(da0, get(s, R + 96), madd(da1, get(s, R + 112), mul(da2, get(s, R + 128))));
  const dj4 = madd(db0, get(s, R + 48), madd(db1, get(s, R + 64), mul(db2, get(s, R + 80))));
  const dj5 = madd(db0, get(s, R + 96), madd(db1, get(s, R + 112), mul(db2, get(s, R + 128))));
  const iz = get(s, INVERSE_Z);
  const j0 = get(s, J0);
  const j2 = get(s, J2);
  const j4 = get(s, J4);
  const j5 = get(s, J5);
  const gu = get(s, SPLAT_GRADIENT);
  const gv = get(s, SPLAT_GRADIENT + 16);
  const px = get(s, PLACE);
  const py = get(s, PLACE + 16);
  const ux = mul(px, iz);
  const vy = mul(py, iz);
  // Mean in the camera frame: through the splat's position, and through J (where x/z is not clamped).
  const du = and(mul(f32x4.neg(j0), dj2), f32x4.lt(f32x4.abs(ux), get(s, LIMIT_X)));
  const dv = and(mul(f32x4.neg(j4), dj5), f32x4.lt(f32x4.abs(vy), get(s, LIMIT_Y)));
  const dpx = madd(gu, j0, mul(du, iz));
  const dpy = madd(gv, j4, mul(dv, iz));
  const throughPosition = madd(mul(gu, j0), px, mul(mul(gv, j4), py));
  const throughJ = madd(dj0, j0, madd(dj4, j4, madd(dj2, j2, mul(dj5, j5))));
  const throughClamped = madd(du, get(s, U), mul(dv, get(s, V)));
  const dpz = f32x4.neg(mul(add(add(throughPosition, throughJ), throughClamped), iz));
  for (let k: usize = 0; k < 48; k += 16) {
    const r = s + R + k;
    put(s, MEANS_GRADIENT + k, and(madd(get(r, 0), dpx, madd(get(r, 48), dpy, mul(get(r, 96), dpz))), seen));
  }

  // The camera: R through the mean and through J·R, t through the mean, and the lens.
  const x = get(s, MEAN);
  const y = get(s, MEAN + 16);
  const z = get(s, MEAN + 32);
  addCamera(s, 0, madd(dpx, x, mul(j0, da0)), seen);
  addCamera(s, 1, madd(dpx, y, mul(j0, da1)), seen);
  addCamera(s, 2, madd(dpx, z, mul(j0, da2)), seen);
  addCamera(s, 3, madd(dpy, x, mul(j4, db0)), seen);
  addCamera(s, 4, madd(dpy, y, mul(j4, db1)), seen);
  addCamera(s, 5, madd(dpy, z, mul(j4, db2)), seen);
  addCamera(s, 6, madd(dpz, x, madd(j2, da0, mul(j5, db0))), seen);
  addCamera(s, 7, madd(dpz, y, madd(j2, da1, mul(j5, db1))), seen);
  addCamera(s, 8, madd(dpz, z, madd(j2, da2, mul(j5, db2))), seen);
  addCamera(s, 9, dpx, seen);
  addCamera(s, 10, dpy, seen);
  addCamera(s, 11, dpz, seen);
  // j0 = fx/z, j2 = −fx·u/z: their gradients times themselves, over fx.
  addCamera(s, 12, madd(gu, ux, div(madd(dj0, j0, mul(dj2, j2)), get(s, FX))), seen);
  addCamera(s, 13, madd(gv, vy, div(madd(dj4, j4, mul(dj5, j5)), get(s, FY))), seen);
  addCamera(s, 14, gu, seen);
  addCamera(s, 15, gv, seen);
}

/** Gradient of the rotation matrix, which lies in `SHAPE`, → gradient of the quaternion before it was normalised. */
function quatBackward(s: usize, seen: v128): void {
  const d0 = get(s, SHAPE);
  const d4 = get(s, SHAPE + 64);
  const d8 = get(s, SHAPE + 128);
  const sum13 = add(get(s, SHAPE + 16), get(s, SHAPE + 48));
  const sum26 = add(get(s, SHAPE + 32), get(s, SHAPE + 96));
  const sum57 = add(get(s, SHAPE + 80), get(s, SHAPE + 112));
  const turn31 = sub(get(s, SHAPE + 48), get(s, SHAPE + 16));
  const turn26 = sub(get(s, SHAPE + 32), get(s, SHAPE + 96));
  const turn75 = sub(get(s, SHAPE + 112), get(s, SHAPE + 80));
  const w = get(s, QUAT);
  const x = get(s, QUAT + 16);
  const y = get(s, QUAT + 32);
  const z = get(s, QUAT + 48);
  const two = splat(2);
  const gw = mul(two, madd(z, turn31, madd(y, turn26, mul(x, turn75))));
  const partX = madd(y, sum13, madd(z, sum26, mul(w, turn75)));
  const partY = madd(x, sum13, madd(w, turn26, mul(z, sum57)));
  const partZ = madd(w, turn31, madd(x, sum26, mul(y, sum57)));
  const gx = mul(two, nmadd(mul(two, x), add(d4, d8), partX));
  const gy = mul(two, nmadd(mul(two, y), add(d0, d8), partY));
  const gz = mul(two, nmadd(mul(two, z), add(d0, d4), partZ));
  // The normalisation lets only the part across the quaternion through.
  const along = madd(gw, w, madd(gx, x, madd(gy, y, mul(gz, z))));
  const inverse = get(s, INVERSE_NORM);
  put(s, QUATS_GRADIENT, and(mul(nmadd(along, w, gw), inverse), seen));
  put(s, QUATS_GRADIENT + 16, and(mul(nmadd(along, x, gx), inverse), seen));
  put(s, QUATS_GRADIENT + 32, and(mul(nmadd(along, y, gy), inverse), seen));
  put(s, QUATS_GRADIENT + 48, and(mul(nmadd(along, z, gz), inverse), seen));
}

/** The part of the colours' gradient that goes through the direction: into mean and camera. */
export function directionBackward(s: usize): void {
  const seen = get(s, SEEN);
  directionToMean(s);
  const ex = and(get(s, DIRECTION_GRADIENT), seen);
  const ey = and(get(s, DIRECTION_GRADIENT + 16), seen);
  const ez = and(get(s, DIRECTION_GRADIENT + 32), seen);
  put(s, MEANS_GRADIENT, add(get(s, MEANS_GRADIENT), ex));
  put(s, MEANS_GRADIENT + 16, add(get(s, MEANS_GRADIENT + 16), ey));
  put(s, MEANS_GRADIENT + 32, add(get(s, MEANS_GRADIENT + 32), ez));
  // The centre is −Rᵀt and the direction is mean − centre, so both signs cancel.
  for (let row: usize = 0; row < 3; row++) {
    const t = get(s, T + (row << 4));
    const r = s + R + row * 48;
    addCamera(s, row * 3, mul(t, ex), seen);
    addCamera(s, row * 3 + 1, mul(t, ey), seen);
    addCamera(s, row * 3 + 2, mul(t, ez), seen);
    addCamera(s, 9 + row, madd(get(r, 0), ex, madd(get(r, 16), ey, mul(get(r, 32), ez))), seen);
  }
}
