/** The picture at the end of the demo: what the camera saw beside what the splat shows, from a view not trained on. */
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import type { FrameRecord } from "../api/schema.ts";
import { startTraining } from "../backend/trainer-thread.ts";
import { SplatError } from "../errors.ts";
import { decodePly } from "../splat/ply-read.ts";
import { cameraFromPose, type Camera, type Intrinsics } from "../trainer/camera.ts";
import { untrainedState } from "../trainer/state.ts";

/** The held-out view of middling quality, so that the picture neither flatters nor blackens; else any view. */
export function typicalFrame(frames: readonly FrameRecord[]): FrameRecord {
  const posed = frames.filter((frame) => frame.accepted && frame.camera_to_world !== null);
  const scored = posed.filter((frame) => frame.holdout && frame.psnr !== null);
  const sorted = scored.toSorted((a, b) => (a.psnr ?? 0) - (b.psnr ?? 0));
  const frame = sorted[Math.floor(sorted.length / 2)] ?? posed.at(-1);
  if (frame === undefined) throw new SplatError("partial", "the demo's backend took none of its frames");
  return frame;
}

/** Write the PNG: what the camera saw ([height, width, 3] `seen`) on the left; on the right the scene as it lies in `scenePath`, rendered by the trainer. */
export async function writePreview(
  previewPath: string,
  scenePath: string,
  view: { readonly frame: FrameRecord; readonly intrinsics: Intrinsics; readonly seen: Uint8Array },
): Promise<void> {
  const camera = cameraFromPose(view.intrinsics, view.frame.camera_to_world?.flat() ?? []);
  const { width, height } = camera;
  const raw = { width, height, channels: 3 } as const;
  const background = { r: 0, g: 0, b: 0 };
  await sharp({ create: { width: 2 * width, height, channels: 3, background } })
    .composite([
      { input: Buffer.from(view.seen), raw, left: 0, top: 0 },
      { input: Buffer.from(await renderScene(scenePath, camera)), raw, left: width, top: 0 },
    ])
    .png()
    .toFile(previewPath);
}

async function renderScene(scenePath: string, camera: Camera): Promise<Uint8Array> {
  const gaussians = decodePly(await readFile(scenePath));
  const { count: maxGaussians, shDegree } = gaussians;
  const settings = {
    maxGaussians,
    shDegree,
    threads: 2,
    background: "black",
    seed: 1,
    live: false,
    bounds: null,
    exposure: false,
    antialiased: false,
  } as const;
  const training = await startTraining(settings, () => undefined);
  try {
    training.restore(untrainedState(gaussians));
    return await training.render(camera);
  } finally {
    await training.close();
  }
}
