/** Numbers of the contract that are needed where its schemas (and the library behind them) are not. */

/** Limits every backend keeps. */
export const LIMITS = {
  frameBytes: 32 * 1024 * 1024,
  jsonBytes: 64 * 1024,
  imagePixels: 64_000_000,
  imageSide: 16_384,
  frameIdLength: 128,
  /** Joint angles beyond this are surely degrees, rad. */
  jointAngleRad: 2 * Math.PI,
  jointHistoryS: 30,
  /** About 0.9 KB of memory each while they are trained, 2 KB at the worst moment. */
  gaussians: 2_000_000,
} as const;

/** The scene of whoever names none. */
export const MAIN_SCENE = "main";

/** What names of scenes are made of. */
export const SCENE_NAME = /^[a-z0-9-]{1,32}$/;

/** Port `splatctl serve` listens on and the other commands look for, unless told otherwise. */
export const DEFAULT_PORT = 7860;
