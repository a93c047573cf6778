/** What every source yields: a value with the time it was true. */

import type { FileVersion } from "./image-file.ts";

/** One reading of a source. Times are Unix seconds on this machine's clock. */
export interface Sample<T> {
  /** When the value was true at the source (shutter, encoder). */
  readonly capturedAtS: number;
  readonly value: T;
}

/** A picture on its way to the backend. */
export interface Frame {
  /** Stable identity: the same picture at the same place in the capture has the same id, across restarts. */
  readonly frameId: string;
  /** For messages: the path relative to the watched folder, or a name made of the time. */
  readonly name: string;
  /** Whole, JPEG or PNG. */
  readonly bytes: Uint8Array;
  readonly mediaType: "image/jpeg" | "image/png";
  /** The file's state when it was read; null for a picture that never was one. */
  readonly version: FileVersion | null;
  /** [16] row-major camera-to-world, OpenGL axes; from a data set or sidecar. */
  readonly cameraToWorld?: readonly number[] | undefined;
  /** [6] rad, from a sidecar. */
  readonly jointAngles?: readonly number[] | undefined;
  /** [[t, [6 rad]], …] readings around the shutter, from a sidecar. */
  readonly jointSamples?: readonly (readonly [number, readonly number[]])[] | undefined;
  /** Scored, never trained. */
  readonly holdout?: boolean | undefined;
}

/** A picture that was read from a file. */
export interface FileFrame extends Frame {
  readonly version: FileVersion;
}
