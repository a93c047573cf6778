/** A helper thread of the trainer: serves stages on the shared memory until told to stop. */
import { workerData } from "node:worker_threads";
import { instantiateKernels } from "../trainer/kernels.ts";
import type { PoolWorkerData } from "./trainer-messages.ts";
import { stepAside } from "./step-aside.ts";
import { viewsOf } from "../trainer/memory.ts";
import { CONTROL_WORDS } from "../trainer/kernels/layout.ts";
import { serveStages } from "../trainer/pool.ts";
import { referenceKernels } from "../trainer/reference.ts";
import { createStages } from "../trainer/stages.ts";

const { memory, kernels, live } = workerData as PoolWorkerData;

if (live) stepAside();

serveStages(
  new Int32Array(memory.buffer, 0, CONTROL_WORDS),
  ([gaussians, shCount, pixels, pairs, threads], thread) => {
    const views = viewsOf(memory, { gaussians, shCount, pixels, pairs, threads });
    const own = kernels === null ? referenceKernels(views) : instantiateKernels(kernels, memory, thread);
    return createStages(views, own);
  },
);
