/** What a camera is asked for. */

/** As a user says it. */
export interface CameraSettings {
  /**
   * A device, the address of a network camera (which may hold a password), a file, or `lavfi:GRAPH`; null = the only
   * camera of this machine.
   */
  readonly device: string | null;
  /** Pixels, such as `640x480`; default what the camera gives by itself. */
  readonly size?: string | undefined;
  /** Pictures a second that the camera is asked for. */
  readonly fps?: number | undefined;
  /** How long before its time stamp a picture really was taken, milliseconds: what no clock here can see. */
  readonly delayMs?: number | undefined;
}
