/** The loss and its gradient in the image against a plain reading of the definitions. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/trainer/engine.ts";
import type { Exposure } from "../../src/trainer/exposure.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { between, plainCamera, soloEngine, soloKernelEngine } from "./scenes.ts";

/** More than a block both ways, and no multiple of four. */
const WIDTH = 71;
const HEIGHT = 67;
const PIXELS = WIDTH * HEIGHT;

const WINDOW = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / (2 * 1.5 ** 2)));
const WINDOW_SUM = WINDOW.reduce((sum, value) => sum + value, 0) ** 2;

/** SSIM at one pixel of one channel (Wang et al. 2004), zeros outside the image. */
function ssimAt(x: readonly number[], y: readonly number[], px: number, py: number): number {
  let [mx, my, xx, yy, xy] = [0, 0, 0, 0, 0];
  for (let row = Math.max(0, py - 5); row <= Math.min(HEIGHT - 1, py + 5); row++) {
    for (let column = Math.max(0, px - 5); column <= Math.min(WIDTH - 1, px + 5); column++) {
      const weight = (WINDOW[row - py + 5] * WINDOW[column - px + 5]) / WINDOW_SUM;
      const a = x[row * WIDTH + column];
      const b = y[row * WIDTH + column];
      mx += weight * a;
      my += weight * b;
      xx += weight * a * a;
      yy += weight * b * b;
      xy += weight * a * b;
    }
  }
  const c1 = 0.01 ** 2;
  const c2 = 0.03 ** 2;
  const structure = (2 * (xy - mx * my) + c2) / (xx - mx * mx + yy - my * my + c2);
  return ((2 * mx * my + c1) / (mx * mx + my * my + c1)) * structure;
}

interface Images {
  /** [3][H·W] */
  readonly render: readonly (readonly number[])[];
  readonly target: readonly (readonly number[])[];
  readonly counts: readonly boolean[];
}

/** 0.8 · L1 + 0.2 · (1 − SSIM), means over the values that count; hidden pixels are black on both sides. */
function measure({ render, target, counts }: Images): { loss: number; ssim: number; psnr: number } {
  const values = 3 * counts.filter(Boolean).length;
  let [l1, squared, ssim] = [0, 0, 0];
  for (let channel = 0; channel < 3; channel++) {
    const x = render[channel].map((value, p) => (counts[p] ? value : 0));
    const y = target[channel].map((value, p) => (counts[p] ? value : 0));
    for (let p = 0; p < PIXELS; p++) {
      if (!counts[p]) continue;
      l1 += Math.abs(x[p] - y[p]) / values;
      squared += (Math.min(1, Math.max(0, x[p])) - y[p]) ** 2 / values;
      ssim += ssimAt(x, y, p % WIDTH, Math.floor(p / WIDTH)) / values;
    }
  }
  return { loss: 0.8 * l1 + 0.2 * (1 - ssim), ssim, psnr: -10 * Math.log10(squared) };
}

/** What of the loss, times the values that count, depends on one value: its own L1 and the SSIM around it. */
function lossAround(
  x: readonly number[],
  y: readonly number[],
  counts: readonly boolean[],
  p: number,
): number {
  const [px, py] = [p % WIDTH, Math.floor(p / WIDTH)];
  let loss = counts[p] ? 0.8 * Math.abs(x[p] - y[p]) : 0;
  for (let row = Math.max(0, py - 5); row <= Math.min(HEIGHT - 1, py + 5); row++) {
    for (let column = Math.max(0, px - 5); column <= Math.min(WIDTH - 1, px + 5); column++) {
      if (counts[row * WIDTH + column]) loss -= 0.2 * ssimAt(x, y, column, row);
    }
  }
  return loss;
}

interface Case extends Images {
  readonly engine: Engine;
  readonly rgba: Uint8Array;
  readonly mask: Uint8Array | null;
}

const BACKGROUND = [0.2, 0.9, 0.5];
const camera = plainCamera(WIDTH, HEIGHT, 20);

/** A smooth picture with noise, a render off it by more than any difference step, and its alpha partly transparent. */
function makeCase(masked: boolean, engine = soloEngine()): Case {
  const random = randomStream(9);
  const rgba = new Uint8Array(PIXELS * 4);
  for (let p = 0; p < PIXELS; p++) {
    const wave = 128 + 90 * Math.sin(p / 7) * Math.cos(p / WIDTH / 3);
    for (let c = 0; c < 3; c++) rgba[p * 4 + c] = wave + between(random, -20, 20);
    rgba[p * 4 + 3] = p % 5 === 0 ? 100 : 255;
  }
  const mask = masked
    ? Uint8Array.from({ length: PIXELS }, (_, p) => (p % WIDTH < 8 || random() < 0.2 ? 0 : 255))
    : null;
  const target = [0, 1, 2].map((c) =>
    Array.from({ length: PIXELS }, (_, p) => {
      const alpha = rgba[p * 4 + 3] / 255;
      return (alpha * rgba[p * 4 + c]) / 255 + (1 - alpha) * BACKGROUND[c];
    }),
  );
  const render = target.map((channel) =>
    channel.map((value) => Math.fround(value + (random() < 0.5 ? -1 : 1) * between(random, 0.02, 0.2))),
  );
  engine.render(camera, BACKGROUND);
  render.forEach((channel, c) => engine.views.image.set(channel, (c + 1) * PIXELS));
  const counts = Array.from({ length: PIXELS }, (_, p) => mask === null || mask[p] > 0);
  return { engine, rgba, mask, target, render, counts };
}

describe.each([
  ["every pixel", false, soloEngine],
  ["the pixels that count", true, soloEngine],
  ["every pixel, on kernels,", false, soloKernelEngine],
  ["the pixels that count, on kernels,", true, soloKernelEngine],
])("loss over %s", (_, masked, makeEngine) => {
  it("gives PSNR and SSIM by their definitions", () => {
    const images = makeCase(masked, makeEngine());
    const { psnr, ssim } = images.engine.compare({ camera, rgba: images.rgba, mask: images.mask });
    const wanted = measure(images);
    expect(psnr).toBeCloseTo(wanted.psnr, 4);
    expect(ssim).toBeCloseTo(wanted.ssim, 5);
  });

  it("has the gradient that differences of the definition give", () => {
    const images = makeCase(masked, makeEngine());
    const { engine, counts } = images;
    engine.lossGradient({ camera, rgba: images.rgba, mask: images.mask });
    const values = 3 * counts.filter(Boolean).length;
    const step = 1e-5;
    for (let channel = 0; channel < 3; channel++) {
      const x = images.render[channel].map((value, p) => (counts[p] ? value : 0));
      const y = images.target[channel].map((value, p) => (counts[p] ? value : 0));
      const lossAt = (p: number, value: number): number =>
        lossAround(counts[p] ? x.with(p, value) : x, y, counts, p);
      for (let p = channel; p < PIXELS; p += 17) {
        const numeric = (lossAt(p, x[p] + step) - lossAt(p, x[p] - step)) / (2 * step);
        const gradient = engine.views.imageGradient[channel * PIXELS + p] * values;
        expect(Math.abs(gradient - numeric), `channel ${channel}, pixel ${p}`).toBeLessThan(1e-4);
      }
    }
  });
});

describe.each([
  ["every pixel", false],
  ["the pixels that count", true],
])("exposure over %s", (_, masked) => {
  const exposure = { gain: [1.2, 0.8, 0.95], bias: [-0.06, 0.04, 0.02] };

  function lossOf(images: Images, { gain, bias }: Exposure): number {
    const exposed = images.render.map((plane, c) => plane.map((value) => gain[c] * value + bias[c]));
    return measure({ ...images, render: exposed }).loss;
  }

  it("has the gradient in gain and bias that differences of the definition give", () => {
    const images = makeCase(masked);
    const { engine, rgba, mask } = images;
    const { psnr } = engine.lossGradient({ camera, rgba, mask }, exposure);
    const exposed = images.render.map((plane, c) =>
      plane.map((v) => exposure.gain[c] * v + exposure.bias[c]),
    );
    expect(psnr).toBeCloseTo(measure({ ...images, render: exposed }).psnr, 4);
    const gradient = engine.exposureGradient();
    const step = 1e-6;
    const numbers = [...exposure.gain, ...exposure.bias];
    for (let i = 0; i < 6; i++) {
      const lossAt = (value: number): number => {
        const moved = numbers.with(i, value);
        return lossOf(images, { gain: moved.slice(0, 3), bias: moved.slice(3) });
      };
      const numeric = (lossAt(numbers[i] + step) - lossAt(numbers[i] - step)) / (2 * step);
      expect(Math.abs(gradient[i] - numeric), `number ${i}`).toBeLessThan(2e-4 * Math.abs(numeric) + 2e-6);
    }
  });

  it("has the gradient in the plain render, and leaves that behind", () => {
    const images = makeCase(masked);
    const { engine, render, rgba, mask, counts } = images;
    engine.lossGradient({ camera, rgba, mask }, exposure);
    const step = 1e-5;
    for (let i = 0; i < 3 * PIXELS; i += 29) {
      const channel = Math.floor(i / PIXELS);
      const p = i % PIXELS;
      const lossAt = (value: number): number =>
        lossOf({ ...images, render: render.map((r, c) => (c === channel ? r.with(p, value) : r)) }, exposure);
      const value = render[channel][p];
      const numeric = (lossAt(value + step) - lossAt(value - step)) / (2 * step);
      expect(Math.abs(engine.views.imageGradient[i] - numeric), `value ${i}`).toBeLessThan(3e-7);
      if (counts[p]) expect(engine.views.image[PIXELS + i]).toBeCloseTo(value, 6);
    }
  });
});

it("calls a perfect render perfect, whatever is hidden", () => {
  const images = makeCase(true);
  images.target.forEach((channel, c) => images.engine.views.image.set(channel, (c + 1) * PIXELS));
  const { psnr, ssim } = images.engine.compare({ camera, rgba: images.rgba, mask: images.mask });
  expect(psnr).toBeGreaterThan(90);
  expect(ssim).toBeCloseTo(1, 6);
});

it("stays finite when nothing counts", () => {
  const { engine, rgba } = makeCase(false);
  const mask = new Uint8Array(PIXELS);
  const { psnr, ssim } = engine.lossGradient({ camera, rgba, mask });
  expect(Number.isFinite(psnr) && Number.isFinite(ssim)).toBe(true);
  expect(engine.views.imageGradient.subarray(0, 3 * PIXELS).every((value) => value === 0)).toBe(true);
});
