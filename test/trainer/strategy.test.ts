/** Relocation, growth and noise: the set changes, the picture and the seed's promise do not. */
import { describe, expect, it } from "vitest";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { addNoise, copyOntoLive, deadGaussians, forget, splitOpacity } from "../../src/trainer/strategy.ts";
import type { Engine } from "../../src/trainer/engine.ts";
import { randomStream } from "../../src/trainer/random.ts";
import { addBlob, between, plainCamera, soloEngine } from "./scenes.ts";

const logit = (p: number): number => Math.log(p / (1 - p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe("splitOpacity", () => {
  it("leaves one Gaussian as it is", () => {
    for (const opacity of [0.01, 0.3, 0.9, 0.999]) {
      const one = splitOpacity(opacity, 1);
      expect(one.opacity).toBeCloseTo(opacity, 12);
      expect(one.scale).toBeCloseTo(1, 12);
    }
  });

  it.each([2, 3, 7, 51])("lets through at the centre what it let through, in %i copies", (copies) => {
    for (const opacity of [0.3, 0.7, 0.99]) {
      const each = splitOpacity(opacity, copies);
      expect((1 - each.opacity) ** copies).toBeCloseTo(1 - opacity, 10);
      expect(each.scale).toBeLessThan(1);
      expect(each.scale).toBeGreaterThan(0.3);
    }
  });

  it("keeps the light blocked along a line through the centre", () => {
    // ∫ 1 − (1 − o' exp(−x²/2s²))ⁿ dx = ∫ o exp(−x²/2) dx: the equation the factor on the scale solves.
    for (const [opacity, copies] of [
      [0.5, 2],
      [0.9, 5],
      [0.2, 3],
    ]) {
      const each = splitOpacity(opacity, copies);
      let blocked = 0;
      for (let x = -8; x < 8; x += 0.01) {
        blocked += 0.01 * (1 - (1 - each.opacity * Math.exp(-(x ** 2) / 2 / each.scale ** 2)) ** copies);
      }
      expect(blocked).toBeCloseTo(opacity * Math.sqrt(2 * Math.PI), 4);
    }
  });

  it("gives usable numbers for opacities a float rounds to 0 and 1", () => {
    for (const opacity of [1e-9, 0.005, 1 - 1e-9, 1]) {
      for (const copies of [1, 2, 51]) {
        const each = splitOpacity(opacity, copies);
        expect(Number.isFinite(logit(each.opacity)) && Number.isFinite(Math.log(each.scale))).toBe(true);
      }
    }
  });
});

/** Live Gaussians in front of a camera, then dead ones of every kind at the end. */
function sceneWithDead(): { engine: Engine; dead: number[] } {
  const random = randomStream(41);
  const engine = soloEngine({ gaussians: 200 });
  for (let i = 0; i < 40; i++) {
    addBlob(engine, {
      mean: [between(random, -0.5, 0.5), between(random, -0.4, 0.4), between(random, 0.8, 1.5)],
      logScale: [0, 1, 2].map(() => between(random, -3.5, -2)),
      quat: [0, 1, 2, 3].map(() => between(random, -1, 1)),
      opacity: between(random, -1, 2),
      color: [random(), random(), random()],
    });
  }
  const mean = [0, 0, 1];
  const dead = [
    addBlob(engine, { mean, opacity: logit(0.004) }),
    addBlob(engine, { mean, opacity: -Infinity }),
    addBlob(engine, { mean, opacity: NaN }),
    addBlob(engine, { mean, opacity: Infinity }),
    addBlob(engine, { mean: [0, NaN, 1] }),
    addBlob(engine, { mean: [0, Infinity, 1] }),
    addBlob(engine, { mean, logScale: [-2, -2, -Infinity] }),
    addBlob(engine, { mean, quat: [NaN, 0, 0, 0] }),
    addBlob(engine, { mean, color: [NaN, 0, 0] }),
  ];
  return { engine, dead };
}

const camera = plainCamera(64, 48, 60);

describe("relocation", () => {
  it("finds what is transparent or not a number, and nothing else", () => {
    const { engine, dead } = sceneWithDead();
    addBlob(engine, { opacity: logit(0.006), quat: [0, 0, 0, 0] });
    expect(deadGaussians(engine.views, engine.count)).toEqual(dead);
  });

  it("leaves the picture nearly as it was, as copies that share nothing out would not", () => {
    const { engine, dead } = sceneWithDead();
    const { count, views } = engine;
    const [live] = dead;
    const size = 4 * 64 * 48;
    engine.count = live;
    engine.render(camera, [0, 0, 0]);
    const before = views.image.slice(0, size);
    const original = { opacities: views.opacities.slice(), logScales: views.logScales.slice() };
    const changeNow = (): number => {
      engine.render(camera, [0, 0, 0]);
      const squared = before.reduce((sum, value, i) => sum + (value - views.image[i]) ** 2, 0);
      return Math.sqrt(squared / size);
    };
    engine.count = count;
    expect(copyOntoLive(views, dead, count, randomStream(1), true)).toBe(true);
    expect(deadGaussians(views, count)).toEqual([]);
    const shared = changeNow();
    // The same copies with their sources' opacity and scale as they were.
    for (let i = 0; i < count; i++) {
      const source = Array.from({ length: live }, (_, j) => j).find(
        (j) => views.means[j * 3] === views.means[i * 3],
      );
      views.opacities[i] = original.opacities[source!];
      views.logScales.set(original.logScales.subarray(source! * 3, source! * 3 + 3), i * 3);
    }
    expect(shared).toBeLessThan(0.01);
    expect(shared).toBeLessThan(0.35 * changeNow());
  });

  it("makes Adam forget the targets, and the sources only when asked", () => {
    for (const forgetSources of [true, false]) {
      const { engine, dead } = sceneWithDead();
      const { views, count } = engine;
      views.meansMoment1.fill(1);
      views.shMoment2.fill(1);
      const sourceOpacities = views.opacities.slice(0, dead[0]);
      copyOntoLive(views, dead, count, randomStream(2), forgetSources);
      const sources = [...sourceOpacities.keys()].filter((i) => views.opacities[i] !== sourceOpacities[i]);
      expect(sources.length).toBeGreaterThan(2);
      for (const i of dead) {
        expect(views.meansMoment1[i * 3]).toBe(0);
        expect(views.shMoment2[i * 48 + 47]).toBe(0);
      }
      for (const i of sources) expect(views.meansMoment1[i * 3]).toBe(forgetSources ? 0 : 1);
    }
  });

  it("draws sources in proportion to opacity, and never a target", () => {
    const engine = soloEngine({ gaussians: 3000 });
    addBlob(engine, { mean: [1, 0, 0], opacity: logit(0.2) });
    addBlob(engine, { mean: [2, 0, 0], opacity: logit(0.6) });
    addBlob(engine, { mean: [3, 0, 0], opacity: logit(0.003) });
    addBlob(engine, { mean: [4, 0, 0], opacity: logit(0.9) });
    const targets = [3, ...Array.from({ length: 2000 }, (_, i) => 4 + i)];
    copyOntoLive(engine.views, targets, 4, randomStream(3), true);
    const places = targets.map((i) => engine.views.means[i * 3]);
    expect(places.filter((x) => x === 2).length / places.length).toBeCloseTo(0.75, 1);
    expect(places.filter((x) => x === 1).length / places.length).toBeCloseTo(0.25, 1);
  });

  it("does nothing when nothing lives", () => {
    const engine = soloEngine();
    addBlob(engine, { opacity: -20, mean: [1, 2, 3] });
    addBlob(engine, { opacity: NaN });
    expect(copyOntoLive(engine.views, [0, 1], 2, randomStream(4), true)).toBe(false);
    expect([...engine.views.means.subarray(0, 3)]).toEqual([1, 2, 3]);
  });
});

describe("noise", () => {
  function noisy(seed: number, step: number): Float32Array {
    const engine = soloEngine({ gaussians: 600 });
    const random = randomStream(5);
    for (let i = 0; i < 500; i++) {
      addBlob(engine, {
        logScale: [Math.log(0.2), Math.log(0.1), Math.log(0.02)],
        quat: [0, 1, 2, 3].map(() => between(random, -1, 1)),
        opacity: i < 400 ? logit(0.002) : 2,
      });
    }
    addBlob(engine, { quat: [0, 0, 0, 0], logScale: -1, opacity: -8 });
    const { scalars } = engine.views;
    scalars[SCALAR.noise] = 0.5;
    scalars[SCALAR.seed] = seed;
    scalars[SCALAR.adamStep] = step;
    addNoise(engine.views, 0, 256);
    addNoise(engine.views, 256, engine.count);
    return engine.views.means.slice(0, 3 * engine.count);
  }

  it("hangs on seed, step and Gaussian alone", () => {
    expect(noisy(1, 7)).toEqual(noisy(1, 7));
    expect(noisy(1, 7)).not.toEqual(noisy(2, 7));
    expect(noisy(1, 7)).not.toEqual(noisy(1, 8));
  });

  it("moves transparent Gaussians by about Σ and opaque ones not at all", () => {
    const moved = noisy(1, 7);
    const lengths = Array.from({ length: 500 }, (_, i) => Math.hypot(...moved.subarray(i * 3, i * 3 + 3)));
    // strength · |Σ ξ| with Σ at most 0.2²; normal numbers of 32 bits never pass 6.8 each.
    const strength = 0.5 * sigmoid(-100 * (0.002 - 0.005));
    expect(Math.max(...lengths)).toBeLessThan(strength * 0.04 * 6.8 * Math.sqrt(3));
    const rms = Math.sqrt(lengths.slice(0, 400).reduce((sum, length) => sum + length ** 2 / 400, 0));
    const wanted = strength * Math.hypot(0.2 ** 2, 0.1 ** 2, 0.02 ** 2);
    expect(rms / wanted).toBeGreaterThan(0.9);
    expect(rms / wanted).toBeLessThan(1.1);
    expect(Math.max(...lengths.slice(400))).toBe(0);
  });

  it("has no direction of its own", () => {
    const moved = noisy(3, 9);
    for (let axis = 0; axis < 3; axis++) {
      let mean = 0;
      for (let i = 0; i < 400; i++) mean += moved[i * 3 + axis] / 400;
      expect(Math.abs(mean)).toBeLessThan(0.002);
    }
  });

  it("takes the zero quaternion as no rotation", () => {
    const last = noisy(1, 7).slice(-3);
    expect(last.every(Number.isFinite)).toBe(true);
    expect(Math.hypot(...last)).toBeGreaterThan(0);
  });
});

it("forget zeroes both moments of one Gaussian and leaves its neighbours", () => {
  const { views } = soloEngine({ gaussians: 3 });
  for (const name of ["means", "logScales", "quats", "opacities", "sh"] as const) {
    views[`${name}Moment1`].fill(1);
    views[`${name}Moment2`].fill(1);
  }
  forget(views, 1);
  expect([...views.quatsMoment1.subarray(0, 12)]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
  expect([...views.opacitiesMoment2.subarray(0, 3)]).toEqual([1, 0, 1]);
  expect([...views.shMoment1.subarray(0, 144)]).toEqual([
    ...Array(48).fill(1),
    ...Array(48).fill(0),
    ...Array(48).fill(1),
  ]);
});
