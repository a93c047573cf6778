/**
 * SSIM, its derivatives and the loss's gradient, four pixels at a time: see ../loss.ts for what is computed.
 *
 * An item is a block of one channel. Its rows are made one by one, with what lies around them: values and products of
 * a row go into padded rows and are blurred along the row; as soon as fourteen such rows are there, four rows of the
 * block are blurred along columns, so that what is read is still in the nearest cache.
 *
 * Values are shifted by one half before they are squared. The window sums to 1, so variances and what follows from
 * them stay the same, but less is lost when two numbers of the same size are subtracted in single precision.
 *
 * Reads reach up to 24 pixels beyond a row, that is into other rows or the regions beside; what they bring is masked.
 */
import * as ADDRESS from "./addresses.ts";
import { LOSS_HEIGHT, LOSS_WIDTH } from "./layout.ts";
import { at, scalar, scalarInt, scratch } from "./memory.ts";
import { add, div, madd, mul, nmadd, splat, storeLanes, sub, sum4 } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

const C1: f32 = 1e-4;
const C2: f32 = 9e-4;
const SHIFT: f32 = 0.5;
const RADIUS = 5;
/** Weights of the window, σ = 1.5, from its end to its middle. */
const G0: f32 = 0.00102838;
const G1: f32 = 0.00759876;
const G2: f32 = 0.03600077;
const G3: f32 = 0.10936069;
const G4: f32 = 0.21300554;
const G5: f32 = 0.26601172;

/** Bytes to the left of a padded row's first pixel, and of a padded row. */
const PAD: usize = 32;
const PADDED: usize = usize(LOSS_WIDTH * 4) + 2 * PAD;
/** Bytes of a row of one plane of the block, and of all (up to) four planes, which lie beside each other. */
const PLANE: usize = LOSS_WIDTH * 4;
const ROW: usize = 4 * PLANE;
/** Rows blurred along columns at a time. */
const STEP = 4;
/** The thread's working room: padded rows; rows blurred along themselves; those blurred along columns. */
const ROWS_AT: usize = 4 * PADDED;
const BLURRED_AT: usize = ROWS_AT + usize(LOSS_HEIGHT + 2 * RADIUS) * ROW;

/** The block at hand. */
let width: i32 = 0;
let height: i32 = 0;
let channel: i32 = 0;
let x0: i32 = 0;
let y0: i32 = 0;
let xEnd: i32 = 0;
let yEnd: i32 = 0;
/** Bytes of one plane of the image. */
let plane: usize = 0;
/** Bytes of the block's rows, as blurred: whole groups of four vectors. */
let rowBytes: usize = 0;
let masked: bool = false;
let gainGradient: f64 = 0;
let biasGradient: f64 = 0;

function enter(item: i32): void {
  width = scalarInt(SCALAR.width);
  height = scalarInt(SCALAR.height);
  masked = scalarInt(SCALAR.masked) != 0;
  plane = usize(width * height) << 2;
  const columns = (width + LOSS_WIDTH - 1) / LOSS_WIDTH;
  const place = item / 3;
  channel = item % 3;
  x0 = (place % columns) * LOSS_WIDTH;
  y0 = (place / columns) * LOSS_HEIGHT;
  xEnd = min(x0 + LOSS_WIDTH, width);
  yEnd = min(y0 + LOSS_HEIGHT, height);
  rowBytes = usize((xEnd - x0 + 15) & ~15) << 2;
}

/** All bits set in the lanes of four pixels from column `x`, row pixel `p`, that lie on the image and count. */
// @ts-ignore: decorator
@inline
function counting(x: i32, p: usize): v128 {
  const inside = i32x4.lt_u(i32x4.add(i32x4.splat(x), i32x4(0, 1, 2, 3)), i32x4.splat(width));
  if (!masked) return inside;
  const mask = v128.load32_zero(at(ADDRESS.frameMask) + p);
  const wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(mask));
  return v128.andnot(inside, i32x4.eq(wide, i32x4.splat(0)));
}

/** One row blurred along itself. */
function blurAcross(source: usize, out: usize): void {
  const end = out + rowBytes;
  for (; out < end; out += 16, source += 16) {
    let sum = mul(v128.load(source), splat(G5));
    sum = madd(add(v128.load(source - 4), v128.load(source, 4)), splat(G4), sum);
    sum = madd(add(v128.load(source - 8), v128.load(source, 8)), splat(G3), sum);
    sum = madd(add(v128.load(source - 12), v128.load(source, 12)), splat(G2), sum);
    sum = madd(add(v128.load(source - 16), v128.load(source, 16)), splat(G1), sum);
    sum = madd(add(v128.load(source - 20), v128.load(source, 20)), splat(G0), sum);
    v128.store(out, sum);
  }
}

/** Four rows of one plane from the fourteen rows of `source`; each row read is used as often as it can be. */
function blurDown(source: usize, out: usize): void {
  const end = out + rowBytes;
  for (; out < end; out += 16, source += 16) {
    const r3 = v128.load(source, 3 * ROW);
    const r4 = v128.load(source, 4 * ROW);
    const r5 = v128.load(source, 5 * ROW);
    const r6 = v128.load(source, 6 * ROW);
    const r7 = v128.load(source, 7 * ROW);
    const r8 = v128.load(source, 8 * ROW);
    const r9 = v128.load(source, 9 * ROW);
    const r10 = v128.load(source, 10 * ROW);
    const r2 = v128.load(source, 2 * ROW);
    const r11 = v128.load(source, 11 * ROW);
    let a = mul(r5, splat(G5));
    let b = mul(r6, splat(G5));
    let c = mul(r7, splat(G5));
    let d = mul(r8, splat(G5));
    a = madd(add(r4, r6), splat(G4), a);
    b = madd(add(r5, r7), splat(G4), b);
    c = madd(add(r6, r8), splat(G4), c);
    d = madd(add(r7, r9), splat(G4), d);
    a = madd(add(r3, r7), splat(G3), a);
    b = madd(add(r4, r8), splat(G3), b);
    c = madd(add(r5, r9), splat(G3), c);
    d = madd(add(r6, r10), splat(G3), d);
    a = madd(add(r2, r8), splat(G2), a);
    b = madd(add(r3, r9), splat(G2), b);
    c = madd(add(r4, r10), splat(G2), c);
    d = madd(add(r5, r11), splat(G2), d);
    const r1 = v128.load(source, ROW);
    const r12 = v128.load(source, 12 * ROW);
    a = madd(add(r1, r9), splat(G1), a);
    b = madd(add(r2, r10), splat(G1), b);
    c = madd(add(r3, r11), splat(G1), c);
    d = madd(add(r4, r12), splat(G1), d);
    a = madd(add(v128.load(source), r10), splat(G0), a);
    b = madd(add(r1, r11), splat(G0), b);
    c = madd(add(r2, r12), splat(G0), c);
    d = madd(add(r3, v128.load(source, 13 * ROW)), splat(G0), d);
    v128.store(out, a);
    v128.store(out, b, ROW);
    v128.store(out, c, 2 * ROW);
    v128.store(out, d, 3 * ROW);
  }
}

/**
 * Pass 1: the block's part of `target`, and of `ssimGradients` SSIM's derivatives in the blurred x, x² + y² and xy
 * (of shifted values). Also the block's squared error and its sum of SSIM.
 */
export function ssimDerivatives(item: i32): void {
  enter(item);
  const rows = scratch();
  const down = rows + BLURRED_AT;
  let squared: f64 = 0;
  let ssim: f64 = 0;
  let made = y0 - RADIUS;
  let window = rows + ROWS_AT;
  for (let y = y0; y < yEnd; y += STEP, window += usize(STEP) * ROW) {
    for (; made < y + STEP + RADIUS; made++) {
      squared += f64(momentRow(made, rows + PAD));
      const across = rows + ROWS_AT + usize(made - y0 + RADIUS) * ROW;
      for (let moment: usize = 0; moment < 4; moment++) {
        blurAcross(rows + PAD + moment * PADDED, across + moment * PLANE);
      }
    }
    for (let moment: usize = 0; moment < 4; moment++) blurDown(window + moment * PLANE, down + moment * PLANE);
    const last = min(y + STEP, yEnd);
    for (let row = y; row < last; row++) ssim += f64(derivativesRow(row, down + usize(row - y) * ROW));
  }
  store<f64>(at(ADDRESS.lossSums) + (usize(item) << 4), squared);
  store<f64>(at(ADDRESS.lossSums) + (usize(item) << 4), ssim, 8);
}

/**
 * The shifted x, y, x² + y², xy of row `y`, from 8 pixels left of the block on, zero where nothing counts; `rows` is the
 * place of the block's first pixel. For rows and pixels of the block also `target`; returns their squared error.
 */
function momentRow(y: i32, rows: usize): f32 {
  const shift = splat(SHIFT);
  let p = rows - PAD;
  const end = rows + rowBytes + PAD;
  if (y < 0 || y >= height) {
    for (; p < end; p += 16) {
      v128.store(p, splat(-SHIFT));
      v128.store(p, splat(-SHIFT), PADDED);
      v128.store(p, splat(2 * SHIFT * SHIFT), 2 * PADDED);
      v128.store(p, splat(SHIFT * SHIFT), 3 * PADDED);
    }
    return 0;
  }
  const back = splat(scalar(SCALAR.background + channel));
  const gain = splat(scalar(SCALAR.gain + channel));
  const bias = splat(scalar(SCALAR.bias + channel));
  const bits = channel << 3;
  const own = y >= y0 && y < yEnd;
  const ownEnd = rows + (usize(xEnd - x0) << 2);
  let x = x0 - 8;
  let pixel = usize(y * width + x);
  let render = at(ADDRESS.image) + usize(channel + 1) * plane + (pixel << 2);
  let rgba = at(ADDRESS.frameRgba) + (pixel << 2);
  let out = at(ADDRESS.target) + usize(channel) * plane + (pixel << 2);
  let squared = splat(0);
  for (; p < end; p += 16, x += 4, pixel += 4, render += 16, rgba += 16, out += 16) {
    const counts = counting(x, pixel);
    const bytes = v128.load(rgba);
    const value = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, bits), i32x4.splat(255)));
    const alpha = mul(f32x4.convert_i32x4_s(i32x4.shr_u(bytes, 24)), splat(1.0 / 255.0));
    // Exact where alpha is 255, so that a render can equal the frame: L1's gradient is 0 there.
    const color = mul(div(value, splat(255)), alpha);
    const wanted = v128.and(madd(back, sub(splat(1), alpha), color), counts);
    const rendered = v128.and(madd(v128.load(render), gain, bias), counts);
    if (own && p >= rows && p < ownEnd) {
      storeLanes(out, wanted, min(4, xEnd - x));
      const error = sub(f32x4.pmin(splat(1), f32x4.pmax(splat(0), rendered)), wanted);
      squared = madd(error, error, squared);
    }
    const a = sub(rendered, shift);
    const b = sub(wanted, shift);
    v128.store(p, a);
    v128.store(p, b, PADDED);
    v128.store(p, madd(a, a, mul(b, b)), 2 * PADDED);
    v128.store(p, mul(a, b), 3 * PADDED);
  }
  return sum4(squared);
}

/** SSIM's derivatives of one row of the block from its blurred moments; returns the sum of SSIM. */
function derivativesRow(y: i32, moments: usize): f32 {
  let total = splat(0);
  let pixel = usize(y * width + x0);
  let out = at(ADDRESS.ssimGradients) + usize(channel * 3) * plane + (pixel << 2);
  for (let x = x0; x < xEnd; x += 4, moments += 16, pixel += 4, out += 16) {
    const counts = counting(x, pixel);
    // mx, my are shifted; x, y are not.
    const mx = v128.load(moments);
    const my = v128.load(moments, PLANE);
    const meanX = add(mx, splat(SHIFT));
    const meanY = add(my, splat(SHIFT));
    const squares = sub(v128.load(moments, 2 * PLANE), madd(mx, mx, mul(my, my)));
    const variances = add(squares, splat(C2));
    const means = add(madd(meanX, meanX, mul(meanY, meanY)), splat(C1));
    const product = mul(meanX, meanY);
    const a = add(add(product, product), splat(C1));
    const covariance = nmadd(mx, my, v128.load(moments, 3 * PLANE));
    const b = add(add(covariance, covariance), splat(C2));
    const inverse = div(splat(1), mul(means, variances));
    const aInverse = mul(a, inverse);
    const ssim = mul(aInverse, b);
    const dXY = add(aInverse, aInverse);
    const dXX = f32x4.neg(mul(mul(ssim, means), inverse));
    // Half of the derivative in the mean, for its terms with a factor of 2.
    const half = sub(
      mul(mul(meanY, b), inverse),
      madd(mul(mul(meanX, ssim), variances), inverse, mul(mx, dXX)),
    );
    const dX = nmadd(my, dXY, add(half, half));
    total = add(total, v128.and(ssim, counts));
    const lanes = min(4, xEnd - x);
    storeLanes(out, v128.and(dX, counts), lanes);
    storeLanes(out + plane, v128.and(dXX, counts), lanes);
    storeLanes(out + 2 * plane, v128.and(dXY, counts), lanes);
  }
  return sum4(total);
}

/** Pass 2: dL/dx of each pixel of the block, and the block's share of the gradient in gain and in bias. */
export function imageGradients(item: i32): void {
  enter(item);
  gainGradient = 0;
  biasGradient = 0;
  const rows = scratch();
  const down = rows + BLURRED_AT;
  let made = y0 - RADIUS;
  let window = rows + ROWS_AT;
  for (let y = y0; y < yEnd; y += STEP, window += usize(STEP) * ROW) {
    for (; made < y + STEP + RADIUS; made++) {
      const across = rows + ROWS_AT + usize(made - y0 + RADIUS) * ROW;
      for (let derivative: usize = 0; derivative < 3; derivative++) {
        copyRow(made, derivative, rows + PAD);
        blurAcross(rows + PAD, across + derivative * PLANE);
      }
    }
    for (let derivative: usize = 0; derivative < 3; derivative++) {
      blurDown(window + derivative * PLANE, down + derivative * PLANE);
    }
    const last = min(y + STEP, yEnd);
    for (let row = y; row < last; row++) gradientRow(row, down + usize(row - y) * ROW);
  }
  store<f64>(at(ADDRESS.lossSums) + (usize(item) << 4), gainGradient);
  store<f64>(at(ADDRESS.lossSums) + (usize(item) << 4), biasGradient, 8);
}

/** Row `y` of one of SSIM's derivatives, from 8 pixels left of the block on, zero outside the image. */
function copyRow(y: i32, derivative: usize, row: usize): void {
  const end = row + rowBytes + PAD;
  let p = row - PAD;
  if (y < 0 || y >= height) {
    for (; p < end; p += 16) v128.store(p, splat(0));
    return;
  }
  const columns = i32x4.splat(width);
  let x = i32x4.add(i32x4.splat(x0 - 8), i32x4(0, 1, 2, 3));
  const start = usize(y * width + x0 - 8) << 2;
  let source = at(ADDRESS.ssimGradients) + (usize(channel * 3) + derivative) * plane + start;
  for (; p < end; p += 16, source += 16) {
    v128.store(p, v128.and(v128.load(source), i32x4.lt_u(x, columns)));
    x = i32x4.add(x, i32x4.splat(4));
  }
}

/** The gradient of one row of the block from SSIM's blurred derivatives. */
function gradientRow(y: i32, blurred: usize): void {
  const l1 = splat(scalar(SCALAR.l1Weight));
  const weight = splat(-scalar(SCALAR.ssimWeight));
  const gain = splat(scalar(SCALAR.gain + channel));
  const bias = splat(scalar(SCALAR.bias + channel));
  let gains = splat(0);
  let biases = splat(0);
  let pixel = usize(y * width + x0);
  let render = at(ADDRESS.image) + usize(channel + 1) * plane + (pixel << 2);
  let target = at(ADDRESS.target) + usize(channel) * plane + (pixel << 2);
  let out = at(ADDRESS.imageGradient) + usize(channel) * plane + (pixel << 2);
  for (let x = x0; x < xEnd; x += 4, blurred += 16, pixel += 4, render += 16, target += 16, out += 16) {
    const counts = counting(x, pixel);
    const plain = v128.and(v128.load(render), counts);
    const a = madd(plain, gain, bias);
    const b = v128.load(target);
    const sign = sub(v128.and(l1, f32x4.gt(a, b)), v128.and(l1, f32x4.lt(a, b)));
    const shifted = sub(a, splat(SHIFT));
    const dXX = mul(add(shifted, shifted), v128.load(blurred, PLANE));
    const dXY = madd(sub(b, splat(SHIFT)), v128.load(blurred, 2 * PLANE), dXX);
    const gradient = v128.and(madd(weight, add(v128.load(blurred), dXY), sign), counts);
    storeLanes(out, mul(gain, gradient), min(4, xEnd - x));
    gains = madd(gradient, plain, gains);
    biases = add(biases, gradient);
  }
  gainGradient += f64(sum4(gains));
  biasGradient += f64(sum4(biases));
}
