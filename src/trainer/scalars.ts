/**
 * The small numbers of the current step, shared with every worker: index of each in `views.scalars`.
 * Plain constants, one by one, because the kernels (AssemblyScript) read this file too.
 */
export const width = 0;
export const height = 1;
/** Tiles per row. */
export const tilesX = 2;
export const tiles = 3;
/** Gaussians in use. */
export const count = 4;
export const shCount = 5;
/** Degree evaluated now, ≤ the degree stored. */
export const shDegree = 6;
export const fx = 8;
export const fy = 9;
export const cx = 10;
export const cy = 11;
/** [9] world-to-camera rotation, row-major, OpenCV axes. */
export const rotation = 12;
/** [3] world-to-camera translation. */
export const translation = 21;
/** [3] camera centre in the world. */
export const center = 24;
/** [3] colour behind the scene. */
export const background = 27;
/** 1 when `frameMask` holds zeros. */
export const masked = 30;
/** Weight of L1 and of SSIM per value, already divided by the number of values. */
export const l1Weight = 31;
export const ssimWeight = 32;
/** Adam steps made, from 1; the bias corrections follow from it. */
export const adamStep = 33;
/** Learning rates. */
export const meansRate = 34;
export const logScalesRate = 35;
export const quatsRate = 36;
export const opacitiesRate = 37;
export const shRate = 38;
export const shRestRate = 39;
/** Regularisers of the MCMC strategy, already divided by the number of values. */
export const opacityWeight = 40;
export const scaleWeight = 41;
/** Noise of the MCMC strategy, learning rate included; 0 = none. */
export const noise = 42;
export const seed = 43;
/** Gaussians on the image of the current camera. */
export const visible = 44;
/** 1 = Adam updates only Gaussians that this step's image shows. */
export const sparseAdam = 45;
/** 1 = a splat's opacity falls as the blur widens it (Mip-Splatting's 2D filter). */
export const antialiased = 46;
/** [3] gain and [3] bias of the current frame's exposure. */
export const gain = 47;
export const bias = 50;
/** Bands of tile rows that binning is split into. */
export const bands = 53;

export const SCALAR_COUNT = 56;
