/** The kernels as built, for tests. */
import { compileKernels } from "../../src/backend/kernels-file.ts";

/** The build that this Node would take. */
export const KERNELS: WebAssembly.Module = await compileKernels();
