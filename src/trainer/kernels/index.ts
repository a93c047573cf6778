/** What the kernels' module exports: see `Kernels` in ../kernels.ts. */
import { boxSplats, countPairs, fillTiles, sortAndCount, startTiles } from "./binning.ts";
import { imageGradients, ssimDerivatives } from "./loss.ts";
import { setThread } from "./memory.ts";
import { project } from "./projection.ts";
import { rasterizeTile } from "./rasterize.ts";
import { rasterizeTileBackward } from "./rasterize-backward.ts";
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
