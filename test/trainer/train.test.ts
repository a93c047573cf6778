/** The trainer as a whole, in this thread: it learns, it keeps to its settings, it comes to an end. */
import { describe, expect, it } from "vitest";
import { Trainer, type TrainerFrame, type TrainerSettings } from "../../src/trainer/train.ts";
import { deadGaussians } from "../../src/trainer/strategy.ts";
import { drawnFrames, soloEngine } from "./scenes.ts";

const SETTINGS: TrainerSettings = {
  maxGaussians: 400,
  shDegree: 1,
  antialiased: false,
  background: "black",
  seed: 7,
  live: true,
  bounds: { min: [-0.7, -0.7, -0.02], max: [0.7, 0.7, 0.4] },
  exposure: false,
};

function newTrainer(changes: Partial<TrainerSettings> = {}, now?: () => number): Trainer {
  const settings = { ...SETTINGS, ...changes };
  const shCount = (settings.shDegree + 1) ** 2;
  return new Trainer(soloEngine({ gaussians: settings.maxGaussians, shCount }), settings, now);
}

function trained(steps: number, changes: Partial<TrainerSettings> = {}, frames = drawnFrames(6)): Trainer {
  const trainer = newTrainer(changes);
  for (const frame of frames) trainer.addFrame(frame);
  for (let i = 0; i < steps; i++) expect(trainer.advance()).not.toBeNull();
  return trainer;
}

function meanScore(trainer: Trainer, frames: readonly TrainerFrame[]): number {
  const scores = frames.map(({ index }) => trainer.score(index)?.psnr ?? NaN);
  return scores.reduce((sum, value) => sum + value, 0) / scores.length;
}

describe("training", () => {
  it("raises PSNR of trained and of held-out views", () => {
    const frames = drawnFrames(7).map((frame) => ({ ...frame, holdout: frame.index === 4 }));
    const trainer = newTrainer();
    for (const frame of frames) trainer.addFrame(frame);
    const shown = frames.filter(({ holdout }) => !holdout);
    trainer.advance();
    const before = { shown: meanScore(trainer, shown), held: meanScore(trainer, [frames[3]]) };
    for (let i = 0; i < 160; i++) expect(trainer.advance()?.index).not.toBe(4);
    expect(meanScore(trainer, shown)).toBeGreaterThan(before.shown + 6);
    expect(meanScore(trainer, [frames[3]])).toBeGreaterThan(before.held + 3);
    expect(trainer.holdouts()).toEqual([4]);
    expect(trainer.meanPsnr(true)).toBeGreaterThan(before.held + 3);
    expect(deadGaussians(trainer.engine.views, trainer.engine.count).length).toBeLessThan(40);
  });

  it("repeats itself bit for bit, and not with another seed", () => {
    const [a, b, c] = [7, 7, 8].map((seed) => trained(30, { seed, background: "random" }).engine.extract());
    expect(b).toEqual(a);
    expect(c.means).not.toEqual(a.means);
  });

  it("grows towards the cap and never beyond", () => {
    const trainer = trained(1, { maxGaussians: 130 }, drawnFrames(20, 16, 12));
    const { engine } = trainer;
    const counts = [engine.count];
    for (let i = 0; i < 500; i++) {
      trainer.advance();
      if (engine.count !== counts.at(-1)) counts.push(engine.count);
    }
    expect(counts[0]).toBeLessThanOrEqual(65);
    expect(counts.length).toBeGreaterThan(3);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    trainer.setSettings({ maxGaussians: counts[0] + 1 });
    expect(engine.count).toBe(counts[0] + 1);
    for (let i = 0; i < 210; i++) trainer.advance();
    expect(engine.count).toBe(counts[0] + 1);
  });

  it("learns nothing from what is hidden", () => {
    const frames = drawnFrames(4);
    const repainted = frames.map((frame) => {
      const rgba = frame.rgba.slice();
      // The lower half of each picture is something else altogether.
      for (let p = 48 * 18; p < 48 * 36; p++) rgba.set([255, 0, 255], p * 4);
      return { ...frame, rgba };
    });
    const mask = { width: 2, height: 2, values: Uint8Array.of(255, 255, 0, 0) };
    const [plain, other] = [frames, repainted].map((pictures) => {
      const trainer = newTrainer();
      trainer.setMask(mask);
      // Given points: seeding looks at colours of its own accord.
      trainer.addPoints({
        positions: Float32Array.of(0, 0, 0, 0.2, 0, 0.1, 0, 0.2, 0.1, 0.1, 0.1, 0.3),
        colors: new Float32Array(12),
      });
      for (const picture of pictures) trainer.addFrame(picture);
      trainer.addPoints({ positions: new Float32Array(0), colors: new Float32Array(0) });
      for (let i = 0; i < 20; i++) trainer.advance();
      return { gaussians: trainer.engine.extract(), score: trainer.score(1) };
    });
    expect(other).toEqual(plain);
  });

  it("composites transparent pixels on its background", () => {
    const [frame] = drawnFrames(1);
    const rgba = frame.rgba.slice();
    for (let p = 0; p < 48 * 36; p++) rgba[p * 4 + 3] = 0;
    const trainer = newTrainer({ background: "white" });
    trainer.addFrame({ ...frame, rgba });
    expect(trainer.score(1)?.psnr).toBeGreaterThan(90);
    trainer.setSettings({ background: "black" });
    expect(trainer.score(1)?.psnr).toBeGreaterThan(90);
    expect([...trainer.render(frame.camera).subarray(0, 3)]).toEqual([0, 0, 0]);
    trainer.setSettings({ background: "white" });
    expect([...trainer.render(frame.camera).subarray(0, 3)]).toEqual([255, 255, 255]);
  });
});

describe("phases", () => {
  it("waits without frames, trains with them, rests when all have had enough, wakes for a new one", () => {
    const frames = drawnFrames(2, 16, 12);
    const trainer = newTrainer({ maxGaussians: 100 });
    expect(trainer.phase).toBe("waiting");
    expect(trainer.advance()).toBeNull();
    trainer.addFrame(frames[0]);
    expect(trainer.phase).toBe("training");
    let firsts = 0;
    for (let report = trainer.advance(); report !== null; report = trainer.advance())
      firsts += report.first ? 1 : 0;
    expect(trainer.step).toBe(300);
    expect(firsts).toBe(1);
    expect(trainer.phase).toBe("waiting");
    trainer.addFrame(frames[1]);
    expect(trainer.phase).toBe("training");
    expect(trainer.advance()).not.toBeNull();
  });

  it("trains on nothing until told to when it is not live", () => {
    const trainer = newTrainer({ live: false });
    for (const frame of drawnFrames(3, 16, 12)) trainer.addFrame(frame);
    expect(trainer.advance()).toBeNull();
    trainer.finish({ steps: 5 });
    for (let i = 0; i < 5; i++) expect(trainer.advance()).not.toBeNull();
    expect(trainer.advance()).toBeNull();
    expect(trainer.phase).toBe("done");
  });

  it("finishes after the steps it was given, at a deadline, or at once when there is nothing to train", () => {
    const bySteps = trained(3);
    bySteps.finish({ steps: 4 });
    expect(bySteps.phase).toBe("finishing");
    while (bySteps.advance() !== null);
    expect([bySteps.step, bySteps.phase]).toEqual([7, "done"]);

    let nowS = 1000;
    const byTime = newTrainer({}, () => nowS);
    byTime.addFrame(drawnFrames(1)[0]);
    byTime.finish({ steps: 1e6, deadlineS: 1010 });
    for (let i = 0; i < 10; i++, nowS++) expect(byTime.advance()).not.toBeNull();
    expect(byTime.advance()).toBeNull();
    expect([byTime.step, byTime.phase]).toEqual([10, "done"]);

    const empty = newTrainer();
    empty.finish({ steps: 100 });
    expect(empty.advance()).toBeNull();
    expect(empty.phase).toBe("done");

    const late = trained(1);
    late.finish({ deadlineS: 0 });
    expect(late.advance()).toBeNull();
    expect(late.phase).toBe("done");
  });

  it("finishes when every frame is transparent, so that there are no Gaussians", () => {
    const [frame] = drawnFrames(1);
    const trainer = newTrainer();
    trainer.addFrame({ ...frame, rgba: new Uint8Array(frame.rgba.length) });
    expect(trainer.advance()).toBeNull();
    trainer.finish({ steps: 10 });
    expect(trainer.advance()).toBeNull();
    expect(trainer.phase).toBe("done");
    expect(trainer.engine.count).toBe(0);
  });
});

it("takes a late camera for the frame it belongs to, and ignores frames it does not know", () => {
  const [right, wrong] = drawnFrames(2);
  const trainer = newTrainer();
  trainer.addFrame({ ...right, camera: wrong.camera });
  for (let i = 0; i < 100; i++) trainer.advance();
  const misplaced = trainer.render(right.camera);
  trainer.setCamera(1, right.camera);
  trainer.setCamera(99, right.camera);
  const before = trainer.score(1)?.psnr ?? NaN;
  for (let i = 0; i < 120; i++) trainer.advance();
  expect(trainer.score(1)?.psnr).toBeGreaterThan(before + 3);
  expect(trainer.render(right.camera)).not.toEqual(misplaced);
  expect(trainer.score(99)).toBeNull();
});
