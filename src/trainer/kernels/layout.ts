/**
 * What the kernels (AssemblyScript) and their callers (TypeScript) both must know of the shared memory.
 * Plain constants, because both languages read this file.
 */

/** Tiles are 16×16 pixels; a tile is the unit of work of the rasteriser. */
export const TILE = 16;
/** Numbers per projected splat: see `projection.ts`. */
export const SPLAT_STRIDE = 12;
/** Numbers per splat gradient: mean x, y · conic a, b, c · opacity · colour r, g, b. */
export const GRADIENT_STRIDE = 9;

/**
 * Pixels of a block, the unit of work of the loss: a multiple of 8 across, of 4 down. The kernel keeps four planes of a
 * block, ten rows and its padded rows in the working room of a thread.
 */
export const LOSS_WIDTH = 64;
export const LOSS_HEIGHT = 64;
/** Gaussians per unit of work of the per-Gaussian stages. */
export const CHUNK = 256;

/** Items of binning's first stage before its bands: sorting, and giving slots. */
export const BEFORE_BANDS = 2;

/** Words of the pool's control block, at the start of the memory. */
export const CONTROL_WORDS = 16;
/** Byte offset of the scalars. */
export const SCALARS_AT = 64;
/** Byte offset of the table of addresses. */
export const ADDRESSES_AT = 512;
export const ADDRESSES_MAX = 64;
/** The compiler puts the kernels' own constants from here … */
export const CONSTANTS_AT = 1024;
/** … to here at most. */
export const FREE_FROM = 8192;

/** Bytes of working room per thread. */
export const SCRATCH_BYTES = 131072;
