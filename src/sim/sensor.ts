/** From light to bytes: what a small camera's sensor makes of the light that reaches it. */
import { randomStream } from "../trainer/random.ts";
import { normalDraw } from "./normal-draw.ts";

/** sRGB bytes of linear light in equal steps from 0 to 1 (IEC 61966-2-1); finer than a byte even in the dark. */
const SRGB_BYTES = Uint8Array.from({ length: 8192 }, (_, i) => toSrgbByte(i / 8191));

/** Standard deviations in the darkest pixels and in full light, linear light 0…1, and where the random numbers begin. */
export interface SensorNoise {
  readonly dark: number;
  readonly bright: number;
  readonly seed: number;
}

/** What a webcam's pictures have in a lit room. */
export const WEBCAM_NOISE: SensorNoise = { dark: 0.003, bright: 0.02, seed: 1 };

/** How a picture is exposed. */
export interface Exposure {
  /** Factor on the light; what comes out above 1 is clipped. */
  readonly gain: number;
  readonly noise?: SensorNoise | undefined;
}

/** sRGB bytes of linear light, one for one. Noise is added before it is clipped and rounded, as a sensor does. */
export function develop(light: Float64Array, exposure: Exposure = { gain: 1 }): Uint8Array {
  const { gain, noise } = exposure;
  const bytes = new Uint8Array(light.length);
  const random = noise === undefined ? null : randomStream(noise.seed);
  for (let i = 0; i < light.length; i++) {
    let value = light[i] * gain;
    if (noise !== undefined && random !== null) {
      const variance = noise.dark ** 2 + (noise.bright ** 2 - noise.dark ** 2) * Math.min(1, value);
      value = Math.max(0, value + Math.sqrt(variance) * normalDraw(random));
    }
    bytes[i] = SRGB_BYTES[Math.round(Math.min(1, value) * (SRGB_BYTES.length - 1))];
  }
  return bytes;
}

/** A camera's automatic exposure that never settles: the gain swings slowly about 1 by up to ± `swing`. */
export interface ExposureDrift {
  /** 0…1. */
  readonly swing: number;
  readonly periodS: number;
}

/** The gain at a moment (Unix seconds): two swings whose periods have no common multiple. */
export function driftingGain({ swing, periodS }: ExposureDrift, timeS: number): number {
  const turn = (2 * Math.PI * timeS) / periodS;
  return 1 + swing * (0.7 * Math.sin(turn) + 0.3 * Math.sin(1.618 * turn + 1));
}

function toSrgbByte(light: number): number {
  return Math.round(255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055));
}
