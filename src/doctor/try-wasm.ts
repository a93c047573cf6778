/** Whether training runs on this machine: the kernels themselves, and memory that threads share. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { compileKernels } from "../backend/kernels-file.ts";
import { kernelBuild } from "../trainer/kernels.ts";

/** A thread that writes into the memory that it is given. */
const THREAD = `
const { workerData } = require("node:worker_threads");
Atomics.store(new Int32Array(workerData.buffer), 0, 42);
`;

/** Compile the kernels, and share memory with a thread. Throws what does not work; which build this machine runs. */
export async function tryWasm(signal: AbortSignal): Promise<"relaxed" | "plain"> {
  const build = kernelBuild();
  await compileKernels(build);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const worker = new Worker(THREAD, { eval: true, workerData: memory, stdout: true, stderr: true });
  try {
    await once(worker, "exit", { signal });
  } finally {
    await worker.terminate();
  }
  if (Atomics.load(new Int32Array(memory.buffer), 0) === 42) return build;
  throw new Error("a thread does not see the memory that it shares");
}
