/** Stages shared by real helper threads: the same numbers, bit for bit, however many share them. */
import { Worker } from "node:worker_threads";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/trainer/engine.ts";
import { allocateMemory } from "../../src/trainer/memory.ts";
import { CONTROL_WORDS } from "../../src/trainer/kernels/layout.ts";
import { instantiateKernels } from "../../src/trainer/kernels.ts";
import { createPool, readyHelpers, stopHelpers, type Stage } from "../../src/trainer/pool.ts";
import { Trainer } from "../../src/trainer/train.ts";
import { KERNELS } from "./kernels.ts";
import { drawnFrames } from "./scenes.ts";

/** Workers need compiled code; the tests' setup has built it. */
const WORKER = new URL("../../dist/backend/pool-worker.js", import.meta.url);
const CAPACITY = { gaussians: 600, shCount: 4, pixels: 1 << 12, pairs: 1 << 10 };

const running: { control: Int32Array; exits: Promise<number>[] }[] = [];

async function startHelpers(helpers: number): Promise<{ memory: WebAssembly.Memory; control: Int32Array }> {
  const memory = allocateMemory({ ...CAPACITY, threads: helpers + 1 });
  const control = new Int32Array(memory.buffer, 0, CONTROL_WORDS);
  const exits = Array.from({ length: helpers }, () => {
    const worker = new Worker(WORKER, { workerData: { memory, kernels: KERNELS, live: false } });
    return new Promise<number>((resolve) => {
      // A helper that throws ends with code 1; what it threw is for the pool to notice.
      worker.on("error", () => {});
      worker.on("exit", resolve);
    });
  });
  running.push({ control, exits });
  while (readyHelpers(control) < helpers) await sleep(2);
  return { memory, control };
}

afterEach(async () => {
  for (const { control, exits } of running.splice(0)) {
    stopHelpers(control);
    await Promise.all(exits);
  }
});

async function trainedWith(threads: number) {
  const { memory } = await startHelpers(threads - 1);
  const engine = new Engine(memory, { ...CAPACITY, threads }, instantiateKernels(KERNELS, memory, 0));
  const settings = {
    antialiased: false,
    maxGaussians: 500,
    shDegree: 1,
    background: "random",
    seed: 3,
    live: true,
  } as const;
  const trainer = new Trainer(engine, {
    ...settings,
    exposure: true,
    bounds: { min: [-0.7, -0.7, 0], max: [0.7, 0.7, 0.4] },
  });
  for (const frame of drawnFrames(20)) trainer.addFrame(frame);
  const reports = Array.from({ length: 50 }, () => trainer.advance());
  // The memory moves while helpers hold views of it.
  trainer.setSettings({ maxGaussians: 900, shDegree: 3 });
  for (let i = 0; i < 20; i++) reports.push(trainer.advance());
  const { exposures } = trainer.checkpoint();
  return {
    reports,
    exposures,
    gaussians: engine.extract(),
    camera: engine.cameraGradient(),
    score: trainer.score(2),
  };
}

describe("a trainer", () => {
  it("makes the same Gaussians with one, two and three threads", async () => {
    const one = await trainedWith(1);
    // More than one chunk, so that there was something to share.
    expect(one.gaussians.count).toBeGreaterThan(256);
    expect(one.exposures.length).toBeGreaterThan(0);
    expect(one.camera.some((value) => value !== 0)).toBe(true);
    expect(await trainedWith(2)).toEqual(one);
    expect(await trainedWith(3)).toEqual(one);
  });
});

describe("a pool", () => {
  it("runs every item once and waits for all of them", async () => {
    const { control } = await startHelpers(0);
    const done: number[] = [];
    const stage: Stage = { items: () => 57, run: (item) => done.push(item) };
    const pool = createPool(control, [stage], 0);
    pool.run(0);
    expect(done).toEqual(Array.from({ length: 57 }, (_, i) => i));
    pool.run(0);
    expect(done.length).toBe(114);
    expect(pool.threads).toBe(1);
  });

  it("fails instead of waiting for ever when a helper throws", async () => {
    const { control } = await startHelpers(2);
    // No such stage on the helpers' side.
    const nothing: Stage = { items: () => 0, run: () => {} };
    const stages = Array.from({ length: 100 }, () => nothing);
    const pool = createPool(control, stages, 2);
    expect(() => pool.run(99)).toThrow("a helper failed in stage 99");
  });

  it("lets its helpers go, also when they never worked", async () => {
    const { control } = await startHelpers(3);
    stopHelpers(control);
    const [{ exits }] = running.splice(0);
    expect(await Promise.all(exits)).toEqual([0, 0, 0]);
  });
});
