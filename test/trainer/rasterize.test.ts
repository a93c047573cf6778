/** The tile rasteriser against one loop over all splats for every pixel, and its conventions by hand. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/trainer/engine.ts";
import { GRADIENT_STRIDE, SPLAT_STRIDE } from "../../src/trainer/memory.ts";
import { allocateGradients } from "../../src/trainer/gradients.ts";
import { rasterizeTileBackward, reduceGradients } from "../../src/trainer/rasterize.ts";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { addBlob, between, largestDifference, plainCamera, soloEngine } from "./scenes.ts";

interface Splat {
  readonly mean: readonly [number, number];
  readonly conic: readonly [number, number, number];
  readonly opacity: number;
  readonly color: readonly number[];
}

/** Splats on the image, near to far, with their positions. */
function splatsOf({ views, count }: Engine): { i: number; splat: Splat }[] {
  return Array.from({ length: count }, (_, i) => i)
    .filter((i) => views.splats[i * SPLAT_STRIDE + 10] >= 0)
    .sort((a, b) => views.depths[a] - views.depths[b])
    .map((i) => {
      const s = views.splats.subarray(i * SPLAT_STRIDE, (i + 1) * SPLAT_STRIDE);
      return {
        i,
        splat: {
          mean: [s[0], s[1]],
          conic: [s[2], s[3], s[4]],
          opacity: s[5],
          color: [...s.subarray(6, 9)],
        },
      };
    });
}

interface Hit {
  readonly i: number;
  readonly splat: Splat;
  readonly dx: number;
  readonly dy: number;
  readonly falloff: number;
  readonly alpha: number;
  /** Transmittance in front. */
  readonly before: number;
}

/** What the pixel at (x, y) blends, near to far. */
function hitsAt(splats: readonly { i: number; splat: Splat }[], x: number, y: number): Hit[] {
  const hits: Hit[] = [];
  let before = 1;
  for (const { i, splat } of splats) {
    const dx = x + 0.5 - splat.mean[0];
    const dy = y + 0.5 - splat.mean[1];
    const [a, b, c] = splat.conic;
    const falloff = Math.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy));
    const alpha = Math.min(0.999, splat.opacity * falloff);
    if (alpha < 1 / 255) continue;
    if (before * (1 - alpha) <= 1e-4) break;
    hits.push({ i, splat, dx, dy, falloff, alpha, before });
    before *= 1 - alpha;
  }
  return hits;
}

const BACKGROUND = [0.1, 0.7, 0.4];
const WIDTH = 53;
const HEIGHT = 37;
const PIXELS = WIDTH * HEIGHT;
const camera = plainCamera(WIDTH, HEIGHT, 45);

function manySplats(): Engine {
  const engine = soloEngine();
  const random = randomStream(21);
  for (let i = 0; i < 240; i++) {
    const z = between(random, 0.5, 3);
    addBlob(engine, {
      mean: [between(random, -0.7, 0.7) * z, between(random, -0.5, 0.5) * z, z],
      // A few broad enough that alpha is capped on whole pixels.
      logScale: [0, 1, 2].map(() => (i % 24 === 0 ? 0 : between(random, -5, -2))),
      quat: [0, 1, 2, 3].map(() => between(random, -1, 1)),
      // Some so opaque that pixels close.
      opacity: i % 4 === 0 ? between(random, 6, 10) : between(random, -4, 3),
      color: [random(), random(), random()],
    });
  }
  engine.render(camera, BACKGROUND);
  return engine;
}

describe("many small splats on an image that is no multiple of a tile", () => {
  const engine = manySplats();
  const gradients = allocateGradients(engine.count, 16);
  const splats = splatsOf(engine);
  const hits = Array.from({ length: PIXELS }, (_, p) => hitsAt(splats, p % WIDTH, Math.floor(p / WIDTH)));

  it("blends what a loop over all splats blends", () => {
    const wanted = new Float64Array(4 * PIXELS);
    hits.forEach((pixel, p) => {
      const left = pixel.reduce((product, { alpha }) => product * (1 - alpha), 1);
      wanted[p] = left;
      for (let c = 0; c < 3; c++) {
        const own = pixel.reduce((sum, { before, alpha, splat }) => sum + before * alpha * splat.color[c], 0);
        wanted[(c + 1) * PIXELS + p] = own + left * BACKGROUND[c];
      }
    });
    expect(largestDifference(wanted, engine.views.image.subarray(0, 4 * PIXELS))).toBeLessThan(5e-7);
  });

  it("meets the cases it claims to: capped, closed, many deep", () => {
    expect(splats.length).toBeGreaterThan(180);
    expect(hits.flat().filter(({ alpha }) => alpha === 0.999).length).toBeGreaterThan(3);
    expect(Math.max(...hits.map((pixel) => pixel.length))).toBeGreaterThan(8);
    const closed = hits.filter((pixel) => {
      const last = pixel.at(-1);
      return last !== undefined && last.before * (1 - last.alpha) < 2e-3;
    });
    expect(closed.length).toBeGreaterThan(20);
  });

  it("has the gradient that walking back to front gives", () => {
    const random = randomStream(22);
    const upstream = Float32Array.from({ length: 3 * PIXELS }, () => between(random, -1, 1));
    const wanted = new Float64Array(engine.count * GRADIENT_STRIDE);
    // What rounding may add: the image, from which the walk front to back starts, is in single precision.
    const allowed = new Float64Array(engine.count * GRADIENT_STRIDE).fill(1e-7);
    hits.forEach((pixel, p) => {
      const v = [0, 1, 2].map((c) => upstream[c * PIXELS + p]);
      const left = pixel.reduce((product, { alpha }) => product * (1 - alpha), 1);
      // Colour blended behind the splat at hand, on its way to the eye.
      const behind = BACKGROUND.map((value) => value * left);
      for (const { i, splat, dx, dy, falloff, alpha, before } of pixel.toReversed()) {
        let dAlpha = 0;
        for (let c = 0; c < 3; c++) {
          dAlpha += v[c] * (before * splat.color[c] - behind[c] / (1 - alpha));
          behind[c] += before * alpha * splat.color[c];
          wanted[i * GRADIENT_STRIDE + 6 + c] += before * alpha * v[c];
          allowed[i * GRADIENT_STRIDE + 6 + c] += 1e-6 * Math.abs(before * alpha * v[c]);
        }
        if (splat.opacity * falloff > 0.999) continue;
        const [a, b, c] = splat.conic;
        const half = 0.5 * splat.opacity * falloff;
        const perAlpha = [
          half * (2 * a * dx + 2 * b * dy),
          half * (2 * b * dx + 2 * c * dy),
          -half * dx * dx,
          -half * 2 * dx * dy,
          -half * dy * dy,
          falloff,
        ];
        perAlpha.forEach((factor, k) => {
          wanted[i * GRADIENT_STRIDE + k] += factor * dAlpha;
          allowed[i * GRADIENT_STRIDE + k] +=
            Math.abs(factor) * (1e-6 * Math.abs(dAlpha) + 3e-7 / (1 - alpha));
        });
      }
    });
    engine.views.imageGradient.set(upstream);
    for (let tile = 0; tile < engine.views.scalars[SCALAR.tiles]; tile++) {
      rasterizeTileBackward(engine.views, tile);
    }
    reduceGradients(engine.views, gradients, 0, engine.count);
    for (const { i } of splats) {
      for (let k = i * GRADIENT_STRIDE; k < (i + 1) * GRADIENT_STRIDE; k++) {
        const difference = Math.abs(gradients.splats[k] - wanted[k]);
        expect(difference, `splat ${i}`).toBeLessThan(allowed[k]);
      }
    }
  });

  it("gives every splat that misses the image no gradient at all", () => {
    const seen = new Set(splats.map(({ i }) => i));
    const missed = Array.from({ length: engine.count }, (_, i) => i).filter((i) => !seen.has(i));
    expect(missed.length).toBeGreaterThan(5);
    for (const i of missed) {
      const gradient = gradients.splats.slice(i * GRADIENT_STRIDE, (i + 1) * GRADIENT_STRIDE);
      expect([...gradient]).toEqual(Array(GRADIENT_STRIDE).fill(0));
    }
  });
});

describe("conventions", () => {
  /** 33 × 33, f = 100, looking along z: a Gaussian at z = 1 on the axis has its mean at 16.5, pixel 16's centre. */
  const square = plainCamera(33, 33, 100);
  const logit = (p: number): number => Math.log(p / (1 - p));
  const TINY = -20;

  function pixel(engine: Engine, x: number, y: number): number[] {
    const p = y * 33 + x;
    return [0, 1, 2, 3].map((plane) => engine.views.image[plane * 33 * 33 + p]);
  }

  it("makes a splat as much fainter as the blur widens it, when antialiased", () => {
    const engine = soloEngine();
    engine.views.scalars[SCALAR.antialiased] = 1;
    // A round Gaussian of variance s px² has determinant s² before the blur and (s + 0.3)² after.
    for (const variance of [0.01, 0.3, 4]) {
      engine.count = 0;
      addBlob(engine, {
        mean: [0, 0, 1],
        logScale: Math.log(Math.sqrt(variance) / 100),
        opacity: logit(0.8),
      });
      engine.render(square, [0, 0, 0]);
      expect(1 - pixel(engine, 16, 16)[0]).toBeCloseTo((0.8 * variance) / (variance + 0.3), 6);
    }
    // A point would vanish: it keeps 0.005 of its opacity, which is less than is drawn.
    engine.count = 0;
    addBlob(engine, { mean: [0, 0, 1], logScale: TINY, opacity: logit(0.5) });
    engine.render(square, [0, 0, 0]);
    expect(pixel(engine, 16, 16)[0]).toBe(1);
  });

  it("puts pixel centres at +0.5 and adds 0.3 px² to the splat", () => {
    const engine = soloEngine();
    addBlob(engine, { mean: [0, 0, 1], logScale: TINY, opacity: logit(0.5), color: [1, 0.5, 0.25] });
    engine.render(square, [0, 0, 1]);
    const near = (found: number[], wanted: number[]): void =>
      found.forEach((value, i) => expect(value).toBeCloseTo(wanted[i], 6));
    near(pixel(engine, 16, 16), [0.5, 0.5, 0.25, 0.125 + 0.5]);
    // One pixel off, a point blurred by 0.3 px²: 0.5 · exp(−1 / 0.6).
    const alpha = 0.5 * Math.exp(-1 / 0.6);
    near(pixel(engine, 17, 16), [1 - alpha, alpha, alpha / 2, alpha / 4 + 1 - alpha]);
    near(pixel(engine, 16, 15), [1 - alpha, alpha, alpha / 2, alpha / 4 + 1 - alpha]);
    // Nothing there: the background alone.
    expect(pixel(engine, 2, 3)).toEqual([1, 0, 0, 1]);
  });

  it("turns scale and depth into pixels as focal length / depth", () => {
    const engine = soloEngine();
    const sigma = 0.04;
    addBlob(engine, { mean: [0, 0, 2], logScale: [Math.log(sigma), TINY, TINY], opacity: logit(0.8) });
    engine.render(square, [0, 0, 0]);
    const variance = ((100 * sigma) / 2) ** 2;
    expect(pixel(engine, 19, 16)[0]).toBeCloseTo(1 - 0.8 * Math.exp(-9 / 2 / (variance + 0.3)), 6);
    expect(pixel(engine, 16, 17)[0]).toBeCloseTo(1 - 0.8 * Math.exp(-1 / 2 / 0.3), 6);
  });

  it("turns with the quaternion w, x, y, z, of any length", () => {
    const engine = soloEngine();
    // 90° about z: the long axis x becomes y.
    addBlob(engine, {
      mean: [0, 0, 1],
      logScale: [Math.log(0.05), TINY, TINY],
      quat: [3, 0, 0, 3],
      opacity: 3,
    });
    engine.render(square, [0, 0, 0]);
    expect(pixel(engine, 16, 22)[0]).toBeLessThan(0.6);
    expect(pixel(engine, 22, 16)[0]).toBe(1);
  });

  it("caps alpha at 0.999 and closes a pixel before its transmittance would fall to 1e-4", () => {
    const engine = soloEngine();
    addBlob(engine, { mean: [0, 0, 1], opacity: 20, color: [1, 0, 0] });
    addBlob(engine, { mean: [0, 0, 1.1], opacity: 20, color: [0, 1, 0] });
    engine.render(square, [0, 0, 1]);
    const [left, red, green, blue] = pixel(engine, 16, 16);
    expect(left).toBeCloseTo(0.001, 8);
    expect([red, green, blue].map((value) => Number(value.toFixed(6)))).toEqual([0.999, 0, 0.001]);
  });

  it("goes on behind a splat that would have closed the pixel only if it were drawn", () => {
    // 0.98 three times leaves 0.02, 4e-4, then 8e-6: the third is not drawn, and nothing behind it is.
    const engine = soloEngine();
    [1, 1.1, 1.2, 1.3].forEach((z, rank) =>
      addBlob(engine, {
        mean: [0, 0, z],
        opacity: logit(rank === 3 ? 0.05 : 0.98),
        color: rank < 2 ? [1, 0, 0] : [0, 1, 0],
      }),
    );
    engine.render(square, [0, 0, 0]);
    const [left, red, green] = pixel(engine, 16, 16);
    expect(left).toBeCloseTo(4e-4, 8);
    expect(red).toBeCloseTo(1 - 4e-4, 6);
    expect(green).toBe(0);
  });

  it("does not draw alpha below 1/255", () => {
    const opacityAt = (offset: number): number => (1 / 255) * Math.exp(offset / 0.6);
    const drawn = soloEngine();
    addBlob(drawn, { mean: [0, 0, 1], logScale: TINY, opacity: logit(opacityAt(1) * 1.001) });
    drawn.render(square, [0, 0, 0]);
    expect(pixel(drawn, 17, 16)[0]).toBeCloseTo(1 - 1.001 / 255, 5);
    const cut = soloEngine();
    addBlob(cut, { mean: [0, 0, 1], logScale: TINY, opacity: logit(opacityAt(1) * 0.999) });
    cut.render(square, [0, 0, 0]);
    expect(pixel(cut, 16, 16)[0]).toBeLessThan(1);
    expect(pixel(cut, 17, 16)[0]).toBe(1);
    const nowhere = soloEngine();
    addBlob(nowhere, { mean: [0, 0, 1], opacity: logit(0.999 / 255) });
    nowhere.render(square, [0, 0, 0]);
    expect(nowhere.views.splats[10]).toBe(-1);
  });

  it("blends near to far, whatever the order of the Gaussians", () => {
    const engine = soloEngine();
    addBlob(engine, { mean: [0, 0, 2], opacity: logit(0.9), color: [0, 1, 0] });
    addBlob(engine, { mean: [0, 0, 1], opacity: logit(0.6), color: [1, 0, 0] });
    engine.render(square, [0, 0, 0]);
    const [left, red, green] = pixel(engine, 16, 16);
    expect(red).toBeCloseTo(0.6, 6);
    expect(green).toBeCloseTo(0.4 * 0.9, 6);
    expect(left).toBeCloseTo(0.04, 6);
  });

  it("draws nothing nearer than 1 cm or behind the camera", () => {
    const engine = soloEngine();
    addBlob(engine, { mean: [0, 0, 0.0099], logScale: -6, opacity: 3 });
    addBlob(engine, { mean: [0, 0, -1], opacity: 3 });
    engine.render(square, [0.5, 0.5, 0.5]);
    expect(engine.views.image.subarray(0, 33 * 33).every((value) => value === 1)).toBe(true);
  });
});
