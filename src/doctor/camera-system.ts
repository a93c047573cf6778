/** The cameras of this machine, as a doctor sees them; tests put their own in their place. */
import type { CameraInfo } from "../capture/camera-choice.ts";
import { listCameras } from "../capture/camera-list.ts";
import { openCamera } from "../capture/camera.ts";

export interface CameraSystem {
  readonly list: () => Promise<readonly Pick<CameraInfo, "name" | "path" | "id">[]>;
  /** Take one picture of a device or an address; its size in bytes. Throws why there is none. */
  readonly grab: (device: string, signal: AbortSignal) => Promise<number>;
}

/** Those that are there. */
export const MACHINE_CAMERAS: CameraSystem = { list: () => listCameras(), grab };

async function grab(device: string, signal: AbortSignal): Promise<number> {
  const done = new AbortController();
  const ending = AbortSignal.any([signal, done.signal]);
  const listener = { onNote: () => undefined, onWarning: () => undefined, onCounts: () => undefined };
  const camera = await openCamera({ device }, signal);
  try {
    for await (const { value } of camera.frames(listener, ending)) return value.bytes.length;
  } finally {
    done.abort();
  }
  throw new Error("it sent no picture");
}
