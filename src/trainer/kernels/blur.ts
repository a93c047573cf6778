/**
 * SSIM's window, σ = 1.5, over rows and over columns of a block of the loss. Both take `rowBytes` of each row, a whole
 * number of pairs of vectors.
 */
import * as RULE from "./conventions.ts";
import { LOSS_WIDTH } from "./layout.ts";
import { add, madd, mul } from "./simd.ts";

export const RADIUS: i32 = RULE.SSIM_RADIUS;
/** Weights of the window, σ = 1.5, from its end to its middle. */
const WINDOW = memory.data<f32>([0.00102838, 0.00759876, 0.03600077, 0.10936069, 0.21300554, 0.26601172]);

/** Bytes to the left of a padded row's first pixel, and of a padded row. */
export const PAD: usize = 32;
export const PADDED: usize = usize(LOSS_WIDTH * 4) + 2 * PAD;
/** Bytes of a row of one plane of the block, and of all (up to) four planes, which lie beside each other. */
export const PLANE: usize = LOSS_WIDTH * 4;
export const ROW: usize = 4 * PLANE;
/** Rows blurred along columns at a time. */
export const STEP = 4;

/** One row blurred along itself, two vectors at a time: they share most of what they read. */
export function blurAcross(source: usize, out: usize, rowBytes: usize): void {
  const g0 = v128.load32_splat(WINDOW);
  const g1 = v128.load32_splat(WINDOW, 4);
  const g2 = v128.load32_splat(WINDOW, 8);
  const g3 = v128.load32_splat(WINDOW, 12);
  const g4 = v128.load32_splat(WINDOW, 16);
  const g5 = v128.load32_splat(WINDOW, 20);
  const end = out + rowBytes;
  // From the window's first value on: offsets that are not negative cost nothing.
  source -= usize(RADIUS * 4);
  for (; out < end; out += 32, source += 32) {
    const s3 = v128.load(source, 12);
    const s4 = v128.load(source, 16);
    const s5 = v128.load(source, 20);
    const s6 = v128.load(source, 24);
    const s7 = v128.load(source, 28);
    const s8 = v128.load(source, 32);
    const s9 = v128.load(source, 36);
    const s10 = v128.load(source, 40);
    let a = madd(add(s4, s6), g4, mul(s5, g5));
    let b = madd(add(s8, s10), g4, mul(s9, g5));
    a = madd(add(s3, s7), g3, a);
    b = madd(add(s7, v128.load(source, 44)), g3, b);
    a = madd(add(v128.load(source, 8), s8), g2, a);
    b = madd(add(s6, v128.load(source, 48)), g2, b);
    a = madd(add(v128.load(source, 4), s9), g1, a);
    b = madd(add(s5, v128.load(source, 52)), g1, b);
    a = madd(add(v128.load(source), s10), g0, a);
    b = madd(add(s4, v128.load(source, 56)), g0, b);
    v128.store(out, a);
    v128.store(out, b, 16);
  }
}

/** Four rows of one plane from the fourteen rows of `source`; each row is read once for all four. */
export function blurDown(source: usize, out: usize, rowBytes: usize): void {
  const g0 = v128.load32_splat(WINDOW);
  const g1 = v128.load32_splat(WINDOW, 4);
  const g2 = v128.load32_splat(WINDOW, 8);
  const g3 = v128.load32_splat(WINDOW, 12);
  const g4 = v128.load32_splat(WINDOW, 16);
  const g5 = v128.load32_splat(WINDOW, 20);
  const end = out + rowBytes;
  for (; out < end; out += 16, source += 16) {
    const r4 = v128.load(source, 4 * ROW);
    const r5 = v128.load(source, 5 * ROW);
    const r6 = v128.load(source, 6 * ROW);
    const r7 = v128.load(source, 7 * ROW);
    const r8 = v128.load(source, 8 * ROW);
    const r9 = v128.load(source, 9 * ROW);
    let a = madd(add(r4, r6), g4, mul(r5, g5));
    let b = madd(add(r5, r7), g4, mul(r6, g5));
    let c = madd(add(r6, r8), g4, mul(r7, g5));
    let d = madd(add(r7, r9), g4, mul(r8, g5));
    const r3 = v128.load(source, 3 * ROW);
    const r10 = v128.load(source, 10 * ROW);
    a = madd(add(r3, r7), g3, a);
    b = madd(add(r4, r8), g3, b);
    c = madd(add(r5, r9), g3, c);
    d = madd(add(r6, r10), g3, d);
    const r2 = v128.load(source, 2 * ROW);
    const r11 = v128.load(source, 11 * ROW);
    a = madd(add(r2, r8), g2, a);
    b = madd(add(r3, r9), g2, b);
    c = madd(add(r4, r10), g2, c);
    d = madd(add(r5, r11), g2, d);
    const r1 = v128.load(source, ROW);
    const r12 = v128.load(source, 12 * ROW);
    a = madd(add(r1, r9), g1, a);
    b = madd(add(r2, r10), g1, b);
    c = madd(add(r3, r11), g1, c);
    d = madd(add(r4, r12), g1, d);
    a = madd(add(v128.load(source), r10), g0, a);
    b = madd(add(r1, r11), g0, b);
    c = madd(add(r2, r12), g0, c);
    d = madd(add(r3, v128.load(source, 13 * ROW)), g0, d);
    v128.store(out, a);
    v128.store(out, b, ROW);
    v128.store(out, c, 2 * ROW);
    v128.store(out, d, 3 * ROW);
  }
}
