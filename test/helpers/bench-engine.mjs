/** The trainer's engine with its helper threads, for benchmarks: the one place that knows how it is put together. */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { compileKernels } from "../../dist/backend/kernels-file.js";
import { Engine } from "../../dist/trainer/engine.js";
import { instantiateKernels, kernelBuild } from "../../dist/trainer/kernels.js";
import { CONTROL_WORDS } from "../../dist/trainer/kernels/layout.js";
import { allocateMemory } from "../../dist/trainer/memory.js";
import { readyHelpers, stopHelpers } from "../../dist/trainer/pool.js";

const WORKER = new URL("../../dist/backend/pool-worker.js", import.meta.url);

/** Names of the kernels an engine can be opened with, the plainest first, the one the trainer takes last. */
export const KERNELS = [...new Set(["reference", "plain", kernelBuild()])];

/**
 * An engine on `threads` threads, the caller's included. `capacity` as in `trainer/memory.ts`; what is left out is small
 * and grows. `close` ends the threads.
 */
export async function openEngine({ capacity, threads = 1, kernels = KERNELS.at(-1) }) {
  const whole = { gaussians: 1000, shCount: 16, pixels: 1 << 16, pairs: 1 << 18, ...capacity, threads };
  const module = kernels === "reference" ? null : await compileKernels(kernels);
  const memory = allocateMemory(whole);
  const control = new Int32Array(memory.buffer, 0, CONTROL_WORDS);
  const workerData = { memory, kernels: module, live: false };
  const workers = Array.from({ length: threads - 1 }, () => new Worker(WORKER, { workerData }));
  while (readyHelpers(control) < workers.length) await sleep(5);
  return {
    engine: new Engine(memory, whole, module && instantiateKernels(module, memory, 0)),
    close: () => stopHelpers(control),
  };
}
