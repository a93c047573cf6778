/** What the kernels' module exports: see `Kernels` in ../kernels.ts. */
import { countPairs, fillPairs } from "./binning.ts";
import { imageGradients, ssimDerivatives } from "./loss.ts";
import { setThread } from "./memory.ts";
import { rasterizeTile, rasterizeTileBackward } from "./rasterize.ts";

export {
  countPairs,
  fillPairs,
  imageGradients,
  rasterizeTile,
  rasterizeTileBackward,
  setThread,
  ssimDerivatives,
};
