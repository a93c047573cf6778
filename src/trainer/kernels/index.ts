/** What the kernels' module exports: see `Kernels` in ../kernels.ts. */
import { boxSplats, countPairs, fillTiles, sortAndCount, startTiles } from "./binning.ts";
import { imageGradients, ssimDerivatives } from "./loss.ts";
import { setThread } from "./memory.ts";
import { project } from "./projection.ts";
import { rasterizeTile, rasterizeTileBackward } from "./rasterize.ts";
import { updateGaussians } from "./update.ts";

export {
  boxSplats,
  countPairs,
  fillTiles,
  imageGradients,
  project,
  rasterizeTile,
  rasterizeTileBackward,
  setThread,
  sortAndCount,
  ssimDerivatives,
  startTiles,
  updateGaussians,
};
