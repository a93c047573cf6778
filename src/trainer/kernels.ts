/**
 * The SIMD kernels as WebAssembly: the stages of `stages.ts` again, four numbers at a time. Their sources are the
 * AssemblyScript files in kernels/; `npm run build` compiles them to kernels/plain.wasm and kernels/relaxed.wasm.
 * The functions in this folder's other files are the readable reference that tests compare them with.
 */

/** What a step is made of, for one thread: the work on one item of each stage. */
export interface Kernels {
  /** Gaussians [from, to), one chunk → `splats`, `depths`. */
  readonly project: (from: number, to: number) => void;
  /** Binning: see `binning.ts`. `countPairs` and `startTiles` are the owner's, between stages. */
  readonly boxSplats: (from: number, to: number) => void;
  readonly countPairs: () => number;
  readonly sortAndCount: (item: number) => void;
  readonly startTiles: () => void;
  readonly fillTiles: (band: number) => void;
  readonly rasterizeTile: (tile: number) => void;
  /** The two passes of the loss over a block of one channel. */
  readonly ssimDerivatives: (item: number) => void;
  readonly imageGradients: (item: number) => void;
  readonly rasterizeTileBackward: (tile: number) => void;
  /** Gaussians [from, to), one chunk: gather gradients, regularise, Adam, noise. */
  readonly updateGaussians: (from: number, to: number) => void;
}

interface Exports extends Kernels {
  readonly setThread: (index: number) => void;
}

/** Kernels over `memory` for one thread; `thread` 0 is the owner, each has working room of its own. */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  thread: number,
): Kernels {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = exports as Exports;
  kernels.setThread(thread);
  return kernels;
}

/** Which build of the kernels this machine runs fastest: fused multiply-add needs relaxed SIMD (Node 22 and later). */
export function kernelBuild(): "relaxed" | "plain" {
  // (module (func (param v128 v128 v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))
  const probe = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0,
    32, 1, 32, 2, 253, 133, 2, 11,
  ];
  return WebAssembly.validate(Uint8Array.from(probe)) ? "relaxed" : "plain";
}
