/**
 * Splats → image, tile by tile, and the way back: front-to-back alpha blending (Kerbl et al. 2023).
 *
 * Within a tile the loop runs over splats, near to far, and for each over just the pixels it covers: in row y the
 * condition q(x) ≤ qMax is a quadratic in x, so its ends are known and no pixel is looked at in vain.
 * alpha = min(0.999, opacity · exp(−q/2)), dropped below 1/255; a pixel is closed before its transmittance would
 * fall to 1e-4. Both directions walk front to back and form the same products, so they agree on every pixel.
 *
 * No atomics: the backward pass writes one gradient per (tile, splat) pair, `reduce` sums them per splat in a fixed
 * order. Results do not depend on how many workers share the tiles.
 */
import type { Gradients } from "./gradients.ts";
import { GRADIENT_STRIDE, SPLAT_STRIDE, TILE, type Views } from "./memory.ts";
import { ALPHA_MAX, ALPHA_MIN, TRANSMITTANCE_MIN } from "./kernels/conventions.ts";
import * as SCALAR from "./scalars.ts";

// State of the tile at hand, one number per pixel. A closed pixel's transmittance is stored negative.
const transmittance = new Float64Array(TILE * TILE);
const red = new Float64Array(TILE * TILE);
const green = new Float64Array(TILE * TILE);
const blue = new Float64Array(TILE * TILE);
const behind = new Float64Array(TILE * TILE);

// exp(−h) from a table in steps of 1/32 and a cubic for the rest: relative error below 1e-7, 4× faster than Math.exp.
const EXP_STEP = 1 / 32;
const expTable = new Float64Array(512);
for (let i = 0; i < expTable.length; i++) expTable[i] = Math.exp(-i * EXP_STEP);

/** Blend tile `tile` into `image`: transmittance, and colour with the background behind it. */
export function rasterizeTile(views: Views, tile: number): void {
  const { scalars, splats, pairSplat, tileStart } = views;
  const width = scalars[SCALAR.width];
  const height = scalars[SCALAR.height];
  const tilesX = scalars[SCALAR.tilesX];
  const x0 = (tile % tilesX) * TILE;
  const y0 = Math.floor(tile / tilesX) * TILE;
  const xEnd = Math.min(x0 + TILE, width) - 1;
  const yEnd = Math.min(y0 + TILE, height) - 1;
  transmittance.fill(1);
  red.fill(0);
  green.fill(0);
  blue.fill(0);
  let open = (xEnd - x0 + 1) * (yEnd - y0 + 1);
  const pairEnd = tileStart[tile + 1];
  for (let pair = tileStart[tile]; pair < pairEnd && open > 0; pair++) {
    const s = pairSplat[pair] * SPLAT_STRIDE;
    const mx = splats[s];
    const my = splats[s + 1];
    const a = splats[s + 2];
    const b = splats[s + 3];
    const c = splats[s + 4];
    const opacity = splats[s + 5];
    const r = splats[s + 6];
    const g = splats[s + 7];
    const bl = splats[s + 8];
    const qMax = splats[s + 9];
    const extentY = splats[s + 11];
    const inverseA = 1 / a;
    const rowFrom = Math.max(y0, Math.ceil(my - extentY - 0.5));
    const rowTo = Math.min(yEnd, Math.floor(my + extentY - 0.5));
    for (let y = rowFrom; y <= rowTo; y++) {
      const dy = y + 0.5 - my;
      const bdy = b * dy;
      const cdyy = c * dy * dy;
      const discriminant = bdy * bdy - a * (cdyy - qMax);
      if (discriminant <= 0) continue;
      const root = Math.sqrt(discriminant);
      const from = Math.max(x0, Math.ceil(mx - (bdy + root) * inverseA - 0.5));
      const to = Math.min(xEnd, Math.floor(mx - (bdy - root) * inverseA - 0.5));
      let k = (y - y0) * TILE + from - x0;
      for (let x = from; x <= to; x++, k++) {
        const dx = x + 0.5 - mx;
        const h = 0.5 * (dx * (a * dx + 2 * bdy) + cdyy);
        const i = (h * 32) | 0;
        const f = i * EXP_STEP - h;
        const falloff = expTable[i] * (1 + f * (1 + f * (0.5 + f * 0.16666666666666666)));
        const alpha = Math.min(ALPHA_MAX, opacity * falloff);
        if (alpha < ALPHA_MIN) continue;
        const before = transmittance[k];
        const after = before * (1 - alpha);
        if (after <= TRANSMITTANCE_MIN) {
          if (before > 0) {
            transmittance[k] = -before;
            open--;
          }
          continue;
        }
        const weight = before * alpha;
        red[k] += weight * r;
        green[k] += weight * g;
        blue[k] += weight * bl;
        transmittance[k] = after;
      }
    }
  }
  storeTile(views, x0, y0, xEnd, yEnd);
}

/** Write the tile's state into `image`, on the background. */
function storeTile({ scalars, image }: Views, x0: number, y0: number, xEnd: number, yEnd: number): void {
  const width = scalars[SCALAR.width];
  const pixels = width * scalars[SCALAR.height];
  const backRed = scalars[SCALAR.background];
  const backGreen = scalars[SCALAR.background + 1];
  const backBlue = scalars[SCALAR.background + 2];
  for (let y = y0; y <= yEnd; y++) {
    let k = (y - y0) * TILE;
    let p = y * width + x0;
    for (let x = x0; x <= xEnd; x++, k++, p++) {
      const left = Math.abs(transmittance[k]);
      image[p] = left;
      image[pixels + p] = red[k] + left * backRed;
      image[2 * pixels + p] = green[k] + left * backGreen;
      image[3 * pixels + p] = blue[k] + left * backBlue;
    }
  }
}

/**
 * Gradient of the loss in each splat of tile `tile`, from `imageGradient`, into the pairs' slots.
 * With u = dL/dcolour of a pixel, `behind` holds u · (light not yet blended): what lies at and behind a splat. So
 * dL/dalpha = T · (colour · u) − behind / (1 − alpha), with no second walk back to front.
 */
// oxlint-disable-next-line max-lines-per-function -- one loop nest; cutting it would pass a dozen sums around
export function rasterizeTileBackward(views: Views, tile: number): void {
  const { scalars, splats, pairSplat, pairSlot, pairGradients, tileStart, image, imageGradient } = views;
  const width = scalars[SCALAR.width];
  const height = scalars[SCALAR.height];
  const tilesX = scalars[SCALAR.tilesX];
  const x0 = (tile % tilesX) * TILE;
  const y0 = Math.floor(tile / tilesX) * TILE;
  const xEnd = Math.min(x0 + TILE, width) - 1;
  const yEnd = Math.min(y0 + TILE, height) - 1;
  const pixels = width * height;
  for (let y = y0; y <= yEnd; y++) {
    let k = (y - y0) * TILE;
    let p = y * width + x0;
    for (let x = x0; x <= xEnd; x++, k++, p++) {
      transmittance[k] = 1;
      red[k] = imageGradient[p];
      green[k] = imageGradient[pixels + p];
      blue[k] = imageGradient[2 * pixels + p];
      behind[k] =
        image[pixels + p] * red[k] + image[2 * pixels + p] * green[k] + image[3 * pixels + p] * blue[k];
    }
  }
  let open = (xEnd - x0 + 1) * (yEnd - y0 + 1);
  const pairEnd = tileStart[tile + 1];
  for (let pair = tileStart[tile]; pair < pairEnd; pair++) {
    const s = pairSplat[pair] * SPLAT_STRIDE;
    const mx = splats[s];
    const my = splats[s + 1];
    const a = splats[s + 2];
    const b = splats[s + 3];
    const c = splats[s + 4];
    const opacity = splats[s + 5];
    const r = splats[s + 6];
    const g = splats[s + 7];
    const bl = splats[s + 8];
    const qMax = splats[s + 9];
    const extentY = splats[s + 11];
    const inverseA = 1 / a;
    let dRed = 0;
    let dGreen = 0;
    let dBlue = 0;
    let dOpacity = 0;
    // Sums over pixels of dL/dq · (−2) times 1, dx, dy, dx², dx·dy, dy².
    let sx = 0;
    let sy = 0;
    let sxx = 0;
    let sxy = 0;
    let syy = 0;
    const rowFrom = Math.max(y0, Math.ceil(my - extentY - 0.5));
    const rowTo = open > 0 ? Math.min(yEnd, Math.floor(my + extentY - 0.5)) : -1;
    for (let y = rowFrom; y <= rowTo; y++) {
      const dy = y + 0.5 - my;
      const bdy = b * dy;
      const cdyy = c * dy * dy;
      const discriminant = bdy * bdy - a * (cdyy - qMax);
      if (discriminant <= 0) continue;
      const root = Math.sqrt(discriminant);
      const from = Math.max(x0, Math.ceil(mx - (bdy + root) * inverseA - 0.5));
      const to = Math.min(xEnd, Math.floor(mx - (bdy - root) * inverseA - 0.5));
      let row0 = 0;
      let row1 = 0;
      let row2 = 0;
      let k = (y - y0) * TILE + from - x0;
      for (let x = from; x <= to; x++, k++) {
        const dx = x + 0.5 - mx;
        const h = 0.5 * (dx * (a * dx + 2 * bdy) + cdyy);
        const i = (h * 32) | 0;
        const f = i * EXP_STEP - h;
        const falloff = expTable[i] * (1 + f * (1 + f * (0.5 + f * 0.16666666666666666)));
        const raw = opacity * falloff;
        const alpha = Math.min(ALPHA_MAX, raw);
        if (alpha < ALPHA_MIN) continue;
        const before = transmittance[k];
        const after = before * (1 - alpha);
        if (after <= TRANSMITTANCE_MIN) {
          if (before > 0) {
            transmittance[k] = -before;
            open--;
          }
          continue;
        }
        const weight = before * alpha;
        const light = r * red[k] + g * green[k] + bl * blue[k];
        const rest = behind[k] - weight * light;
        behind[k] = rest;
        transmittance[k] = after;
        dRed += weight * red[k];
        dGreen += weight * green[k];
        dBlue += weight * blue[k];
        if (raw > ALPHA_MAX) continue;
        const dAlpha = before * light - rest / (1 - alpha);
        const dq = dAlpha * raw;
        dOpacity += dAlpha * falloff;
        row0 += dq;
        row1 += dq * dx;
        row2 += dq * dx * dx;
      }
      sx += row1;
      sy += dy * row0;
      sxx += row2;
      sxy += dy * row1;
      syy += dy * dy * row0;
    }
    const o = pairSlot[pair] * GRADIENT_STRIDE;
    pairGradients[o] = a * sx + b * sy;
    pairGradients[o + 1] = b * sx + c * sy;
    pairGradients[o + 2] = -0.5 * sxx;
    pairGradients[o + 3] = -sxy;
    pairGradients[o + 4] = -0.5 * syy;
    pairGradients[o + 5] = dOpacity;
    pairGradients[o + 6] = dRed;
    pairGradients[o + 7] = dGreen;
    pairGradients[o + 8] = dBlue;
  }
}

/** Sum the pairs' gradients of splats [from, to) into `gradients.splats`, whose row 0 is splat `from`. */
export function reduceGradients(views: Views, gradients: Gradients, from: number, to: number): void {
  const { slotStart, pairGradients } = views;
  for (let i = from; i < to; i++) {
    const end = slotStart[i + 1] * GRADIENT_STRIDE;
    for (let part = 0; part < GRADIENT_STRIDE; part++) {
      let sum = 0;
      for (let q = slotStart[i] * GRADIENT_STRIDE + part; q < end; q += GRADIENT_STRIDE) {
        sum += pairGradients[q];
      }
      gradients.splats[(i - from) * GRADIENT_STRIDE + part] = sum;
    }
  }
}
