/** The scene's mask: hides what moves with the camera. */
import type { CameraModel } from "../api/schema.ts";
import { checkHeader, decoded, imageTypeOf, openImage, sameAspect } from "./image.ts";
import { refuse } from "../http/refuse.ts";
import type { SceneMask } from "./training.ts";

/**
 * Check and decode a mask: white = trained and scored.
 * Throws `unsupported_media` unless it is a PNG, `bad_image` when it does not decode, `bad_request` when it has
 * another aspect than the camera.
 */
export async function decodeMask(png: Uint8Array, camera: CameraModel | null): Promise<SceneMask> {
  if (imageTypeOf(png) !== "png") throw refuse("unsupported_media", "a mask must be a PNG");
  const { width, height } = await checkHeader(png);
  if (camera !== null && !sameAspect({ width, height }, { width: camera.w, height: camera.h })) {
    throw refuse("bad_request", `the mask is ${width}×${height}, the camera ${camera.w}×${camera.h}`, {
      hint: "A mask has the camera's size, or its aspect.",
    });
  }
  const grey = await decoded(
    openImage(png).removeAlpha().toColourspace("b-w").extractChannel(0).raw({ depth: "uchar" }),
  );
  return { width, height, values: Uint8Array.from(grey, (value) => (value >= 128 ? 1 : 0)) };
}
