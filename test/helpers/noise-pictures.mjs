/** Pictures for loads: JPEGs as large as a camera's, made fast. */
import { randomFillSync } from "node:crypto";
import sharp from "sharp";

/** `count` JPEGs of 640×480. Smooth noise compresses as a photograph does. */
export async function makePictures(count) {
  const raw = { width: 160, height: 120, channels: 3 };
  const one = async () => {
    const noise = randomFillSync(Buffer.alloc(160 * 120 * 3));
    return await sharp(noise, { raw }).resize(640, 480).jpeg({ quality: 78 }).toBuffer();
  };
  return await Promise.all(Array.from({ length: count }, one));
}
