/** A scene: N anisotropic 3D Gaussians as a structure of arrays. */

/** Degree of the spherical harmonics that carry view-dependent colour. */
export type ShDegree = 0 | 1 | 2 | 3;

/**
 * N Gaussians, in the parameters they are trained in and the PLY stores
 * (Kerbl et al. 2023, "3D Gaussian Splatting for Real-Time Radiance Field Rendering").
 */
export interface Gaussians {
  readonly count: number;
  readonly shDegree: ShDegree;
  /** [N,3] centre, metres. */
  readonly means: Float32Array;
  /** [N,3] natural logarithm of the standard deviation along each own axis, metres. */
  readonly logScales: Float32Array;
  /** [N,4] rotation w, x, y, z; need not be normalised. */
  readonly quats: Float32Array;
  /** [N] logit of opacity. */
  readonly opacities: Float32Array;
  /** [N,3,K] colour coefficients, channel-major, K = (shDegree + 1)². */
  readonly sh: Float32Array;
}

/** Coefficients per colour channel: K = (degree + 1)². */
export function shCount(degree: ShDegree): number {
  return (degree + 1) ** 2;
}

/** Zero-filled arrays for `count` Gaussians. */
export function allocateGaussians(count: number, shDegree: ShDegree): Gaussians {
  return {
    count,
    shDegree,
    means: new Float32Array(count * 3),
    logScales: new Float32Array(count * 3),
    quats: new Float32Array(count * 4),
    opacities: new Float32Array(count),
    sh: new Float32Array(count * 3 * shCount(shDegree)),
  };
}
