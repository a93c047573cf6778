/** The stages in plain TypeScript: readable, in double precision inside; what the SIMD kernels are compared with. */
import { countPairs, fillPairs } from "./binning.ts";
import { applyExposure, exposureGradients } from "./exposure.ts";
import type { Kernels } from "./kernels.ts";
import { blurDerivatives, blurMoments, composeTarget, imageGradients, ssimDerivatives } from "./loss.ts";
import type { Views } from "./memory.ts";
import { project } from "./projection.ts";
import { rasterizeTile, rasterizeTileBackward } from "./rasterize.ts";
import { updateGaussians } from "./update.ts";

/** The reference over `views`. */
export function referenceKernels(views: Views): Kernels {
  return {
    project: (from, to) => project(views, from, to),
    countPairs: () => countPairs(views),
    fillPairs: () => fillPairs(views),
    rasterizeTile: (tile) => rasterizeTile(views, tile),
    composeTarget: (band) => composeTarget(views, band),
    blurMoments: (band) => blurMoments(views, band),
    ssimDerivatives: (band) => ssimDerivatives(views, band),
    blurDerivatives: (band) => blurDerivatives(views, band),
    imageGradients: (band) => imageGradients(views, band),
    applyExposure: (band) => applyExposure(views, band),
    exposureGradients: (band) => exposureGradients(views, band),
    rasterizeTileBackward: (tile) => rasterizeTileBackward(views, tile),
    updateGaussians: (from, to) => updateGaussians(views, from, to),
  };
}
