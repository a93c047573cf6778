/** Broken, huge and degenerate Gaussians: nothing throws, and what is healthy stays healthy. */
import { describe, expect, it } from "vitest";
import type { Camera } from "../../src/trainer/camera.ts";
import type { Engine } from "../../src/trainer/engine.ts";
import { SPLAT_STRIDE } from "../../src/trainer/memory.ts";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { applySchedule } from "../../src/trainer/schedule.ts";
import { parameterGroups } from "../../src/trainer/strategy.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { addBlob, between, lookAt, plainCamera, soloEngine, soloKernelEngine, type Blob } from "./scenes.ts";

const HEALTHY = 60;
const STEPS = 30;

describe.each([
  ["reference", soloEngine],
  ["kernels", soloKernelEngine],
] as const)("on the %s:", (_name, newEngine) => {
  function healthyEngine(random: () => number): Engine {
    const engine = newEngine({ gaussians: 400 });
    for (let i = 0; i < HEALTHY; i++) {
      addBlob(engine, {
        mean: [0, 1, 2].map(() => between(random, -0.4, 0.4)),
        logScale: [0, 1, 2].map(() => between(random, -4, -2)),
        quat: [0, 1, 2, 3].map(() => between(random, -1, 1)),
        opacity: between(random, -3, 3),
        color: [random(), random(), random()],
      });
    }
    return engine;
  }

  /** Train on noise at full SH degree, as the trainer does; the NaN-free promise is checked after every step. */
  function train(engine: Engine, cameras: readonly Camera[], random: () => number): void {
    for (let step = 0; step < STEPS; step++) {
      const camera = cameras[step % cameras.length];
      const pixels = camera.width * camera.height;
      const { scalars } = engine.views;
      applySchedule(scalars, { step, finished: 0, before: 0, size: 1, gaussians: engine.count });
      scalars[SCALAR.shDegree] = 3;
      engine.render(camera, [0, 0, 0]);
      const image = engine.views.image.subarray(0, 4 * pixels);
      expect(image.every(Number.isFinite), `image of step ${step}`).toBe(true);
      const rgba = Uint8Array.from({ length: pixels * 4 }, () => random() * 256);
      const { psnr, ssim } = engine.lossGradient({ camera, rgba, mask: null });
      expect(Number.isFinite(psnr) && Number.isFinite(ssim), `comparison of step ${step}`).toBe(true);
      engine.backwardAndUpdate();
      expect(sick(engine, HEALTHY), `step ${step}`).toEqual([]);
    }
  }

  /** Names of the parameters among the first `count` Gaussians that are not finite. */
  function sick({ views }: Engine, count: number): string[] {
    return parameterGroups(views).flatMap(([name, width]) =>
      views[name].subarray(0, count * width).every(Number.isFinite) ? [] : [name],
    );
  }

  const ring = [0, 1, 2].map((k) =>
    lookAt([Math.cos(2 * k), Math.sin(2 * k), 0.4], [0, 0, 0], { width: 37, height: 21, f: 30 }),
  );

  const BROKEN: Record<string, (random: () => number) => Blob> = {
    "NaN in the mean": () => ({ mean: [NaN, 0, 0] }),
    "infinite mean": (random) => ({ mean: [random() < 0.5 ? Infinity : -Infinity, 0, 0] }),
    "far away": (random) => ({ mean: [0, 1, 2].map(() => between(random, -1, 1) * 1e30), logScale: 70 }),
    "NaN in the scale": () => ({ logScale: [NaN, -2, -2] }),
    "infinite scale": () => ({ logScale: [Infinity, -2, -2] }),
    "no extent": () => ({ logScale: -Infinity, opacity: 3 }),
    "scale beyond numbers": (random) => ({ logScale: between(random, 20, 400), opacity: 2 }),
    needles: (random) => ({
      mean: [0, 1, 2].map(() => between(random, -0.3, 0.3)),
      logScale: [between(random, 1, 16), -14, -14],
      quat: [0, 1, 2, 3].map(() => between(random, -1, 1)),
      opacity: 2,
    }),
    "discs seen edge-on": (random) => ({
      logScale: [between(random, 1, 14), between(random, 1, 14), -20],
      quat: [0, 1, 2, 3].map(() => between(random, -1, 1)),
      opacity: 2,
    }),
    "zero quaternion": () => ({ quat: [0, 0, 0, 0], opacity: -4 }),
    "tiny quaternion": () => ({ quat: [1e-30, 0, 1e-30, 0] }),
    "huge quaternion": () => ({ quat: [1e30, -1e30, 1e30, 1e30] }),
    "NaN quaternion": () => ({ quat: [NaN, 0, 0, 1] }),
    "NaN opacity": () => ({ opacity: NaN }),
    "opacity one and zero": (random) => ({ opacity: random() < 0.5 ? Infinity : -Infinity }),
    "NaN colour": () => ({ color: [NaN, 0.5, 0.5] }),
    "infinite colour": () => ({ color: [Infinity, -Infinity, 0.5] }),
    "huge colour": () => ({ color: [1e38, 1e30, 1e20] }),
  };

  describe("Gaussians that are", () => {
    it.each(Object.keys(BROKEN))("%s", (name) => {
      const random = randomStream(31);
      const engine = healthyEngine(random);
      for (let i = 0; i < 30; i++) {
        // In view unless the case says otherwise.
        const mean = [0, 1, 2].map(() => between(random, -0.4, 0.4));
        addBlob(engine, { mean, logScale: -2, opacity: 1, ...BROKEN[name](random) });
      }
      train(engine, ring, random);
    });

    it("all broken at once, with broken coefficients of every degree", () => {
      const random = randomStream(32);
      const engine = healthyEngine(random);
      for (const blob of Object.values(BROKEN)) for (let i = 0; i < 5; i++) addBlob(engine, blob(random));
      const odd = [NaN, Infinity, -Infinity, 1e38, -1e38];
      for (let i = 0; i < odd.length; i++) {
        const at = addBlob(engine, { logScale: -2, opacity: 1 });
        engine.views.sh.fill(odd[i], at * 48 + 1, at * 48 + 48);
      }
      train(engine, ring, random);
    });

    it("around the camera, and touching it", () => {
      const random = randomStream(33);
      const engine = healthyEngine(random);
      const [camera] = ring;
      const eye = [1, 0, 0.4];
      for (let i = 0; i < 40; i++) {
        const mean = eye.map((value) => value + between(random, -0.03, 0.03));
        addBlob(engine, { mean, logScale: between(random, -6, 2), opacity: 2, color: [1, 0, 0] });
      }
      addBlob(engine, { mean: eye, logScale: 0, opacity: 5 });
      train(engine, [camera], random);
    });
  });

  it("keeps every splat a proper ellipse after rounding, however long the needle", () => {
    const random = randomStream(38);
    const engine = newEngine({ gaussians: 3000, shCount: 1 });
    for (let i = 0; i < 3000; i++) {
      addBlob(engine, {
        mean: [between(random, -0.5, 0.5), between(random, -0.4, 0.4), between(random, 0.05, 2)],
        logScale: [between(random, 0, 12), -14, -14],
        quat: [0, 1, 2, 3].map(() => between(random, -1, 1)),
        opacity: 3,
      });
    }
    engine.render(plainCamera(64, 48, 60), [0, 0, 0]);
    const { splats, image } = engine.views;
    for (let s = 0; s < engine.count * SPLAT_STRIDE; s += SPLAT_STRIDE) {
      if (splats[s + 10] >= 0) expect(splats[s + 2] * splats[s + 4]).toBeGreaterThan(splats[s + 3] ** 2);
    }
    expect(image.subarray(0, 4 * 64 * 48).every(Number.isFinite)).toBe(true);
  });

  it("is not disturbed by a Gaussian whose place on the image is beyond float", () => {
    const camera = plainCamera(40, 30, 30);
    const [alone, disturbed] = [false, true].map((broken) => {
      const engine = newEngine();
      if (broken) addBlob(engine, { mean: [1e38, 0, 1], logScale: 90, opacity: 3 });
      for (let i = 0; i < 20; i++) {
        addBlob(engine, { mean: [i / 20 - 0.5, i / 30 - 0.3, 1], logScale: -3, opacity: 1 });
      }
      engine.render(camera, [0, 0, 0]);
      return engine.views.image.slice(0, 4 * 40 * 30);
    });
    expect(disturbed).toEqual(alone);
  });

  describe("images of odd sizes", () => {
    it.each([
      [1, 1],
      [1, 200],
      [200, 1],
      [16, 16],
      [17, 33],
    ])("%i × %i", (width, height) => {
      const random = randomStream(34);
      const engine = newEngine({ gaussians: 400, pixels: 1, pairs: 1 });
      for (let i = 0; i < HEALTHY; i++) {
        const mean = [between(random, -0.6, 0.6), between(random, -0.6, 0.6), between(random, 0.8, 1.2)];
        addBlob(engine, { mean, logScale: between(random, -4, -1), color: [random(), random(), random()] });
      }
      train(engine, [plainCamera(width, height, Math.max(width, height))], random);
    });

    it("a large one after a small one, and back", () => {
      const random = randomStream(35);
      const engine = newEngine({ gaussians: 400, pixels: 1, pairs: 1 });
      for (let i = 0; i < HEALTHY; i++) {
        addBlob(engine, { mean: [between(random, -0.6, 0.6), between(random, -0.6, 0.6), 1], logScale: -3 });
      }
      train(engine, [plainCamera(5, 4, 5), plainCamera(130, 70, 100), plainCamera(3, 90, 80)], random);
    });
  });

  it("renders the same small image before and after a large one", () => {
    const engine = healthyEngine(randomStream(36));
    engine.render(ring[0], [0.1, 0.2, 0.3]);
    const size = 4 * ring[0].width * ring[0].height;
    const before = engine.views.image.slice(0, size);
    engine.render({ ...ring[0], width: 300, height: 200 }, [0, 0, 0]);
    engine.render(ring[0], [0.1, 0.2, 0.3]);
    expect(engine.views.image.slice(0, size)).toEqual(before);
  });

  it("a camera of NaN shows the background", () => {
    const engine = healthyEngine(randomStream(37));
    engine.render({ ...ring[0], translation: [NaN, 0, 0] }, [0.25, 0.5, 0.75]);
    const pixels = ring[0].width * ring[0].height;
    expect(engine.views.image.subarray(0, pixels).every((value) => value === 1)).toBe(true);
    expect(engine.views.image[pixels]).toBe(0.25);
  });
});
