/** A helper thread of the trainer: serves stages on the shared memory until told to stop. */
import { workerData } from "node:worker_threads";
import { stepAside } from "./step-aside.ts";
import { viewsOf } from "../trainer/memory.ts";
import { CONTROL_WORDS, serveStages } from "../trainer/pool.ts";
import { createStages } from "../trainer/stages.ts";

const { memory, live } = workerData as { readonly memory: WebAssembly.Memory; readonly live: boolean };

if (live) stepAside();

serveStages(new Int32Array(memory.buffer, 0, CONTROL_WORDS), ([gaussians, shCount, pixels, pairs]) =>
  createStages(viewsOf(memory, { gaussians, shCount, pixels, pairs })),
);
