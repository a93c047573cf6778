/** What the kernels' module exports: see `Kernels` in ../kernels.ts. */
import { countPairs, fillPairs } from "./binning.ts";
import { imageGradients, ssimDerivatives } from "./loss.ts";
import { setThread } from "./memory.ts";
import { project } from "./projection.ts";
import { rasterizeTile, rasterizeTileBackward } from "./rasterize.ts";
import { updateGaussians } from "./update.ts";

export {
  countPairs,
  fillPairs,
  imageGradients,
  project,
  rasterizeTile,
  rasterizeTileBackward,
  setThread,
  ssimDerivatives,
  updateGaussians,
};
