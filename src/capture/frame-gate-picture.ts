/** A camera's picture, made small and grey for the gate. */
import sharp from "sharp";
import type { GreyPicture } from "./frame-gate-measures.ts";

// One thread an image and no cache of operations: every picture is another one, for days.
sharp.concurrency(1);
sharp.cache(false);

/**
 * Longer side, pixels. Blur that cannot be seen at this size does not matter to a trainer at its usual 131 072 pixels,
 * and a JPEG is decoded at half, a quarter or an eighth of its size for it.
 */
const SIDE = 320;

/** The picture in grey, 320 pixels on its longer side or its own size where that is less. Rejects when it does not decode. */
export async function greyPicture(bytes: Uint8Array): Promise<GreyPicture> {
  const { data, info } = await sharp(bytes, { failOn: "error" })
    .flatten({ background: "#fff" })
    .resize({ width: SIDE, height: SIDE, fit: "inside", withoutEnlargement: true })
    .toColourspace("b-w")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, pixels: data };
}
