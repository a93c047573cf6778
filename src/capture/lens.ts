/** The lens as transforms.json describes it: nerfstudio and instant-ngp keys, or Blender's field of view alone. */
import { z } from "zod";
import { SplatError } from "../errors.ts";

/** Intrinsics for images of w × h pixels, in the contract's words; k1…p2 as OpenCV defines them. */
export interface DatasetCamera {
  readonly model: "PINHOLE" | "OPENCV";
  readonly w: number;
  readonly h: number;
  readonly fl_x: number;
  readonly fl_y: number;
  readonly cx: number;
  readonly cy: number;
  readonly k1: number;
  readonly k2: number;
  readonly p1: number;
  readonly p2: number;
}

const number = z.number().optional();

/** The keys about the lens, at the top of the file or in one frame. */
export const lensSchema = z.object({
  camera_model: z.string().optional(),
  is_fisheye: z.boolean().optional(),
  camera_angle_x: number,
  camera_angle_y: number,
  w: number,
  h: number,
  fl_x: number,
  fl_y: number,
  cx: number,
  cy: number,
  k1: number,
  k2: number,
  k3: number,
  k4: number,
  p1: number,
  p2: number,
});
export type Lens = z.infer<typeof lensSchema>;

export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

const SUPPORTED_MODELS = ["OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"];

/** Whether these keys say how long the lens is. */
export function hasFocalLength(lens: Lens): boolean {
  return lens.fl_x !== undefined || lens.camera_angle_x !== undefined;
}

/**
 * Camera of lens keys. `imageSize` stands in where w and h are not given.
 * Throws `bad_input` for a fisheye or another model that is not pinhole with radial and tangential distortion,
 * and for a lens that cannot be.
 */
export function cameraOf(lens: Lens, imageSize: ImageSize | null): DatasetCamera {
  requireSupported(lens);
  const [w, h] = [lens.w ?? imageSize?.width, lens.h ?? imageSize?.height];
  if (w === undefined || h === undefined) {
    throw badLens("the image size is unknown: no w and h, and no image to look at", {
      hint: "Add w and h to transforms.json.",
    });
  }
  const flX = lens.fl_x ?? focalLength(w, lens.camera_angle_x);
  if (flX === undefined) {
    throw badLens("no focal length: neither fl_x nor camera_angle_x", {
      hint: "Add fl_x to transforms.json.",
    });
  }
  const flY = lens.fl_y ?? focalLength(h, lens.camera_angle_y) ?? flX;
  if (!isSize(w) || !isSize(h) || !(flX > 0) || !(flY > 0)) {
    throw badLens(`w=${w} h=${h} fl_x=${flX} fl_y=${flY} cannot be a lens`);
  }
  const { cx = w / 2, cy = h / 2 } = lens;
  return { w, h, fl_x: flX, fl_y: flY, cx, cy, ...distortionOf(lens) };
}

function requireSupported({ camera_model: model = "OPENCV", is_fisheye: isFisheye, k3, k4 }: Lens): void {
  if (isFisheye === true || !SUPPORTED_MODELS.includes(model)) {
    throw badLens(`camera_model ${isFisheye === true ? "fisheye" : model} is not supported`, {
      hint: "Undistort the images to a pinhole camera first (OPENCV and PINHOLE are supported).",
    });
  }
  if ((k3 ?? 0) !== 0 || (k4 ?? 0) !== 0) {
    throw badLens("distortion terms k3 and k4 are not supported", {
      hint: "Undistort the images first, or calibrate with k1, k2, p1, p2 only.",
    });
  }
}

/** The terms decide the model: files say OPENCV for undistorted images too. */
function distortionOf({ k1 = 0, k2 = 0, p1 = 0, p2 = 0 }: Lens) {
  const isDistorted = [k1, k2, p1, p2].some((term) => term !== 0);
  return { model: isDistorted ? "OPENCV" : "PINHOLE", k1, k2, p1, p2 } as const;
}

function focalLength(size: number, angleRad: number | undefined): number | undefined {
  return angleRad === undefined ? undefined : size / 2 / Math.tan(angleRad / 2);
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}

function badLens(message: string, options: { hint?: string } = {}): SplatError {
  return new SplatError("bad_input", `the camera in transforms.json: ${message}`, options);
}
