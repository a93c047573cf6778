/** Bytes somebody sent → an image the trainer can use, or a clear no. */
import sharp, { type Sharp } from "sharp";
import { LIMITS, type CameraModel } from "../api/schema.ts";
import { messageOf } from "../errors.ts";
import { scaleIntrinsics, type Intrinsics } from "../trainer/camera.ts";
import { isDistorted, undistort } from "../trainer/undistort.ts";
import { PictureMemory } from "./picture-memory.ts";
import { refuse } from "../http/refuse.ts";

// One libvips thread per image and no cache of operations: every frame is another one, and the trainer needs the cores.
sharp.concurrency(1);
sharp.cache(false);

export type ImageType = "jpeg" | "png";

/** An image as the trainer takes it, with the lens that fits its size. */
export interface DecodedImage {
  readonly type: ImageType;
  readonly intrinsics: Intrinsics;
  /** [height, width, 4] straight-alpha sRGB, on a SharedArrayBuffer. */
  readonly rgba: Uint8Array;
  /** [height, width] 0 = no source under the lens; null = every pixel counts. */
  readonly mask: Uint8Array | null;
  readonly warnings: readonly string[];
}

/** Horizontal field of view assumed when nobody gave a camera, degrees. */
const ASSUMED_FOV_DEG = 60;

/** How much an image's aspect may differ from its camera's before it is worth a word. */
const ASPECT_TOLERANCE = 0.01;

const SIGNATURES: Readonly<Record<ImageType, readonly number[]>> = {
  jpeg: [0xff, 0xd8, 0xff],
  png: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
};

/** What the bytes say they are, whatever their name. Throws `unsupported_media` for anything but JPEG and PNG. */
export function imageTypeOf(bytes: Uint8Array): ImageType {
  for (const type of ["jpeg", "png"] as const) {
    if (SIGNATURES[type].every((byte, i) => bytes[i] === byte)) return type;
  }
  throw refuse("unsupported_media", "the file is neither a JPEG nor a PNG by its bytes", {
    hint:
      bytes.length === 0 ? "It is empty: was it read while still being written?" : "Send JPEG or PNG images.",
  });
}

/** The lens that `decodeImage` gives with these bytes, from their header alone. Throws what it throws about headers. */
export async function measureImage(
  bytes: Uint8Array,
  camera: CameraModel | null,
  maxPixels: number,
): Promise<Intrinsics> {
  imageTypeOf(bytes);
  const { width, height } = await checkHeader(bytes);
  return intrinsicsFor(camera, fitPixels(width, height, maxPixels));
}

/**
 * Check and decode a frame: EXIF orientation applied, 8-bit sRGB, at most `maxPixels`, lens distortion removed.
 * An animated PNG counts as its first picture. The pixels lie in memory taken from `memory`.
 * Throws `unsupported_media`, or `bad_image` when it is too large or does not decode to its end.
 */
export async function decodeImage(
  bytes: Uint8Array,
  camera: CameraModel | null,
  maxPixels: number,
  memory: PictureMemory = new PictureMemory(),
): Promise<DecodedImage> {
  const type = imageTypeOf(bytes);
  const full = await checkHeader(bytes);
  const size = fitPixels(full.width, full.height, maxPixels);
  const data = await decoded(
    openImage(bytes)
      .autoOrient()
      .resize(size.width, size.height, { fit: "fill", fastShrinkOnLoad: false })
      .toColourspace("srgb")
      .ensureAlpha()
      .raw({ depth: "uchar" }),
  );
  const intrinsics = intrinsicsFor(camera, size);
  const warnings = camera === null ? [] : aspectWarnings(camera, full);
  const take = (length: number): Uint8Array => memory.take(length);
  if (camera !== null && isDistorted(camera)) {
    return { type, intrinsics, ...undistort(data, intrinsics, camera, take), warnings };
  }
  const rgba = take(data.length);
  rgba.set(data);
  return { type, intrinsics, rgba, mask: null, warnings };
}

/** Whether two images show the same field: their aspects agree within 1 %. */
export function sameAspect(
  a: { width: number; height: number },
  b: { width: number; height: number },
): boolean {
  return Math.abs((a.width * b.height) / (a.height * b.width) - 1) <= ASPECT_TOLERANCE;
}

/** The image behind the bytes, to be read to its end or not at all. */
export function openImage(bytes: Uint8Array): Sharp {
  // Truncation is an error; harmless warnings (webcams leave stray bytes between markers) are not.
  return sharp(bytes, { failOn: "error", limitInputPixels: LIMITS.imagePixels });
}

/**
 * Size with the orientation applied, from the header alone: nothing large is decoded before it is known to be small.
 * Throws `bad_image`.
 */
export async function checkHeader(bytes: Uint8Array): Promise<{ width: number; height: number }> {
  const header = await sharp(bytes, { failOn: "none", limitInputPixels: false })
    .metadata()
    .catch((error: unknown) => {
      throw badImage(error);
    });
  const { width, height } = header.autoOrient;
  if (width * height > LIMITS.imagePixels || Math.max(width, height) > LIMITS.imageSide) {
    throw refuse("bad_image", `the image is ${width}×${height}: too large`, {
      hint: `At most ${LIMITS.imagePixels / 1e6} million pixels and ${LIMITS.imageSide} on a side.`,
    });
  }
  return { width, height };
}

/** Run a pipeline. Throws `bad_image`. */
export async function decoded(pipeline: Sharp): Promise<Buffer> {
  try {
    return await pipeline.toBuffer();
  } catch (error) {
    throw badImage(error);
  }
}

function badImage(error: unknown): Error {
  const [reason] = messageOf(error).split("\n");
  return refuse("bad_image", `the image does not decode: ${reason.replace(/:\s*$/, "")}`, {
    hint: "It is damaged, or was read while still being written.",
    cause: error,
  });
}

/** Largest size of the same aspect within `maxPixels`; never larger than the image. */
function fitPixels(width: number, height: number, maxPixels: number): { width: number; height: number } {
  const scale = Math.min(1, Math.sqrt(maxPixels / (width * height)));
  return {
    width: Math.max(1, Math.floor(width * scale)),
    height: Math.max(1, Math.floor(height * scale)),
  };
}

function intrinsicsFor(
  camera: CameraModel | null,
  { width, height }: { width: number; height: number },
): Intrinsics {
  if (camera === null) {
    const focal = width / 2 / Math.tan((ASSUMED_FOV_DEG / 2) * (Math.PI / 180));
    return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2 };
  }
  const { w, h, fl_x, fl_y, cx, cy } = camera;
  return scaleIntrinsics({ width: w, height: h, fx: fl_x, fy: fl_y, cx, cy }, width, height);
}

function aspectWarnings(camera: CameraModel, image: { width: number; height: number }): string[] {
  if (sameAspect({ width: camera.w, height: camera.h }, image)) return [];
  return [
    `an image of ${image.width}×${image.height} came from a camera set to ${camera.w}×${camera.h}: ` +
      "its aspect differs, so its lens is only scaled to fit",
  ];
}
