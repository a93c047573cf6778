/**
 * The trainer as a whole under Gaussians, moments, cameras and pictures of every kind: what it would save never holds a
 * NaN. Engines come from `soloEngine` alone, so whatever it runs its stages on is what is tried here.
 */
import { describe, expect, it } from "vitest";
import { allocateGaussians, type Gaussians } from "../../src/splat/gaussians.ts";
import { encodePly } from "../../src/splat/ply.ts";
import { decodePly } from "../../src/splat/ply-read.ts";
import { finiteGaussians } from "../../src/splat/select.ts";
import { randomStream } from "../../src/trainer/random.ts";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { untrainedState } from "../../src/trainer/state.ts";
import { Trainer, type TrainerFrame } from "../../src/trainer/train.ts";
import { between, lookAt, plainCamera, soloEngine } from "./scenes.ts";

const GROUPS = ["means", "logScales", "quats", "opacities", "sh"] as const;
const COUNT = 80;

function newTrainer(seed: number, frames: readonly TrainerFrame[]): Trainer {
  const trainer = new Trainer(soloEngine({ gaussians: 200, pixels: 1, pairs: 1 }), {
    maxGaussians: 200,
    shDegree: 3,
    background: "random",
    seed,
    live: true,
    bounds: null,
    exposure: true,
    antialiased: false,
  });
  for (const frame of frames) trainer.addFrame(frame);
  return trainer;
}

/** Noise, seen from around, from within the Gaussians, far off, through odd lenses, in odd sizes. */
function oddFrames(random: () => number): TrainerFrame[] {
  const lens = { width: 23, height: 17, f: 20 };
  const cameras = [
    lookAt([1, 0, 0.3], [0, 0, 0], lens),
    lookAt([0, 0.8, 0.5], [0, 0, 0], { width: 1, height: 1, f: 1 }),
    plainCamera(31, 2, 8),
    plainCamera(1, 40, 1e-3),
    lookAt([0.01, 0.02, 0.01], [0.3, 0.1, 0], lens),
    lookAt([1e7, 1e7, 1], [0, 0, 0], { ...lens, f: 1e7 }),
  ];
  return cameras.map((camera, i) => {
    const pixels = camera.width * camera.height;
    const rgba = Uint8Array.from({ length: pixels * 4 }, () => random() * 256);
    const mask = i % 3 === 1 ? Uint8Array.from({ length: pixels }, () => (random() < 0.5 ? 0 : 255)) : null;
    return { index: i + 1, camera, rgba, mask, holdout: false };
  });
}

/** Healthy Gaussians, some numbers of which are replaced by whatever `wild` gives. */
function wildGaussians(random: () => number, share: number, wild: () => number): Gaussians {
  const gaussians = allocateGaussians(COUNT, 3);
  const spans = { means: [-0.5, 0.5], logScales: [-5, -1], quats: [-1, 1], opacities: [-4, 4], sh: [-1, 1] };
  for (const name of GROUPS) {
    const [low, high] = spans[name];
    gaussians[name].forEach((_, i) => {
      gaussians[name][i] = random() < share ? wild() : between(random, low, high);
    });
  }
  return gaussians;
}

function numbersOf(gaussians: Gaussians): number[] {
  return GROUPS.flatMap((name) => [...gaussians[name]]);
}

/** Train across a relocation; all is finite at every look, in memory and in the file. */
function survive(trainer: Trainer, steps = 130): void {
  for (let step = 0; step < steps; step++) {
    trainer.advance();
    if (step % 13 > 0) continue;
    const { views } = trainer.engine;
    const pixels = views.scalars[SCALAR.width] * views.scalars[SCALAR.height];
    expect(views.image.subarray(0, 4 * pixels).every(Number.isFinite), `image ${step}`).toBe(true);
    const held = trainer.engine.extract();
    expect(numbersOf(held).every(Number.isFinite), `step ${step}`).toBe(true);
  }
  const saved = decodePly(Buffer.concat([...encodePly(finiteGaussians(trainer.engine.extract()))]));
  expect(saved.count).toBeGreaterThan(0);
  expect(numbersOf(saved).every(Number.isFinite)).toBe(true);
  // The reader leaves out what is not finite: nothing was.
  expect(saved.count).toBe(trainer.engine.count);
}

const pick = (random: () => number, values: readonly number[]): number =>
  values[Math.floor(random() * values.length)];
const BROKEN = [NaN, Infinity, -Infinity];
const EXTREME = [3.4e38, -3.4e38, 1e30, -1e30, 1e19, -1e19, 1e-38, -1e-38, 0, 88, -88, 700, -700, 1e4, -1e4];

describe("a trainer", () => {
  it.each([1, 2, 3])("that finds NaN and infinities in what it restores (%i)", (seed) => {
    const random = randomStream(seed);
    const gaussians = wildGaussians(random, 0.01, () => pick(random, BROKEN));
    const trainer = newTrainer(seed, oddFrames(random));
    const state = untrainedState(gaussians);
    const moments = (): Gaussians =>
      wildGaussians(random, 0.05, () => pick(random, [...BROKEN, -1, ...EXTREME]));
    trainer.restore({ ...state, moments1: moments(), moments2: moments() });
    survive(trainer);
  });

  it.each([4, 5, 6])("that restores numbers near the ends of what a float holds (%i)", (seed) => {
    const random = randomStream(seed);
    const trainer = newTrainer(seed, oddFrames(random));
    trainer.restore(untrainedState(wildGaussians(random, 0.02 * (seed - 3), () => pick(random, EXTREME))));
    survive(trainer);
  });

  it("that restores nothing but NaN starts from its frames again", () => {
    const random = randomStream(7);
    const trainer = newTrainer(7, oddFrames(random));
    const gaussians = allocateGaussians(COUNT, 3);
    for (const name of GROUPS) gaussians[name].fill(NaN);
    const frames = oddFrames(random).map(({ index }) => ({ index, steps: 50, psnr: NaN, seeded: true }));
    trainer.restore({ ...untrainedState(gaussians), frames });
    survive(trainer);
  });

  it("with degenerate covariances, and frames taken from within them", () => {
    const random = randomStream(8);
    const gaussians = wildGaussians(random, 0, () => 0);
    for (let i = 0; i < COUNT; i++) {
      const shape = pick(random, [0, 1, 2, 3]);
      const needle = [
        [8, -30, -30],
        [2, 2, -60],
        [-90, -90, -90],
        [0.5, 0.5, 0.5],
      ][shape];
      gaussians.logScales.set(needle, i * 3);
      if (i % 4 === 0) gaussians.quats.fill(0, i * 4, i * 4 + 4);
    }
    const trainer = newTrainer(8, oddFrames(random));
    trainer.restore(untrainedState(gaussians));
    survive(trainer);
  });

  it("that starts from frames alone, some of which show nothing", () => {
    const random = randomStream(9);
    const frames = oddFrames(random);
    frames[1].rgba.fill(0);
    frames[2].mask?.fill(0);
    survive(newTrainer(9, frames));
  });
});
