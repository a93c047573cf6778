/** Every analytic gradient of the trainer against central differences, in double precision. */
import { describe, expect, it } from "vitest";
import { shBasis, shBasisGradient } from "../../src/splat/sh.ts";
import { centerOf, type Camera } from "../../src/trainer/camera.ts";
import type { Engine } from "../../src/trainer/engine.ts";
import { lossItems } from "../../src/trainer/loss.ts";
import { allocateGradients, type Gradients } from "../../src/trainer/gradients.ts";
import { CHUNK, GRADIENT_STRIDE, SPLAT_STRIDE, type Views } from "../../src/trainer/memory.ts";
import { projectBackward } from "../../src/trainer/projection-backward.ts";
import { project } from "../../src/trainer/projection.ts";
import { reduceGradients } from "../../src/trainer/rasterize.ts";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { randomStream } from "../../src/trainer/random.ts";
import {
  addBlob,
  between,
  doubleViews,
  largestDifference,
  lookAt,
  renderViews,
  runStage,
  soloEngine,
} from "./scenes.ts";

const GROUPS = ["means", "logScales", "quats", "opacities", "sh"] as const;
const WIDTHS = { means: 3, logScales: 3, quats: 4, opacities: 1, sh: 48 };
/** The camera's numbers in the order of `cameraGradients`. */
const CAMERA = [
  ...Array.from({ length: 12 }, (_, i) => SCALAR.rotation + i),
  SCALAR.fx,
  SCALAR.fy,
  SCALAR.cx,
  SCALAR.cy,
];
const BACKGROUND = [0.3, 0.6, 0.2];

/** Put the centre where the scalars' rotation and translation say, as `Engine.render` does. */
function recenter({ scalars }: Views): void {
  const rotation = Array.from(scalars.subarray(SCALAR.rotation, SCALAR.rotation + 9));
  const translation = Array.from(scalars.subarray(SCALAR.translation, SCALAR.translation + 3));
  const lens = { width: 1, height: 1, fx: 1, fy: 1, cx: 0, cy: 0 };
  scalars.set(centerOf({ ...lens, rotation, translation }), SCALAR.center);
}

function differences(
  views: Views,
  array: Float64Array | Float32Array,
  at: number[],
  f: () => number,
): number[] {
  return at.map((i) => {
    const value = array[i];
    const step = 1e-5 * Math.max(1, Math.abs(value));
    array[i] = value + step;
    recenter(views);
    const above = f();
    array[i] = value - step;
    recenter(views);
    const below = f();
    array[i] = value;
    recenter(views);
    return (above - below) / (2 * step);
  });
}

/** Compare `gradients`, and the camera's of `views`, with differences of `f`; relative to the group's largest. */
function expectGradients(
  views: Views,
  gradients: Gradients,
  count: number,
  tolerance: number,
  f: () => number,
): void {
  for (const name of GROUPS) {
    // Of the coefficients of colour, every fifth.
    const stride = name === "sh" ? 5 : 1;
    const indices = Array.from({ length: Math.ceil((count * WIDTHS[name]) / stride) }, (_, i) => i * stride);
    const analytic = indices.map((i) => gradients[name][i]);
    const numeric = differences(views, views[name], indices, f);
    const scale = Math.max(...numeric.map(Math.abs));
    expect(scale, name).toBeGreaterThan(0);
    expect(largestDifference(analytic, numeric) / scale, name).toBeLessThan(tolerance);
  }
  const numeric = differences(views, views.scalars, CAMERA, f);
  const analytic = views.cameraGradients.slice(0, 16);
  // Rotation, translation and lens have units of their own.
  for (const [from, to] of [
    [0, 9],
    [9, 12],
    [12, 14],
    [14, 16],
  ]) {
    const scale = Math.max(...numeric.slice(from, to).map(Math.abs));
    expect(scale, `camera ${from}`).toBeGreaterThan(0);
    const difference = largestDifference(analytic.slice(from, to), numeric.slice(from, to));
    expect(difference / scale, `camera ${from}`).toBeLessThan(tolerance);
  }
}

function fillRandomSh(engine: Engine, random: () => number, size: number): void {
  const { sh } = engine.views;
  for (let i = 0; i < engine.count * 48; i++) sh[i] = between(random, -size, size);
}

/** A point of the world at (x, y, z) of the camera. */
function inWorld({ rotation: r, translation: t }: Camera, p: readonly number[]): number[] {
  const q = [p[0] - t[0], p[1] - t[1], p[2] - t[2]];
  return [0, 1, 2].map((axis) => r[axis] * q[0] + r[3 + axis] * q[1] + r[6 + axis] * q[2]);
}

const camera: Camera = {
  ...lookAt([1, 0.5, 0.8], [0.1, 0, 0.05], { width: 40, height: 30, f: 36 }),
  fy: 34,
  cx: 19,
  cy: 16,
};

describe("projection alone", () => {
  /** Gaussians all over the view, some beyond 1.3 half-views (limits 0.72 and 0.57) but wide enough to be seen. */
  function scene(degree: number, leastScale = -2.2): Engine {
    const engine = soloEngine();
    const random = randomStream(11 + degree);
    for (let i = 0; i < 40; i++) {
      const z = between(random, 0.5, 2);
      const u = between(random, -0.95, 0.95);
      const v = between(random, -0.8, 0.8);
      addBlob(engine, {
        mean: inWorld(camera, [u * z, v * z, z]),
        logScale: [0, 1, 2].map(() => between(random, leastScale, -0.7)),
        quat: [0, 1, 2, 3].map(() => between(random, -1.5, 1.5)),
        opacity: between(random, -2, 3),
      });
    }
    fillRandomSh(engine, random, 1);
    engine.views.scalars[SCALAR.shDegree] = degree;
    engine.render(camera, BACKGROUND);
    return engine;
  }

  it.each([
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 0],
    [3, 1],
  ])("agrees with differences at SH degree %i, antialiased %i", (degree, antialiased) => {
    // Only what is no larger than the blur is made fainter by it.
    const engine = scene(degree, antialiased === 1 ? -7 : -2.2);
    engine.views.scalars[SCALAR.antialiased] = antialiased;
    const { count } = engine;
    const views = doubleViews(engine.views);
    const random = randomStream(5);
    const weights = Array.from({ length: count * GRADIENT_STRIDE }, () => between(random, -1, 1));
    const functional = (): number => {
      project(views, 0, count);
      let sum = 0;
      for (let i = 0; i < count; i++) {
        if (views.splats[i * SPLAT_STRIDE + 10] < 0) continue;
        for (let part = 0; part < 9; part++) {
          sum += weights[i * GRADIENT_STRIDE + part] * views.splats[i * SPLAT_STRIDE + part];
        }
      }
      return sum;
    };
    functional();
    const gradients = allocateGradients(count, 16);
    gradients.splats.set(weights);
    projectBackward(views, gradients, 0, count);
    expectGradients(views, gradients, count, 1e-6, functional);
  });

  it("covers the cases it claims to: Jacobian clamped, colour clamped", () => {
    const { views, count } = scene(3);
    const splats = Array.from({ length: count }, (_, i) =>
      views.splats.subarray(i * SPLAT_STRIDE, (i + 1) * SPLAT_STRIDE),
    ).filter((splat) => splat[10] >= 0);
    const beyond = splats.filter((splat) => Math.abs(splat[0] - camera.cx) > 1.3 * 20);
    const below = splats.filter((splat) => Math.abs(splat[1] - camera.cy) > 1.3 * 15);
    expect(splats.length).toBeGreaterThan(25);
    expect(beyond.length).toBeGreaterThan(2);
    expect(below.length).toBeGreaterThan(2);
    expect(splats.filter((splat) => splat[6] === 0).length).toBeGreaterThan(2);
  });
});

/** Gaussians so wide that no alpha cut and no early stop is near: the image is smooth in everything. */
function wideScene(random: () => number): Engine {
  const engine = soloEngine();
  for (let i = 0; i < 12; i++) {
    const z = between(random, 0.8, 1.6);
    addBlob(engine, {
      mean: inWorld(camera, [between(random, -0.4, 0.4), between(random, -0.4, 0.4), z]),
      logScale: [0, 1, 2].map(() => between(random, -0.7, 0)),
      quat: [0, 1, 2, 3].map(() => between(random, -1, 1)),
      opacity: between(random, -1.5, 0),
    });
  }
  fillRandomSh(engine, random, 0.2);
  engine.views.scalars[SCALAR.shDegree] = 3;
  return engine;
}

function backward(views: Views, count: number): Gradients {
  const gradients = allocateGradients(count, 16);
  runStage(views, "rasterizeBackward");
  reduceGradients(views, gradients, 0, count);
  projectBackward(views, gradients, 0, count);
  return gradients;
}

describe("the whole render", () => {
  it("agrees with differences of a random functional of the image", () => {
    const random = randomStream(3);
    const engine = wideScene(random);
    engine.render(camera, BACKGROUND);
    const views = doubleViews(engine.views);
    const pixels = camera.width * camera.height;
    const weights = Array.from({ length: 3 * pixels }, () => between(random, -1, 1));
    const functional = (): number => {
      renderViews(views);
      return weights.reduce((sum, weight, i) => sum + weight * views.image[pixels + i], 0);
    };
    functional();
    expect(Math.min(...views.image.slice(0, pixels))).toBeGreaterThan(1e-3);
    views.imageGradient.set(weights);
    const gradients = backward(views, engine.count);
    // The exponential's table is good to 1e-7, which the differences magnify.
    expectGradients(views, gradients, engine.count, 2e-4, functional);
  });

  it("gives the same from the engine itself, camera included, over more than one chunk", () => {
    const random = randomStream(4);
    const engine = wideScene(random);
    // Push the Gaussians over a chunk boundary with ones that are never seen.
    const { count } = engine;
    for (let i = 0; i < CHUNK; i++) addBlob(engine, { mean: inWorld(camera, [0, 0, -1]) });
    engine.views.scalars[SCALAR.shDegree] = 3;
    for (let i = 0; i < count; i++) moveToEnd(engine, i);
    engine.views.scalars[SCALAR.adamStep] = 1;
    engine.render(camera, BACKGROUND);
    const rgba = Uint8Array.from({ length: camera.width * camera.height * 4 }, () => random() * 256);
    engine.lossGradient({ camera, rgba, mask: null });
    const views = doubleViews(engine.views);
    engine.backwardAndUpdate();
    runStage(views, "rasterizeBackward");
    runStage(views, "update");
    // Of a first step, the first moment is a tenth of the gradient.
    for (const name of GROUPS) {
      const exact = views[`${name}Moment1`].subarray(0, engine.count * WIDTHS[name]);
      const scale = Math.max(...exact.map(Math.abs));
      expect(scale, name).toBeGreaterThan(0);
      const found = engine.views[`${name}Moment1`];
      expect(largestDifference(exact, found) / scale, name).toBeLessThan(1e-4);
    }
    const chunks = [views.cameraGradients.slice(0, 16), views.cameraGradients.slice(16, 32)];
    const total = chunks[0].map((value, i) => value + chunks[1][i]);
    expect(Math.max(...chunks[0].map(Math.abs))).toBeGreaterThan(0);
    expect(Math.max(...chunks[1].map(Math.abs))).toBeGreaterThan(0);
    const found = engine.cameraGradient();
    expect(largestDifference(total, found) / Math.max(...total.map(Math.abs))).toBeLessThan(1e-4);
  });
});

/** Swap every second of the first Gaussians with one behind the chunk's end. */
function moveToEnd(engine: Engine, i: number): void {
  if (i % 2 === 0) return;
  const { views } = engine;
  const j = CHUNK + Math.floor(i / 2);
  for (const name of GROUPS) {
    const width = WIDTHS[name];
    const array = views[name];
    const mine = array.slice(i * width, (i + 1) * width);
    array.copyWithin(i * width, j * width, (j + 1) * width);
    array.set(mine, j * width);
  }
}

describe("a whole step", () => {
  it("carries the loss back to Gaussians and camera", () => {
    const random = randomStream(8);
    const engine = wideScene(random);
    engine.render(camera, BACKGROUND);
    // A target well below the render everywhere keeps |x − y| away from its kink.
    const pixels = camera.width * camera.height;
    const lowest = Math.min(...engine.views.image.slice(pixels));
    const rgba = Uint8Array.from({ length: pixels * 4 }, (_, i) =>
      i % 4 === 3 ? 255 : between(random, 0, 0.9) * lowest * 255,
    );
    const picture = { camera, rgba, mask: null };
    engine.lossGradient(picture);
    const views = doubleViews(engine.views);
    const loss = (): number => {
      renderViews(views);
      runStage(views, "ssimDerivatives");
      let l1 = 0;
      for (let i = 0; i < 3 * pixels; i++) l1 += Math.abs(views.image[pixels + i] - views.target[i]);
      let ssim = 0;
      for (let item = 0; item < lossItems(views); item++) ssim += views.lossSums[item * 2 + 1];
      return (0.8 * l1) / (3 * pixels) + 0.2 * (1 - ssim / (3 * pixels));
    };
    loss();
    runStage(views, "imageGradients");
    const gradients = backward(views, engine.count);
    expectGradients(views, gradients, engine.count, 1e-3, loss);
  });
});

describe("spherical harmonics", () => {
  it("have the gradient that differences give, at every degree", () => {
    const random = randomStream(1);
    const gradient = new Float64Array(48);
    const above = new Float64Array(16);
    const below = new Float64Array(16);
    for (let trial = 0; trial < 10; trial++) {
      const point = [0, 1, 2].map(() => between(random, -1, 1));
      for (const degree of [0, 1, 2, 3]) {
        gradient.fill(0);
        shBasisGradient(gradient, degree, point[0], point[1], point[2]);
        for (let axis = 0; axis < 3; axis++) {
          const [p, q] = [1e-5, -1e-5].map((step) => point.map((v, i) => (i === axis ? v + step : v)));
          shBasis(above, degree, p[0], p[1], p[2]);
          shBasis(below, degree, q[0], q[1], q[2]);
          for (let k = 0; k < (degree + 1) ** 2; k++) {
            expect(gradient[3 * k + axis]).toBeCloseTo((above[k] - below[k]) / 2e-5, 7);
          }
        }
      }
    }
  });

  it("are orthonormal over the sphere", () => {
    const random = randomStream(2);
    const values = new Float64Array(16);
    const sums = new Float64Array(256);
    const directions = 40_000;
    for (let i = 0; i < directions; i++) {
      // Archimedes: height and longitude uniform make the sphere uniform; the height is stratified.
      const z = (2 * (i + random())) / directions - 1;
      const angle = 2 * Math.PI * random();
      const radius = Math.sqrt(1 - z * z);
      shBasis(values, 3, radius * Math.cos(angle), radius * Math.sin(angle), z);
      for (let a = 0; a < 16; a++) for (let b = 0; b < 16; b++) sums[a * 16 + b] += values[a] * values[b];
    }
    for (let a = 0; a < 16; a++) {
      for (let b = 0; b < 16; b++) {
        const integral = (4 * Math.PI * sums[a * 16 + b]) / directions;
        expect(Math.abs(integral - (a === b ? 1 : 0))).toBeLessThan(0.04);
      }
    }
  });
});
