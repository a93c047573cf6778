/**
 * The stages of a step, in order, over one set of arrays. A stage's items are independent of each other, so a pool
 * may run them anywhere; whether the SIMD kernels or the reference run them changes nothing but the last digits.
 */
import type { Kernels } from "./kernels.ts";
import { bandCount } from "./loss.ts";
import { CHUNK, type Views } from "./memory.ts";
import type { Stage } from "./pool.ts";
import * as SCALAR from "./scalars.ts";

/** Position of each stage in `createStages`. Binning runs between `project` and `rasterize`, on one thread. */
export const STAGE = {
  project: 0,
  rasterize: 1,
  composeTarget: 2,
  blurMoments: 3,
  ssimDerivatives: 4,
  blurDerivatives: 5,
  imageGradients: 6,
  rasterizeBackward: 7,
  update: 8,
  // Before and after the loss, for frames that have an exposure of their own.
  applyExposure: 9,
  exposureGradients: 10,
} as const;

/** Stages over `views`, indexed by `STAGE`. */
export function createStages(views: Views, kernels: Kernels): readonly Stage[] {
  const { scalars } = views;
  const bands = (run: (item: number) => void): Stage => ({ items: () => bandCount(views), run });
  const tiles = (run: (tile: number) => void): Stage => ({ items: () => scalars[SCALAR.tiles], run });
  const chunks = (run: (from: number, to: number) => void): Stage => ({
    items: () => Math.ceil(scalars[SCALAR.count] / CHUNK),
    run: (item) => run(item * CHUNK, Math.min(scalars[SCALAR.count], (item + 1) * CHUNK)),
  });
  return [
    chunks(kernels.project),
    tiles(kernels.rasterizeTile),
    bands(kernels.composeTarget),
    bands(kernels.blurMoments),
    bands(kernels.ssimDerivatives),
    bands(kernels.blurDerivatives),
    bands(kernels.imageGradients),
    tiles(kernels.rasterizeTileBackward),
    chunks(kernels.updateGaussians),
    bands(kernels.applyExposure),
    bands(kernels.exposureGradients),
  ];
}
