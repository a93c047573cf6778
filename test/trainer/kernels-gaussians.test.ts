/** The per-Gaussian SIMD kernels against the reference: projection, and the update with everything in it. */
import { describe, expect, it } from "vitest";
import { compileKernels } from "../../src/backend/kernels-file.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { instantiateKernels, kernelBuild, type Kernels } from "../../src/trainer/kernels.ts";
import {
  allocateMemory,
  CAMERA_GRADIENT,
  CHUNK,
  SPLAT_STRIDE,
  type Views,
} from "../../src/trainer/memory.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { referenceKernels } from "../../src/trainer/reference.ts";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { applySchedule } from "../../src/trainer/schedule.ts";
import { parameterGroups } from "../../src/trainer/strategy.ts";
import { between, lookAt } from "./scenes.ts";

const camera = {
  ...lookAt([1, 0.5, 0.8], [0.1, 0, 0.05], { width: 90, height: 60, f: 80 }),
  fy: 77,
  cx: 43,
  cy: 33,
};
/** Where this machine can run it, the build with fused multiply-add is compared as well. */
const BUILDS = kernelBuild() === "relaxed" ? (["plain", "relaxed"] as const) : (["plain"] as const);
const modules = new Map(
  await Promise.all(BUILDS.map(async (build) => [build, await compileKernels(build)] as const)),
);

/** An engine on the reference, and the kernels of `build` over the same kind of memory. */
interface Twins {
  readonly reference: Engine;
  readonly kernels: Kernels;
  readonly views: Views;
  /** Gaussians of ordinary numbers, whose results must agree to the last digits. */
  readonly ordinary: ReadonlySet<number>;
}

/** `count` Gaussians: most in front of the camera, some behind it, transparent, huge, needles, or not numbers. */
function twins(build: (typeof BUILDS)[number], count: number, shCount: number, seed: number): Twins {
  const capacity = { gaussians: count, shCount, pixels: 5400, pairs: 1 << 15, threads: 1 };
  const reference = new Engine(allocateMemory(capacity), capacity, null);
  const random = randomStream(seed);
  const ordinary = new Set<number>();
  const { views } = reference;
  for (let i = 0; i < count; i++) {
    const kind = Math.floor(between(random, 0, 22));
    if (kind > 10 || [0, 3, 5].includes(kind)) ordinary.add(i);
    const mean = [0, 1, 2].map(() => between(random, -0.6, 0.6) * (kind === 0 ? 4 : 1));
    const logScale = [0, 1, 2].map(() => between(random, -5, -2));
    if (kind === 1) logScale[0] = between(random, 0, 30);
    if (kind === 2) logScale.fill(-14, 1);
    if (kind === 3) logScale.fill(-40);
    views.means.set(mean, i * 3);
    views.logScales.set(logScale, i * 3);
    views.quats.set(
      [0, 1, 2, 3].map(() => between(random, -1, 1) * (kind === 4 ? 1e-25 : 1)),
      i * 4,
    );
    views.opacities[i] = kind === 5 ? between(random, -8, -5) : between(random, -3, 6);
    for (let j = 0; j < 3 * shCount; j++) {
      views.sh[i * 3 * shCount + j] =
        j % shCount === 0 ? between(random, -1.5, 2) : between(random, -0.4, 0.4);
    }
    if (kind === 6) views.means[i * 3 + 1] = [NaN, Infinity, 1e30][i % 3];
    if (kind === 7) views.logScales[i * 3] = [NaN, Infinity, 80][i % 3];
    if (kind === 8)
      views.quats.set(
        [
          [NaN, 0, 0, 1],
          [0, 0, 0, 0],
          [1e25, -1e25, 0, 1e25],
        ][i % 3],
        i * 4,
      );
    if (kind === 9) views.opacities[i] = [NaN, Infinity, -Infinity][i % 3];
    if (kind === 10) views.sh[i * 3 * shCount + (i % (3 * shCount))] = [NaN, Infinity, -1e30][i % 3];
  }
  reference.count = count;
  const memory = allocateMemory(capacity);
  const own = new Engine(memory, capacity, null);
  for (const [name, array] of Object.entries(views)) {
    if (!["control", "addresses", "constants"].includes(name)) own.views[name as keyof Views].set(array);
  }
  return {
    reference,
    kernels: instantiateKernels(modules.get(build)!, memory, 0),
    views: own.views,
    ordinary,
  };
}

function forChunks(count: number, run: (from: number, to: number) => void): void {
  for (let from = 0; from < count; from += CHUNK) run(from, Math.min(count, from + CHUNK));
}

const isSeen = ({ splats }: Views, i: number): boolean => splats[i * SPLAT_STRIDE + 10] >= 0;

/** Kernels for every build, numbers of coefficients stored, degree used; counts that leave tails of all lengths. */
const CASES = BUILDS.flatMap((build) =>
  [
    [1, 0, 1],
    [4, 1, 255],
    [9, 2, 258],
    [16, 3, 515],
    [16, 0, 300],
    [16, 1, 301],
    [16, 2, 302],
    [9, 0, 7],
    [9, 1, 256],
    [1, 0, 519],
  ].map(([shCount, degree, count]) => ({ build, shCount, degree, count })),
);

describe.each(CASES)("$build: $count Gaussians of $shCount coefficients at degree $degree", (test) => {
  const { build, shCount, degree, count } = test;

  it.each([0, 1])("are projected as by the reference, antialiased %i", (antialiased) => {
    const { reference, kernels, views, ordinary } = twins(build, count, shCount, 3);
    reference.views.scalars[SCALAR.shDegree] = degree;
    reference.views.scalars[SCALAR.antialiased] = antialiased;
    reference.render(camera, [0, 0, 0]);
    views.scalars.set(reference.views.scalars);
    forChunks(count, kernels.project);
    expectSameSplats(reference.views, views, count, ordinary);
  });

  it.each([
    { sparse: 0, antialiased: 0, noise: 0.7 },
    { sparse: 1, antialiased: 1, noise: 0 },
  ])("are updated as by the reference: $sparse $antialiased $noise", ({ sparse, antialiased, noise }) => {
    const { reference, kernels, views, ordinary } = twins(build, count, shCount, 4);
    const { scalars } = reference.views;
    applySchedule(scalars, { step: 11, finished: 0.2, before: 0, size: 1.5, gaussians: count });
    scalars[SCALAR.shDegree] = degree;
    scalars[SCALAR.sparseAdam] = sparse;
    scalars[SCALAR.antialiased] = antialiased;
    scalars[SCALAR.noise] = noise;
    scalars[SCALAR.seed] = 4_000_000_123;
    reference.render(camera, [0, 0, 0]);
    fillGradients(reference.views, count, ordinary);
    for (const name of ["scalars", "splats", "slotStart", "pairGradients"] as const) {
      views[name].set(reference.views[name]);
    }
    for (const suffix of ["Moment1", "Moment2"] as const) {
      for (const [name] of parameterGroups(views))
        views[`${name}${suffix}`].set(reference.views[`${name}${suffix}`]);
    }
    const before = snapshot(reference.views);
    forChunks(count, referenceKernels(reference.views).updateGaussians);
    forChunks(count, kernels.updateGaussians);
    expectSameUpdate(before, reference.views, views, ordinary);
    const chunks = Math.ceil(count / CHUNK) * CAMERA_GRADIENT;
    const expected = reference.views.cameraGradients.subarray(0, chunks);
    const scale = Math.max(1e-30, ...expected.map(Math.abs));
    for (let k = 0; k < chunks; k++) {
      expect(Math.abs(views.cameraGradients[k] - expected[k]) / scale, `camera ${k}`).toBeLessThan(3e-5);
    }
  });
});

function expectSameSplats(expected: Views, got: Views, count: number, ordinary: ReadonlySet<number>): void {
  let flips = 0;
  let shown = 0;
  for (let i = 0; i < count; i++) {
    if (isSeen(expected, i) !== isSeen(got, i)) {
      if (ordinary.has(i)) flips++;
      continue;
    }
    if (!isSeen(expected, i)) {
      expect(got.depths[i]).toBe(0);
      continue;
    }
    shown++;
    const [a, b] = [expected, got].map(({ splats }) =>
      splats.subarray(i * SPLAT_STRIDE, (i + 1) * SPLAT_STRIDE),
    );
    const size = a[10] + a[11];
    // Of the size of what each is compared with on the image: pixels, the splat's own shape, one.
    const scales = [90 + size, 90 + size, a[2], Math.sqrt(a[2] * a[4]), a[4], 1, 1, 1, 1, 11, size, size];
    const differences = Array.from(a, (value, k) => Math.abs(value - b[k]) / scales[k]);
    expect(Math.max(...differences), `splat ${i}: ${[...a].join(" ")} | ${[...b].join(" ")}`).toBeLessThan(
      ordinary.has(i) ? 1e-5 : 1e-3,
    );
    expect(b[2] * b[4]).toBeGreaterThan(b[3] ** 2);
    expect(Math.abs(got.depths[i] - expected.depths[i])).toBeLessThan(2e-6 * (1 + expected.depths[i]));
  }
  expect(flips).toBeLessThanOrEqual(count / 250);
  if (count > 100) expect(shown).toBeGreaterThan(count / 3);
}

/**
 * Random gradients of the ordinary Gaussians' pairs, and moments as of a few steps before. The others get none: what a
 * needle does to the camera hangs on the last digits of its conic.
 */
function fillGradients(views: Views, count: number, ordinary: ReadonlySet<number>): void {
  const random = randomStream(9);
  views.pairGradients.fill(0);
  for (const i of ordinary) {
    for (let k = views.slotStart[i] * 9; k < views.slotStart[i + 1] * 9; k++) {
      views.pairGradients[k] = between(random, -1e-3, 1e-3);
    }
  }
  for (const [name, width] of parameterGroups(views)) {
    for (let k = 0; k < count * width; k++) {
      views[`${name}Moment1`][k] = between(random, -1e-3, 1e-3);
      views[`${name}Moment2`][k] = between(random, 1e-8, 1e-6);
    }
  }
}

type Snapshot = Record<string, Float32Array>;

function snapshot(views: Views): Snapshot {
  return Object.fromEntries(parameterGroups(views).map(([name]) => [name, views[name].slice()]));
}

/** Parameters by how far they moved, moments by their own size; broken Gaussians need only stay broken. */
function expectSameUpdate(
  before: Snapshot,
  expected: Views,
  got: Views,
  ordinary: ReadonlySet<number>,
): void {
  for (const [name, width] of parameterGroups(expected)) {
    const rows = [...ordinary].flatMap((i) => Array.from({ length: width }, (_, k) => i * width + k));
    const step = Math.max(1e-12, ...rows.map((k) => Math.abs(expected[name][k] - before[name][k])));
    for (const i of ordinary) {
      for (let k = i * width; k < (i + 1) * width; k++) {
        const label = `${name}[${k}] of ${i}: ${before[name][k]} → ${expected[name][k]}, ${got[name][k]}`;
        const rounding = 3e-7 * Math.abs(before[name][k]);
        expect(Math.abs(got[name][k] - expected[name][k]), label).toBeLessThanOrEqual(3e-4 * step + rounding);
      }
    }
    for (const moment of ["Moment1", "Moment2"] as const) {
      const values = expected[`${name}${moment}`];
      for (const i of ordinary) {
        const own = Math.max(1e-30, ...values.subarray(i * width, (i + 1) * width).map(Math.abs));
        for (let k = i * width; k < (i + 1) * width; k++) {
          const difference = Math.abs(got[`${name}${moment}`][k] - values[k]);
          expect(difference / own, `${name}${moment}[${k}] of ${i}: ${values[k]}`).toBeLessThan(1e-3);
        }
      }
    }
  }
}
