/** A picture as a camera gives it. */
export interface CameraPicture {
  /** A whole JPEG. */
  readonly bytes: Uint8Array;
  /** Unix seconds: when it was taken, as far as anything on this machine can tell. */
  readonly capturedAtS: number;
  /** Unix seconds: when its last byte was here. */
  readonly arrivedAtS: number;
}

/** Opens a camera anew: its pictures until the signal aborts, it ends or it fails. */
export type OpenPictures = (signal: AbortSignal) => AsyncIterable<CameraPicture>;
