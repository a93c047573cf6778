/** Pictures with something in them, for a trainer that is to find Gaussians there. */
import sharp from "sharp";

/** A JPEG of blurred noise, its own for each seed, 64×48. */
export async function noise(seed: number): Promise<Uint8Array> {
  let state = seed * 2_654_435_761;
  const pixels = Buffer.from(
    Array.from({ length: 16 * 12 * 3 }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
  return await sharp(pixels, { raw: { width: 16, height: 12, channels: 3 } })
    .resize(64, 48)
    .jpeg()
    .toBuffer();
}
