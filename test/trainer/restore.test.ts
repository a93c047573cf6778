/** A trainer that goes on from a checkpoint does what the one that made it would have done. */
import { describe, expect, it } from "vitest";
import { randomStream } from "../../src/trainer/random.ts";
import { untrainedState, type TrainerState } from "../../src/trainer/state.ts";
import { Trainer, type TrainerFrame, type TrainerSettings } from "../../src/trainer/train.ts";
import { drawnFrames, largestDifference, soloEngine } from "./scenes.ts";

const SETTINGS: TrainerSettings = {
  maxGaussians: 400,
  shDegree: 1,
  antialiased: false,
  background: "random",
  seed: 7,
  live: true,
  bounds: { min: [-0.7, -0.7, -0.02], max: [0.7, 0.7, 0.4] },
  exposure: false,
};

function newTrainer(
  frames: readonly TrainerFrame[],
  changes: Partial<TrainerSettings> = {},
  now?: () => number,
): Trainer {
  const settings = { ...SETTINGS, ...changes };
  const shCount = (settings.shDegree + 1) ** 2;
  const trainer = new Trainer(soloEngine({ gaussians: settings.maxGaussians, shCount }), settings, now);
  for (const frame of frames) trainer.addFrame(frame);
  return trainer;
}

function advance(trainer: Trainer, steps: number): Trainer {
  for (let i = 0; i < steps; i++) expect(trainer.advance()).not.toBeNull();
  return trainer;
}

/** A copy that shares nothing, as a file would make it. */
function copyOf(state: TrainerState): TrainerState {
  return structuredClone(state);
}

describe("continuation", () => {
  // Just large enough for the half-size first steps to be part of it.
  const frames = drawnFrames(7, 128, 128).map((frame) => ({ ...frame, holdout: frame.index === 4 }));

  it("is the same, bit for bit, as without the stop: Gaussians, moments, random numbers, frames", () => {
    // 95 steps before, so that a relocation comes after; the last frame arrives just before the checkpoint.
    const still = (): number => 1000;
    const straight = advance(newTrainer(frames.slice(0, 6), {}, still), 95);
    straight.score(4);
    straight.addFrame(frames[6]);
    const state = copyOf(straight.checkpoint());
    expect(state.frames.map(({ index, seeded }) => [index, seeded])).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((index) => [index, index !== 7]),
    );

    // After a restart frames arrive as they happen to be decoded; their order comes from the state.
    const resumed = newTrainer(frames.toReversed(), { live: false }, still);
    resumed.restore(copyOf(state));
    resumed.setSettings({ live: true });
    expect(resumed.checkpoint()).toEqual(state);
    advance(straight, 20);
    advance(resumed, 20);
    expect(resumed.checkpoint()).toEqual(straight.checkpoint());
    expect(resumed.meanPsnr(true)).toBe(straight.meanPsnr(true));

    // And through the finishing phase, stopped once more in the midst of it.
    straight.finish({ steps: 12 });
    resumed.finish({ steps: 12 });
    advance(resumed, 5);
    const again = newTrainer(frames, { live: false }, still);
    again.restore(copyOf(resumed.checkpoint()));
    expect(again.phase).toBe("finishing");
    while (straight.advance() !== null);
    while (again.advance() !== null);
    expect([again.step, again.phase]).toEqual([127, "done"]);
    expect(again.checkpoint()).toEqual(straight.checkpoint());
    const after = newTrainer([]);
    after.restore(again.checkpoint());
    expect(after.phase).toBe("done");
    expect(after.advance()).toBeNull();
  });

  it("leaves a finishing phase the time it had left, not counting the stop", () => {
    let nowS = 1000;
    const first = newTrainer(frames.slice(0, 2), {}, () => nowS);
    first.finish({ deadlineS: 1010 });
    for (; nowS < 1007; nowS++) first.advance();
    const state = first.checkpoint();
    expect(state.finish).toEqual({ stepsMade: 7, steps: null, elapsedS: 7, durationS: 10 });
    nowS = 5000;
    const second = newTrainer(frames.slice(0, 2), {}, () => nowS);
    second.restore(state);
    for (; nowS < 5003; nowS++) expect(second.advance()).not.toBeNull();
    expect(second.advance()).toBeNull();
  });

  it("takes frames the state does not name as new, and does without those that are missing", () => {
    const first = advance(newTrainer(frames.slice(0, 3)), 20);
    const before = first.engine.count;
    const second = newTrainer([frames[0], frames[2], frames[5]]);
    second.restore(first.checkpoint());
    expect(second.checkpoint().frames.map(({ index, steps, seeded }) => [index, steps > 0, seeded])).toEqual([
      [1, true, true],
      [3, true, true],
      [6, false, false],
    ]);
    const firsts = new Set<number>();
    for (let i = 0; i < 30; i++) {
      const report = second.advance();
      if (report?.first === true) firsts.add(report.index);
    }
    expect([...firsts]).toEqual([6]);
    expect(second.engine.count).toBeGreaterThan(before);
  });
});

describe("Gaussians from elsewhere", () => {
  it("show the same picture as before, colour detail included, before any step", () => {
    const frames = drawnFrames(3);
    const first = advance(newTrainer(frames, { shDegree: 2 }), 20);
    const { views } = first.engine;
    for (let i = 0; i < first.engine.count * 27; i++) if (i % 9 > 0) views.sh[i] = 0.3 * Math.sin(i);
    const gaussians = first.engine.extract();
    const second = newTrainer([], { shDegree: 2 });
    second.restore(untrainedState(gaussians));
    expect(second.engine.extract()).toEqual(gaussians);
    const flat = newTrainer([], { shDegree: 0 });
    flat.restore(untrainedState(gaussians));
    const [rich, again, dull] = [second, second, flat].map((trainer) => trainer.render(frames[0].camera));
    expect(again).toEqual(rich);
    expect(largestDifference(rich, dull)).toBeGreaterThan(10);
    second.setSettings({ shDegree: 0 });
    expect(second.render(frames[0].camera)).toEqual(dull);
  });

  it("stay when there are more than the cap, and grow no further", () => {
    const state = advance(newTrainer(drawnFrames(7)), 20).checkpoint();
    const second = newTrainer(drawnFrames(3), { maxGaussians: 50 });
    expect(state.gaussians.count).toBeGreaterThan(50);
    second.restore(state);
    advance(second, 110);
    expect(second.engine.count).toBe(state.gaussians.count);
  });
});

it("goes on with a random stream from any place in it", () => {
  const stream = randomStream(3);
  for (let i = 0; i < 1000; i++) stream();
  const other = randomStream(stream.state());
  expect(Array.from({ length: 5 }, other)).toEqual(Array.from({ length: 5 }, stream));
});
