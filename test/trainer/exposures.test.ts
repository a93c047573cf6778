/** Exposures: learnt per frame, without a drift of all, and the same after a stop. */
import { describe, expect, it } from "vitest";
import { Exposures } from "../../src/trainer/exposures.ts";
import { Trainer, type TrainerFrame } from "../../src/trainer/train.ts";
import { drawnFrames, soloEngine } from "./scenes.ts";

describe("Exposures", () => {
  it("are none for frames that have not been learnt, and none for a single one", () => {
    const exposures = new Exposures();
    const none = { gain: [1, 1, 1], bias: [0, 0, 0] };
    expect(exposures.of(1)).toEqual(none);
    exposures.learn(1, [-1, 1, -1, 1, -1, 1]);
    expect(exposures.of(1)).toEqual(none);
    expect(exposures.of(2)).toEqual(none);
  });

  it("follow their gradients, stay within bounds, and are none in the mean", () => {
    const exposures = new Exposures();
    for (let step = 0; step < 2000; step++) {
      exposures.learn(1, [-1, -1, 1, 1, -1, 0]);
      exposures.learn(2, [1, -1, 0, 0, 0, 0]);
      exposures.learn(3, [1, -1, 0, 0, 0, 0]);
    }
    const all = [1, 2, 3].map((index) => exposures.of(index));
    expect(all[0].gain[0]).toBeGreaterThan(2);
    expect(all[1].gain[0]).toBeLessThan(1);
    // What all want together belongs to the scene.
    for (const { gain } of all) expect(gain[1]).toBeCloseTo(1, 3);
    for (let channel = 0; channel < 3; channel++) {
      expect(all.reduce((sum, { gain }) => sum + Math.log(gain[channel]), 0)).toBeCloseTo(0, 10);
      expect(all.reduce((sum, { bias }) => sum + bias[channel], 0)).toBeCloseTo(0, 10);
    }
    for (const { values } of exposures.save()) {
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(Math.log(4));
    }
  });

  it("take no harm from gradients and saved numbers that are not finite", () => {
    const exposures = new Exposures();
    exposures.learn(1, [NaN, 0, 0, 0, 0, 0]);
    exposures.learn(2, [Infinity, 0, 0, 0, 0, 0]);
    expect(exposures.save()).toEqual([]);
    exposures.learn(1, [1, 0, 0, 0, 0, 0]);
    const [sound] = exposures.save();
    const broken = { ...sound, index: 2, values: [NaN, 0, 0, 0, 0, 0] };
    exposures.restore([sound, broken, { ...sound, index: 3, moments1: [] }]);
    expect(exposures.save()).toEqual([sound]);
  });

  it("go on after a stop as without it", () => {
    const straight = new Exposures();
    const learn = (exposures: Exposures, from: number): void => {
      for (let i = from; i < from + 20; i++) {
        exposures.learn(
          1 + ((7 * i) % 5),
          [0, 1, 2, 3, 4, 5].map((k) => Math.sin(i * k)),
        );
      }
    };
    learn(straight, 0);
    const resumed = new Exposures();
    resumed.restore(structuredClone(straight.save()));
    learn(straight, 20);
    learn(resumed, 20);
    expect(resumed.save()).toEqual(straight.save());
    expect(resumed.of(3)).toEqual(straight.of(3));
  });
});

/** Every second frame taken at a shorter exposure, with a blue cast. */
function unevenFrames(): TrainerFrame[] {
  const gains = [0.75, 0.8, 0.95];
  return drawnFrames(8).map((frame) => {
    if (frame.index % 2 === 0) return frame;
    return { ...frame, rgba: frame.rgba.map((value, i) => (i % 4 === 3 ? value : value * gains[i % 4])) };
  });
}

function learned(exposure: boolean): Trainer {
  const settings = {
    maxGaussians: 400,
    shDegree: 0,
    background: "black",
    seed: 7,
    live: true,
    bounds: { min: [-0.7, -0.7, -0.02], max: [0.7, 0.7, 0.4] },
    exposure,
    antialiased: false,
  } as const;
  const trainer = new Trainer(soloEngine({ gaussians: 400, shCount: 1 }), settings);
  for (const frame of unevenFrames()) trainer.addFrame(frame);
  for (let i = 0; i < 400; i++) trainer.advance();
  return trainer;
}

it("explains frames taken differently by one scene", () => {
  const [plain, compensated] = [false, true].map(learned);
  expect(plain.checkpoint().exposures).toEqual([]);
  const saved = compensated.checkpoint().exposures;
  expect(saved.length).toBe(8);
  const redGain = (odd: number): number =>
    Math.exp(
      saved.filter(({ index }) => index % 2 === odd).reduce((sum, { values }) => sum + values[0] / 4, 0),
    );
  expect(redGain(1) / redGain(0)).toBeGreaterThan(0.68);
  expect(redGain(1) / redGain(0)).toBeLessThan(0.92);
  expect(compensated.meanPsnr(false)!).toBeGreaterThan(plain.meanPsnr(false)!);
});
