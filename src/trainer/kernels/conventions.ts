/**
 * The conventions of the renderer and of the loss that kernels and reference must share. Plain constants, because
 * AssemblyScript and TypeScript both read this file.
 */

/** Gaussians nearer than this are not drawn, metres. */
export const NEAR = 0.01;
/** Variance added to each splat so that none falls between pixels, px². */
export const BLUR = 0.3;
/** Least det before / det after the blur: below it antialiasing makes a splat no fainter. */
export const FILTER_MIN = 0.000025;
/** Alpha below this is not drawn: 1 / 255. */
export const ALPHA_MIN = 0.00392156862745098;
export const ALPHA_MAX = 0.999;
/** A pixel is closed before its transmittance would fall to this. */
export const TRANSMITTANCE_MIN = 0.0001;
/** Colours are cut here: far above any use, and low enough that sums and squares of them stay sound in float. */
export const COLOR_MAX = 100;
/** Splats larger than this are not drawn, px: their numbers no longer fit what they are stored in. */
export const EXTENT_MAX = 1000000000;
/** Largest correlation of a splat's axes that is still a proper ellipse once rounded to float. */
export const CORRELATION_MAX = 0.9999997;
/** The Jacobian is taken no further out than this many half-views. */
export const JACOBIAN_LIMIT = 1.3;

/** SSIM's constants, 0.01² and 0.03², and the radius of its window. */
export const SSIM_C1 = 0.0001;
export const SSIM_C2 = 0.0009;
export const SSIM_RADIUS = 5;

/** A Gaussian this transparent is dead. */
export const DEAD_OPACITY = 0.005;
/** Noise weaker than this, as a share of a Gaussian's own spread, is left out. */
export const NOISE_MIN = 0.001;

/** Adam's. */
export const BETA1 = 0.9;
export const BETA2 = 0.999;
export const EPSILON = 1e-15;
