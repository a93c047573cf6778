/** The small numbers of the current step, shared with every worker: index of each in `views.scalars`. */
export const SCALAR = {
  width: 0,
  height: 1,
  /** Tiles per row. */
  tilesX: 2,
  tiles: 3,
  /** Gaussians in use. */
  count: 4,
  shCount: 5,
  /** Degree evaluated now, ≤ the degree stored. */
  shDegree: 6,
  fx: 8,
  fy: 9,
  cx: 10,
  cy: 11,
  /** [9] world-to-camera rotation, row-major, OpenCV axes. */
  rotation: 12,
  /** [3] world-to-camera translation. */
  translation: 21,
  /** [3] camera centre in the world. */
  center: 24,
  /** [3] colour behind the scene. */
  background: 27,
  /** 1 when `frameMask` holds zeros. */
  masked: 30,
  /** Weight of L1 and of SSIM per value, already divided by the number of values. */
  l1Weight: 31,
  ssimWeight: 32,
  /** Adam steps made, from 1; the bias corrections follow from it. */
  adamStep: 33,
  /** Learning rates. */
  meansRate: 34,
  logScalesRate: 35,
  quatsRate: 36,
  opacitiesRate: 37,
  shRate: 38,
  shRestRate: 39,
  /** Regularisers of the MCMC strategy, already divided by the number of values. */
  opacityWeight: 40,
  scaleWeight: 41,
  /** Noise of the MCMC strategy, learning rate included; 0 = none. */
  noise: 42,
  seed: 43,
  /** [3] gain and [3] bias of the current frame's exposure. */
  gain: 52,
  bias: 55,
} as const;

export const SCALAR_COUNT = 64;
