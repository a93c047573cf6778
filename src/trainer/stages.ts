/**
 * The stages of a step, in order, over one set of arrays. A stage's items are independent of each other, so a pool
 * may run them anywhere; faster kernels replace the function inside a stage and nothing else.
 */
import { applyExposure, exposureGradients } from "./exposure.ts";
import {
  bandCount,
  blurDerivatives,
  blurMoments,
  composeTarget,
  imageGradients,
  ssimDerivatives,
} from "./loss.ts";
import { CHUNK, type Views } from "./memory.ts";
import type { Stage } from "./pool.ts";
import { project } from "./projection.ts";
import { rasterizeTile, rasterizeTileBackward } from "./rasterize.ts";
import { SCALAR } from "./scalars.ts";
import { updateGaussians } from "./update.ts";

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
export function createStages(views: Views): readonly Stage[] {
  const { scalars } = views;
  const bands = (run: (views: Views, item: number) => void): Stage => ({
    items: () => bandCount(views),
    run: (item) => run(views, item),
  });
  const tiles = (run: (views: Views, item: number) => void): Stage => ({
    items: () => scalars[SCALAR.tiles],
    run: (item) => run(views, item),
  });
  const chunks = (run: (views: Views, from: number, to: number) => void): Stage => ({
    items: () => Math.ceil(scalars[SCALAR.count] / CHUNK),
    run: (item) => run(views, item * CHUNK, Math.min(scalars[SCALAR.count], (item + 1) * CHUNK)),
  });
  return [
    chunks(project),
    tiles(rasterizeTile),
    bands(composeTarget),
    bands(blurMoments),
    bands(ssimDerivatives),
    bands(blurDerivatives),
    bands(imageGradients),
    tiles(rasterizeTileBackward),
    chunks(updateGaussians),
    bands(applyExposure),
    bands(exposureGradients),
  ];
}
