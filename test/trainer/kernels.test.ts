/** Each SIMD kernel against the reference: the same inputs, the same outputs but for the last digits. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/trainer/engine.ts";
import type { Views } from "../../src/trainer/memory.ts";
import { randomStream } from "../../src/trainer/random.ts";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { addBlob, between, plainCamera, soloEngine, soloKernelEngine } from "./scenes.ts";

/** Widths that are no multiple of four or of the tile, and a picture smaller than a tile. */
const SIZES = [
  { width: 70, height: 45 },
  { width: 64, height: 48 },
  { width: 7, height: 5 },
  { width: 1, height: 1 },
];

/** The same cloud in a reference engine and in one with kernels. */
function twins(seed: number, count = 300): { reference: Engine; kernels: Engine } {
  const both = { reference: soloEngine(), kernels: soloKernelEngine() };
  for (const engine of Object.values(both)) {
    const random = randomStream(seed);
    for (let i = 0; i < count; i++) {
      addBlob(engine, {
        mean: [between(random, -1.5, 1.5), between(random, -1, 1), between(random, 0.5, 4)],
        logScale: [between(random, -5, -1), between(random, -5, -1), between(random, -5, -1)],
        quat: [
          between(random, -1, 1),
          between(random, -1, 1),
          between(random, -1, 1),
          between(random, -1, 1),
        ],
        opacity: between(random, -4, 4),
        color: [random(), random(), random()],
      });
    }
    for (let j = 0; j < count * 48; j++) if (j % 16 !== 0) engine.views.sh[j] = between(random, -0.2, 0.2);
  }
  return both;
}

/** Largest |a − b| in units of the largest |a|. */
function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let scale = 1e-30;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    scale = Math.max(scale, Math.abs(a[i]));
    largest = Math.max(largest, Math.abs(a[i] - b[i]));
    if (!Number.isFinite(b[i])) return Infinity;
  }
  return largest / scale;
}

function copyArrays(from: Views, to: Views, names: readonly (keyof Views)[]): void {
  for (const name of names) to[name].set(from[name]);
}

it("closes pixels on the way back where a splat closed them and blended nowhere near", () => {
  const logit = (p: number): number => Math.log(p / (1 - p));
  const wide = { logScale: 4, color: [1, 1, 1] };
  const colors = [soloEngine(), soloKernelEngine()].map((engine) => {
    // A transmittance of 1.156e-4 everywhere: one more splat and a pixel closes, unless the splat is faint.
    addBlob(engine, { ...wide, mean: [0, 0, 1], opacity: logit(0.98925) });
    addBlob(engine, { ...wide, mean: [0, 0, 1.1], opacity: logit(0.98925) });
    // In its middle row (pixel 5, 8) a dot closes three pixels of one vector and does not reach the fourth.
    addBlob(engine, { mean: [-0.1875, 0.0375, 1.2], logScale: -7, opacity: logit(0.9) });
    addBlob(engine, { ...wide, mean: [0, 0, 1.3], opacity: logit(0.05) });
    engine.render(plainCamera(16, 16, 16), [0, 0, 0]);
    engine.views.imageGradient.fill(1, 0, 3 * 256);
    engine.rasterizeBackward();
    return engine.views.pairGradients.slice(3 * 9 + 6, 3 * 9 + 9);
  });
  expect(relativeDifference(colors[0], colors[1])).toBeLessThan(1e-3);
});

describe.each(SIZES)("at $width×$height", ({ width, height }) => {
  const camera = plainCamera(width, height, 40);

  it("bins and renders as the reference does", () => {
    const { reference, kernels } = twins(1);
    reference.render(camera, [0.2, 0.4, 0.6]);
    kernels.render(camera, [0.2, 0.4, 0.6]);
    const pairs = reference.views.slotStart[reference.count];
    expect(kernels.views.slotStart[reference.count]).toBe(pairs);
    expect(kernels.views.pairSplat.subarray(0, pairs)).toEqual(reference.views.pairSplat.subarray(0, pairs));
    expect(kernels.views.pairSlot.subarray(0, pairs)).toEqual(reference.views.pairSlot.subarray(0, pairs));
    const image = 4 * width * height;
    const difference = relativeDifference(
      reference.views.image.subarray(0, image),
      kernels.views.image.subarray(0, image),
    );
    expect(difference).toBeLessThan(2e-5);
  });

  it("carries the image's gradient back to the splats as the reference does", () => {
    const { reference, kernels } = twins(2);
    const random = randomStream(3);
    for (const engine of [reference, kernels]) engine.render(camera, [0, 0, 0]);
    for (let i = 0; i < 3 * width * height; i++) reference.views.imageGradient[i] = between(random, -1, 1);
    copyArrays(reference.views, kernels.views, ["imageGradient", "splats", "image"]);
    reference.views.scalars[SCALAR.adamStep] = 1;
    const pairs = reference.views.slotStart[reference.count];
    const slots = (engine: Engine): Float32Array => {
      engine.rasterizeBackward();
      return engine.views.pairGradients.subarray(0, pairs * 9);
    };
    const expected = slots(reference);
    const got = slots(kernels);
    for (let part = 0; part < 9; part++) {
      const column = (values: Float32Array): Float32Array => values.filter((_, i) => i % 9 === part);
      expect(relativeDifference(column(expected), column(got))).toBeLessThan(2e-4);
    }
  });
});
