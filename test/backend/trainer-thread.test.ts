/** The trainer behind its thread, as the backend has it. */
import { afterEach, describe, expect, it } from "vitest";
import { startTraining } from "../../src/backend/trainer-thread.ts";
import type { Training, TrainingEvent, TrainingSettings } from "../../src/backend/training.ts";
import { drawnFrames } from "../trainer/scenes.ts";

const SETTINGS: TrainingSettings = {
  threads: 2,
  maxGaussians: 400,
  shDegree: 1,
  antialiased: false,
  background: "black",
  seed: 7,
  live: true,
  bounds: { min: [-0.7, -0.7, -0.02], max: [0.7, 0.7, 0.4] },
  exposure: false,
};

interface Running {
  readonly training: Training;
  readonly events: TrainingEvent[];
  /** The first event of this type, past or to come. */
  readonly next: <Type extends TrainingEvent["type"]>(
    type: Type,
  ) => Promise<Extract<TrainingEvent, { type: Type }>>;
}

const open: Training[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((training) => training.close()));
});

async function start(changes: Partial<TrainingSettings> = {}): Promise<Running> {
  const events: TrainingEvent[] = [];
  let heard: () => void = () => {};
  const training = await startTraining({ ...SETTINGS, ...changes }, (event) => {
    events.push(event);
    heard();
  });
  open.push(training);
  async function next<Type extends TrainingEvent["type"]>(type: Type) {
    for (;;) {
      const found = events.find((event) => event.type === type);
      if (found !== undefined) return found as Extract<TrainingEvent, { type: Type }>;
      await new Promise<void>((resolve) => (heard = resolve));
    }
  }
  return { training, events, next };
}

describe("training behind a thread", () => {
  it("is the same with one, two and three threads, and learns", async () => {
    const frames = drawnFrames(6);
    const run = async (threads: number, steps: number) => {
      const { training, next } = await start({ threads, live: false, maxGaussians: 3000 });
      for (const frame of frames) training.addFrame(frame);
      training.finish({ steps });
      const { gaussians, step } = await next("finished");
      return { gaussians, step, scores: await training.score([1, 2, 3, 4, 5, 6, 99]) };
    };
    const [first, one, two, three] = await Promise.all([run(1, 1), run(1, 150), run(2, 150), run(3, 150)]);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
    expect(one.step).toBe(150);
    expect(one.scores.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
    one.scores.forEach(({ psnr, ssim }, i) => {
      expect(psnr).toBeGreaterThan(first.scores[i].psnr + 4);
      expect(ssim).toBeGreaterThan(first.scores[i].ssim + 0.2);
    });
  });

  it("says what happens, in order: each frame's first step, where it stands at the end, finished", async () => {
    const { training, events, next } = await start();
    const frames = drawnFrames(5).map((frame) => ({ ...frame, holdout: frame.index === 5 }));
    for (const frame of frames) training.addFrame(frame);
    training.finish({ steps: 60 });
    const { step, gaussians } = await next("finished");
    expect(step).toBeGreaterThanOrEqual(60);
    const trained = events.flatMap((event) => (event.type === "trained" ? event.indices : []));
    expect(trained.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    const last = events.at(-2);
    expect(last).toMatchObject({ type: "progress", phase: "done", step, gaussianCount: gaussians.count });
    expect(last?.type === "progress" && last.psnrTrain).toBeGreaterThan(5);
    expect(last?.type === "progress" && last.psnrHoldout).toBeGreaterThan(5);
    expect(events.filter(({ type }) => type === "failed")).toEqual([]);
  });

  it("finishes at once with no frames, with no Gaussians", async () => {
    const { training, next } = await start();
    training.finish({ steps: 1000 });
    expect(await next("finished")).toMatchObject({ step: 0, gaussians: { count: 0 } });
    expect(await training.snapshot()).toBeNull();
  });

  it("finishes when frames show nothing at all", async () => {
    const { training, next } = await start();
    const [frame] = drawnFrames(1);
    training.addFrame({ ...frame, rgba: new Uint8Array(frame.rgba.length) });
    training.finish({ steps: 1000 });
    expect(await next("finished")).toMatchObject({ gaussians: { count: 0 } });
  });

  it("answers between steps while it trains, and takes changes of everything", async () => {
    const { training, next, events } = await start();
    expect(await training.snapshot()).toBeNull();
    const frames = drawnFrames(4);
    for (const frame of frames) training.addFrame(frame);
    await next("trained");
    const first = await training.snapshot();
    expect(first?.gaussians.count).toBeGreaterThan(0);
    training.setSettings({ maxGaussians: 3000, shDegree: 0, background: "white" });
    training.setMask({ width: 1, height: 2, values: Uint8Array.of(1, 0) });
    training.setCamera(2, frames[0].camera);
    training.addPoints({ positions: Float32Array.of(0, 0, 0.1, 0.1, 0, 0.1), colors: new Float32Array(6) });
    const second = await training.snapshot();
    expect(second?.gaussians.shDegree).toBe(0);
    expect(second?.gaussians.count).toBeGreaterThanOrEqual((first?.gaussians.count ?? 0) + 2);
    expect(second?.gaussians.means.every(Number.isFinite)).toBe(true);
    const image = await training.render({ ...frames[0].camera, width: 60, height: 40 });
    expect(image.length).toBe(60 * 40 * 3);
    expect(new Set(image).size).toBeGreaterThan(20);
    expect((await training.score([1])).map(({ index }) => index)).toEqual([1]);
    training.finish({ steps: 5 });
    await next("finished");
    expect(events.filter(({ type }) => type === "failed")).toEqual([]);
  });

  it("goes on from its checkpoint in another thread, exactly as it would have itself", async () => {
    const frames = drawnFrames(3);
    const first = await start({ live: false });
    expect(await first.training.checkpoint()).toBeNull();
    for (const frame of frames) first.training.addFrame(frame);
    first.training.finish({ steps: 200 });
    await first.next("trained");
    const state = await first.training.checkpoint();
    expect(state?.finish?.stepsMade).toBe(state?.step);
    const straight = await first.next("finished");

    const second = await start({ live: false });
    for (const frame of frames) second.training.addFrame(frame);
    if (state !== null) second.training.restore(state);
    const { gaussians, step } = await second.next("finished");
    expect(step).toBe(200);
    expect(gaussians).toEqual(straight.gaussians);
    expect((await second.training.checkpoint())?.done).toBe(true);
    // Not its own arrays: those it goes on with.
    expect((await second.training.snapshot())?.gaussians).toEqual(gaussians);
  });

  it("closes in the midst of training, and refuses questions from then on", async () => {
    const { training, next, events } = await start({ threads: 3 });
    for (const frame of drawnFrames(4)) training.addFrame(frame);
    await next("trained");
    const asked = training.snapshot();
    const closing = training.close();
    await expect(training.snapshot()).rejects.toMatchObject({ code: "internal" });
    await closing;
    expect((await asked)?.gaussians.count).toBeGreaterThan(0);
    await training.close();
    expect(events.filter(({ type }) => type === "failed")).toEqual([]);
  });

  it("says so once when it cannot have the memory it needs, at the start or later", async () => {
    const events: TrainingEvent[] = [];
    await expect(
      startTraining({ ...SETTINGS, maxGaussians: 1e9 }, (event) => events.push(event)),
    ).rejects.toMatchObject({ code: "internal" });
    expect(events.map(({ type }) => type)).toEqual(["failed"]);

    const running = await start();
    running.training.setSettings({ maxGaussians: 1e9 });
    await expect(running.training.snapshot()).rejects.toMatchObject({ code: "internal" });
    await expect(running.training.render(drawnFrames(1)[0].camera)).rejects.toMatchObject({
      code: "internal",
    });
    await running.training.close();
    expect(running.events.filter(({ type }) => type === "failed").length).toBe(1);
  });
});
