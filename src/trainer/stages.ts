/**
 * The stages of a step, in order, over one set of arrays. A stage's items are independent of each other, so a pool
 * may run them anywhere; whether the SIMD kernels or the reference run them changes nothing but the last digits.
 */
import { BEFORE_BANDS } from "./kernels/layout.ts";
import type { Kernels } from "./kernels.ts";
import { lossItems } from "./loss.ts";
import { CHUNK, type Views } from "./memory.ts";
import type { Stage } from "./pool.ts";
import * as SCALAR from "./scalars.ts";

/** Position of each stage in `createStages`. */
export const STAGE = {
  project: 0,
  sortAndCount: 1,
  fillTiles: 2,
  rasterize: 3,
  ssimDerivatives: 4,
  imageGradients: 5,
  rasterizeBackward: 6,
  update: 7,
} as const;

/** Stages over `views`, indexed by `STAGE`. */
export function createStages(views: Views, kernels: Kernels): readonly Stage[] {
  const { scalars } = views;
  const blocks = (run: (item: number) => void): Stage => ({ items: () => lossItems(views), run });
  const tiles = (run: (tile: number) => void): Stage => ({ items: () => scalars[SCALAR.tiles], run });
  const chunks = (run: (from: number, to: number) => void): Stage => ({
    items: () => Math.ceil(scalars[SCALAR.count] / CHUNK),
    run: (item) => run(item * CHUNK, Math.min(scalars[SCALAR.count], (item + 1) * CHUNK)),
  });
  return [
    chunks((from, to) => {
      kernels.project(from, to);
      kernels.boxSplats(from, to);
    }),
    { items: () => BEFORE_BANDS + scalars[SCALAR.bands], run: kernels.sortAndCount },
    { items: () => scalars[SCALAR.bands], run: kernels.fillTiles },
    tiles(kernels.rasterizeTile),
    blocks(kernels.ssimDerivatives),
    blocks(kernels.imageGradients),
    tiles(kernels.rasterizeTileBackward),
    chunks(kernels.updateGaussians),
  ];
}
