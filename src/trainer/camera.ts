/**
 * Pinhole cameras, in the one convention the trainer uses inside:
 * OpenCV axes (x right, y down, z forward), world-to-camera rotation and translation, pixel centres at +0.5.
 * Everything outside (contract, data sets) speaks camera-to-world with OpenGL axes (x right, y up, looks along −z).
 */

/** 4×4, row-major, 16 numbers. */
export type Matrix4 = readonly number[];

/** Pinhole intrinsics for an image of `width` × `height` pixels. */
export interface Intrinsics {
  readonly width: number;
  readonly height: number;
  readonly fx: number;
  readonly fy: number;
  readonly cx: number;
  readonly cy: number;
}

/** Where a picture was taken from and through which lens. */
export interface Camera extends Intrinsics {
  /** [3,3] row-major world-to-camera rotation, OpenCV axes. */
  readonly rotation: readonly number[];
  /** [3] world-to-camera translation, metres: p_cam = R · p_world + t. */
  readonly translation: readonly number[];
}

/** Camera of intrinsics and a camera-to-world pose with OpenGL axes. The rotation part must be orthonormal. */
export function cameraFromPose(intrinsics: Intrinsics, cameraToWorld: Matrix4): Camera {
  const m = cameraToWorld;
  // OpenGL → OpenCV: y turns down, and the view direction is +z instead of −z.
  const rotation = [m[0], m[4], m[8], -m[1], -m[5], -m[9], -m[2], -m[6], -m[10]];
  const center = [m[3], m[7], m[11]];
  const translation = [0, 1, 2].map(
    (row) =>
      -(
        rotation[row * 3] * center[0] +
        rotation[row * 3 + 1] * center[1] +
        rotation[row * 3 + 2] * center[2]
      ),
  );
  const { width, height, fx, fy, cx, cy } = intrinsics;
  return { width, height, fx, fy, cx, cy, rotation, translation };
}

/** Camera-to-world pose, OpenGL axes, row-major: the inverse of `cameraFromPose`. */
export function poseOf(camera: Camera): number[] {
  const r = camera.rotation;
  const [x, y, z] = centerOf(camera);
  return [r[0], -r[3], -r[6], x, r[1], -r[4], -r[7], y, r[2], -r[5], -r[8], z, 0, 0, 0, 1];
}

/** [3] camera centre in the world, metres: −Rᵀt. */
export function centerOf(camera: Camera): [number, number, number] {
  const { rotation: r, translation: t } = camera;
  return [
    -(r[0] * t[0] + r[3] * t[1] + r[6] * t[2]),
    -(r[1] * t[0] + r[4] * t[1] + r[7] * t[2]),
    -(r[2] * t[0] + r[5] * t[1] + r[8] * t[2]),
  ];
}

/** The same lens on an image resized to `width` × `height` pixels. */
export function scaleIntrinsics(intrinsics: Intrinsics, width: number, height: number): Intrinsics {
  const sx = width / intrinsics.width;
  const sy = height / intrinsics.height;
  return {
    width,
    height,
    fx: intrinsics.fx * sx,
    fy: intrinsics.fy * sy,
    cx: intrinsics.cx * sx,
    cy: intrinsics.cy * sy,
  };
}
