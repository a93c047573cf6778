/** A folder that fills with simulated frames, as a real capture would fill it. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { Mount } from "../robot/kinematics.ts";
import { nowS, sleep } from "../time.ts";
import type { Intrinsics } from "../trainer/camera.ts";
import { renderTabletop } from "./raytrace.ts";
import { armTrajectory } from "./trajectory.ts";
import { wristCamera } from "./wrist-camera.ts";

export interface SimulatedCapture {
  /** How many frames the whole scan has. */
  readonly frames: number;
  readonly intrinsics: Intrinsics;
  readonly mount: Mount;
  /** From one frame to the next; a frame that takes longer to trace delays those after it. */
  readonly everyMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called when another frame lies in the folder. */
  readonly onFrame?: ((written: number) => void) | undefined;
}

/**
 * Write `frame_0001.json` {captured_at, joint_angles} and then `frame_0001.png`, and so on, into an existing folder.
 * An image appears whole, under its final name, when its sidecar is there. Rejects with the signal's reason on abort.
 */
export async function writeSimulatedCapture(dir: string, capture: SimulatedCapture): Promise<void> {
  const { frames, intrinsics, mount, everyMs, signal, onFrame } = capture;
  const startMs = performance.now();
  for (const [i, joints] of armTrajectory(frames, { mount }).entries()) {
    await sleep(Math.max(0, startMs + i * everyMs - performance.now()), signal);
    const pixels = renderTabletop(wristCamera(joints, intrinsics, mount));
    const raw = { width: intrinsics.width, height: intrinsics.height, channels: 3 } as const;
    const png = await sharp(pixels, { raw }).png().toBuffer();
    const path = join(dir, `frame_${String(i + 1).padStart(4, "0")}`);
    await writeFile(`${path}.json`, JSON.stringify({ captured_at: nowS(), joint_angles: joints }));
    await writeFile(`${path}.part`, png);
    await rename(`${path}.part`, `${path}.png`);
    onFrame?.(i + 1);
  }
}
