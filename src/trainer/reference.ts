/** The stages in plain TypeScript: readable, in double precision inside; what the SIMD kernels are compared with. */
import { boxSplats, countPairs, fillTiles, sortAndCount, startTiles } from "./binning.ts";
import type { Kernels } from "./kernels.ts";
import { imageGradients, ssimDerivatives } from "./loss.ts";
import type { Views } from "./memory.ts";
import { project } from "./projection.ts";
import { rasterizeTile, rasterizeTileBackward } from "./rasterize.ts";
import { updateGaussians } from "./update.ts";

/** The reference over `views`. */
export function referenceKernels(views: Views): Kernels {
  return {
    project: (from, to) => project(views, from, to),
    boxSplats: (from, to) => boxSplats(views, from, to),
    countPairs: () => countPairs(views),
    sortAndCount: (item) => sortAndCount(views, item),
    startTiles: () => startTiles(views),
    fillTiles: (band) => fillTiles(views, band),
    rasterizeTile: (tile) => rasterizeTile(views, tile),
    ssimDerivatives: (item) => ssimDerivatives(views, item),
    imageGradients: (item) => imageGradients(views, item),
    rasterizeTileBackward: (tile) => rasterizeTileBackward(views, tile),
    updateGaussians: (from, to) => updateGaussians(views, from, to),
  };
}
