/** The loss on SIMD kernels against the reference: the same images, the same numbers but for the last digits. */
import { describe, expect, it } from "vitest";
import { Engine, type Comparison } from "../../src/trainer/engine.ts";
import { instantiateKernels } from "../../src/trainer/kernels.ts";
import { lossItems } from "../../src/trainer/loss.ts";
import { allocateMemory } from "../../src/trainer/memory.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { KERNELS } from "./kernels.ts";
import { between, plainCamera, soloEngine, soloKernelEngine } from "./scenes.ts";

/** Smaller than the window, than four pixels, than a block, and larger; widths that are no multiple of four. */
const SIZES = [
  { width: 1, height: 1 },
  { width: 7, height: 5 },
  { width: 10, height: 10 },
  { width: 70, height: 45 },
  { width: 64, height: 48 },
  { width: 130, height: 67 },
];

/** What a picture may look like: RGBA 0…255 and render 0…1 of one pixel and channel. */
interface Look {
  readonly name: string;
  /** Of the frame, 0…255, and how far off the render is, 0…1. */
  readonly value: (random: () => number, p: number, channel: number) => number;
  readonly error: (random: () => number) => number;
  readonly alpha: (random: () => number) => number;
  readonly hides: (random: () => number, p: number) => boolean;
}

const wave = (p: number, channel: number): number => 128 + 90 * Math.sin(p / 7 + channel);

const LOOKS: readonly Look[] = [
  {
    name: "a smooth picture",
    value: (random, p, channel) => wave(p, channel) + between(random, -20, 20),
    error: (random) => between(random, -0.2, 0.2),
    alpha: () => 255,
    hides: () => false,
  },
  {
    name: "a picture with alpha and hidden pixels",
    value: (random, p, channel) => wave(p, channel) + between(random, -20, 20),
    error: (random) => between(random, -0.2, 0.2),
    alpha: (random) => (random() < 0.5 ? 255 : between(random, 0, 255)),
    hides: (random, p) => p % 37 < 11 || random() < 0.2,
  },
  {
    name: "a bright wall, nearly matched",
    value: () => 250,
    // Not so near that the last digit decides which side of L1's kink a value is on.
    error: (random) => (random() < 0.5 ? -1 : 1) * between(random, 1e-5, 0.003),
    alpha: () => 255,
    hides: () => false,
  },
  {
    name: "noise, and a render beyond 0…1",
    value: (random) => between(random, 0, 255),
    error: (random) => between(random, -2, 2),
    alpha: () => 255,
    hides: () => false,
  },
  {
    name: "a picture that does not count at all",
    value: (random) => between(random, 0, 255),
    error: (random) => between(random, -1, 1),
    alpha: () => 255,
    hides: () => true,
  },
];

const BACKGROUND = [0.2, 0.9, 0.5];

interface Outcome {
  readonly compared: Comparison;
  readonly comparison: Comparison;
  readonly gradient: Float32Array;
  readonly target: Float32Array;
  readonly image: Float32Array;
}

function outcome(engine: Engine, width: number, height: number, look: Look): Outcome {
  const random = randomStream(width * 1000 + height);
  const pixels = width * height;
  const camera = plainCamera(width, height, 20);
  const places = Array.from({ length: pixels }, (_, p) => p);
  const rgba = Uint8Array.from({ length: pixels * 4 }, (_, i) =>
    i % 4 === 3 ? look.alpha(random) : look.value(random, i >> 2, i % 4),
  );
  const hides = places.map((p) => look.hides(random, p));
  const mask = hides.includes(true) ? Uint8Array.from(hides, (hidden) => (hidden ? 0 : 255)) : null;
  // What lies beyond the image must not matter.
  for (const name of ["image", "target", "ssimGradients"] as const) engine.views[name].fill(NaN);
  for (const name of ["frameRgba", "frameMask", "scratch"] as const) engine.views[name].fill(255);
  engine.render(camera, BACKGROUND);
  for (const p of places) {
    for (let channel = 0; channel < 3; channel++) {
      engine.views.image[(channel + 1) * pixels + p] = rgba[p * 4 + channel] / 255 + look.error(random);
    }
  }
  const picture = { camera, rgba, mask };
  const compared = engine.compare(picture);
  const comparison = engine.lossGradient(picture);
  const { imageGradient, target, image } = engine.views;
  return {
    compared,
    comparison,
    gradient: imageGradient.slice(0, 3 * pixels),
    target: target.slice(0, 3 * pixels),
    image: image.slice(pixels, 4 * pixels),
  };
}

describe.each(SIZES)("at $width×$height", ({ width, height }) => {
  it.each(LOOKS)("agrees over $name", (look) => {
    const expected = outcome(soloEngine(), width, height, look);
    const got = outcome(soloKernelEngine(), width, height, look);
    expect(got.image).toEqual(expected.image);
    expect(got.compared).toEqual(got.comparison);
    expect(got.comparison.psnr).toBeCloseTo(expected.comparison.psnr, 3);
    expect(got.comparison.ssim).toBeCloseTo(expected.comparison.ssim, 5);
    let [ofTarget, ofGradient] = [0, 0];
    for (let i = 0; i < expected.gradient.length; i++) {
      ofTarget = Math.max(ofTarget, Math.abs(got.target[i] - expected.target[i]));
      ofGradient = Math.max(ofGradient, Math.abs(got.gradient[i] - expected.gradient[i]));
      if (!Number.isFinite(got.gradient[i])) ofGradient = Infinity;
    }
    expect(ofTarget).toBeLessThan(1e-6);
    // In units of a value's share of the loss, 1 / values: L1 alone gives ±0.8.
    expect(ofGradient * expected.gradient.length).toBeLessThan(1e-3);
  });
});

it("gives the same, bit for bit, in whatever order blocks are done", () => {
  const capacity = { gaussians: 1, shCount: 1, pixels: 130 * 67, pairs: 1, threads: 1 };
  const memory = allocateMemory(capacity);
  const kernels = instantiateKernels(KERNELS, memory, 0);
  const engine = new Engine(memory, capacity, kernels);
  const { gradient } = outcome(engine, 130, 67, LOOKS[1]);
  const { views } = engine;
  const items = lossItems(views);
  const sums = views.lossSums.slice(0, 2 * items);
  for (const name of ["target", "ssimGradients", "imageGradient", "lossSums"] as const) views[name].fill(NaN);
  for (let item = items - 1; item >= 0; item--) kernels.ssimDerivatives(item);
  for (let item = items - 1; item >= 0; item--) kernels.imageGradients(item);
  expect(views.lossSums.slice(0, 2 * items)).toEqual(sums);
  expect(views.imageGradient.slice(0, gradient.length)).toEqual(gradient);
});
