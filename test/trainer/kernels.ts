/** The kernels as built, for tests. */
import { compileKernels } from "../../src/backend/kernels-file.ts";

/** The build that runs on every Node; the relaxed one is compared where it runs. */
export const KERNELS: WebAssembly.Module = await compileKernels("plain");
