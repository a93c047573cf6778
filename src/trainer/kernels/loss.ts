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
 * Reads reach up to 16 pixels beyond a row, that is into other rows or the regions beside; what they bring is masked.
 */
import * as ADDRESS from "./addresses.ts";
import { blurAcross, blurDown, PAD, PADDED, PLANE, RADIUS, ROW, STEP } from "./blur.ts";
import * as RULE from "./conventions.ts";
import { LOSS_HEIGHT, LOSS_WIDTH } from "./layout.ts";
import { at, scalar, scalarInt, scratch } from "./memory.ts";
import { add, div, madd, mul, nmadd, splat, storeLanes, sub, sum4 } from "./simd.ts";
import * as SCALAR from "../scalars.ts";

const C1: f32 = f32(RULE.SSIM_C1);
const C2: f32 = f32(RULE.SSIM_C2);
const SHIFT: f32 = 0.5;
const PER_BYTE: f32 = 1.0 / 255.0;

/** The thread's working room: padded rows; rows blurred along themselves; those blurred along columns. */
const ROWS_AT: usize = 5 * PADDED;
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
/** Bytes of the block's rows, as blurred: whole pairs of vectors. */
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
  rowBytes = usize((xEnd - x0 + 7) & ~7) << 2;
}

/** Four columns from `x` on. */
// @ts-ignore: decorator
@inline
function columnsFrom(x: i32): v128 {
  return i32x4.add(i32x4.splat(x), i32x4(0, 1, 2, 3));
}

/** All bits set in the lanes that lie on the image and count; `hides`: whether the four bytes at `mask` have a say. */
// @ts-ignore: decorator
@inline
function counting(columns: v128, width4: v128, hides: bool, mask: usize): v128 {
  const inside = i32x4.lt_u(columns, width4);
  if (!hides) return inside;
  const wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(mask)));
  return v128.andnot(inside, i32x4.eq(wide, i32x4.splat(0)));
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
      momentRow(made, rows + PAD);
      if (made >= y0 && made < yEnd) squared += f64(targetRow(made, rows + PAD));
      const across = rows + ROWS_AT + usize(made - y0 + RADIUS) * ROW;
      for (let moment: usize = 0; moment < 4; moment++) {
        blurAcross(rows + PAD + moment * PADDED, across + moment * PLANE, rowBytes);
      }
    }
    for (let moment: usize = 0; moment < 4; moment++) blurDown(window + moment * PLANE, down + moment * PLANE, rowBytes);
    const last = min(y + STEP, yEnd);
    for (let row = y; row < last; row++) ssim += f64(derivativesRow(row, down + usize(row - y) * ROW));
  }
  store<f64>(at(ADDRESS.lossSums) + (usize(item) << 4), squared);
  store<f64>(at(ADDRESS.lossSums) + (usize(item) << 4), ssim, 8);
}

/**
 * The shifted x, y, x² + y², xy of row `y`, from 8 pixels left of the block on, of zeros where nothing counts; `rows` is
 * the place of the block's first pixel.
 */
function momentRow(y: i32, rows: usize): void {
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
    return;
  }
  const back = splat(scalar(SCALAR.background + channel));
  const gain = splat(scalar(SCALAR.gain + channel));
  const bias = splat(scalar(SCALAR.bias + channel));
  const bits = channel << 3;
  const hides = masked;
  const width4 = i32x4.splat(width);
  let columns = columnsFrom(x0 - 8);
  const pixel = usize(y * width + x0 - 8);
  let mask = at(ADDRESS.frameMask) + pixel;
  let render = at(ADDRESS.image) + usize(channel + 1) * plane + (pixel << 2);
  let rgba = at(ADDRESS.frameRgba) + (pixel << 2);
  for (; p < end; p += 16, mask += 4, render += 16, rgba += 16) {
    const counts = counting(columns, width4, hides, mask);
    columns = i32x4.add(columns, i32x4.splat(4));
    const bytes = v128.load(rgba);
    const value = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, bits), i32x4.splat(255)));
    const alpha = mul(f32x4.convert_i32x4_s(i32x4.shr_u(bytes, 24)), splat(PER_BYTE));
    // Exact for alpha 0 and for 0 and 255: where a render equals its frame, L1 must not pull.
    const composed = madd(mul(value, splat(PER_BYTE)), alpha, nmadd(back, alpha, back));
    const wanted = v128.and(composed, counts);
    const a = sub(v128.and(madd(v128.load(render), gain, bias), counts), shift);
    const b = sub(wanted, shift);
    v128.store(p, a);
    v128.store(p, b, PADDED);
    v128.store(p, madd(a, a, mul(b, b)), 2 * PADDED);
    v128.store(p, mul(a, b), 3 * PADDED);
    v128.store(p, wanted, 4 * PADDED);
  }
}

/** The block's own part of a row into `target`, from the values that `momentRow` left; returns its squared error. */
function targetRow(y: i32, rows: usize): f32 {
  let out = at(ADDRESS.target) + usize(channel) * plane + (usize(y * width + x0) << 2);
  let squared = splat(0);
  const end = xEnd;
  for (let x = x0; x < end; x += 4, rows += 16, out += 16) {
    const wanted = v128.load(rows, 4 * PADDED);
    const rendered = add(v128.load(rows), splat(SHIFT));
    const error = sub(f32x4.pmin(splat(1), f32x4.pmax(splat(0), rendered)), wanted);
    squared = madd(error, error, squared);
    storeLanes(out, wanted, end - x);
  }
  return sum4(squared);
}

/** SSIM's derivatives of one row of the block from its blurred moments; returns the sum of SSIM. */
function derivativesRow(y: i32, moments: usize): f32 {
  let total = splat(0);
  const pixel = usize(y * width + x0);
  const hides = masked;
  const width4 = i32x4.splat(width);
  let columns = columnsFrom(x0);
  let mask = at(ADDRESS.frameMask) + pixel;
  let out = at(ADDRESS.ssimGradients) + usize(channel * 3) * plane + (pixel << 2);
  let out1 = out + plane;
  let out2 = out1 + plane;
  const end = xEnd;
  for (let x = x0; x < end; x += 4, moments += 16, mask += 4, out += 16, out1 += 16, out2 += 16) {
    const counts = counting(columns, width4, hides, mask);
    columns = i32x4.add(columns, i32x4.splat(4));
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
    const lanes = end - x;
    storeLanes(out, v128.and(dX, counts), lanes);
    storeLanes(out1, v128.and(dXX, counts), lanes);
    storeLanes(out2, v128.and(dXY, counts), lanes);
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
  const start = at(ADDRESS.ssimGradients) + usize(channel * 3) * plane + (usize(x0) << 2);
  // Elsewhere the rows as they lie in memory have their neighbours beside them.
  const edge = x0 == 0 || xEnd + RADIUS > width;
  let made = y0 - RADIUS;
  let window = rows + ROWS_AT;
  for (let y = y0; y < yEnd; y += STEP, window += usize(STEP) * ROW) {
    for (; made < y + STEP + RADIUS; made++) {
      const across = rows + ROWS_AT + usize(made - y0 + RADIUS) * ROW;
      for (let derivative: usize = 0; derivative < 3; derivative++) {
        let row = start + derivative * plane + (usize(made * width) << 2);
        if (edge || made < 0 || made >= height) row = copyRow(made, row, rows + PAD);
        blurAcross(row, across + derivative * PLANE, rowBytes);
      }
    }
    for (let derivative: usize = 0; derivative < 3; derivative++) {
      blurDown(window + derivative * PLANE, down + derivative * PLANE, rowBytes);
    }
    const last = min(y + STEP, yEnd);
    for (let row = y; row < last; row++) gradientRow(row, down + usize(row - y) * ROW);
  }
  store<f64>(at(ADDRESS.lossSums) + (usize(item) << 4), gainGradient);
  store<f64>(at(ADDRESS.lossSums) + (usize(item) << 4), biasGradient, 8);
}

/** A copy of row `y` of one of SSIM's derivatives, from 8 pixels left of the block on, zero outside the image. */
function copyRow(y: i32, source: usize, row: usize): usize {
  const end = row + rowBytes + PAD;
  let p = row - PAD;
  if (y < 0 || y >= height) {
    for (; p < end; p += 16) v128.store(p, splat(0));
    return row;
  }
  const width4 = i32x4.splat(width);
  let columns = columnsFrom(x0 - 8);
  for (source -= PAD; p < end; p += 16, source += 16) {
    v128.store(p, v128.and(v128.load(source), i32x4.lt_u(columns, width4)));
    columns = i32x4.add(columns, i32x4.splat(4));
  }
  return row;
}

/** The gradient of one row of the block from SSIM's blurred derivatives. */
function gradientRow(y: i32, blurred: usize): void {
  const l1 = splat(scalar(SCALAR.l1Weight));
  const weight = splat(-scalar(SCALAR.ssimWeight));
  const gain = splat(scalar(SCALAR.gain + channel));
  const bias = splat(scalar(SCALAR.bias + channel));
  let gains = splat(0);
  let biases = splat(0);
  const pixel = usize(y * width + x0);
  const hides = masked;
  const width4 = i32x4.splat(width);
  let columns = columnsFrom(x0);
  let mask = at(ADDRESS.frameMask) + pixel;
  let render = at(ADDRESS.image) + usize(channel + 1) * plane + (pixel << 2);
  let target = at(ADDRESS.target) + usize(channel) * plane + (pixel << 2);
  let out = at(ADDRESS.imageGradient) + usize(channel) * plane + (pixel << 2);
  const end = xEnd;
  for (let x = x0; x < end; x += 4, blurred += 16, mask += 4, render += 16, target += 16, out += 16) {
    const counts = counting(columns, width4, hides, mask);
    columns = i32x4.add(columns, i32x4.splat(4));
    const plain = v128.and(v128.load(render), counts);
    const a = madd(plain, gain, bias);
    const b = v128.load(target);
    const sign = sub(v128.and(l1, f32x4.gt(a, b)), v128.and(l1, f32x4.lt(a, b)));
    const shifted = sub(a, splat(SHIFT));
    const dXX = mul(add(shifted, shifted), v128.load(blurred, PLANE));
    const dXY = madd(sub(b, splat(SHIFT)), v128.load(blurred, 2 * PLANE), dXX);
    const gradient = v128.and(madd(weight, add(v128.load(blurred), dXY), sign), counts);
    storeLanes(out, mul(gain, gradient), end - x);
    gains = madd(gradient, plain, gains);
    biases = add(biases, gradient);
  }
  gainGradient += f64(sum4(gains));
  biasGradient += f64(sum4(biases));
}
