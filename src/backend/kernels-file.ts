/** Reads the compiled kernels that are shipped beside the trainer. */
import { readFile } from "node:fs/promises";
import { kernelBuild } from "../trainer/kernels.ts";

/** Tests load this file from src/; what was compiled lies in the built tree beside it. */
const FOLDER = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/trainer/kernels/" : "../trainer/kernels/",
  import.meta.url,
);

/** The kernels for this machine, ready to be handed to any thread. */
export async function compileKernels(build = kernelBuild()): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(new URL(`${build}.wasm`, FOLDER)));
}
