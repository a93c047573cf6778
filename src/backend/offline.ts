/** Training a posed data set from end to end, over the same decoder and trainer as the live backend. */
import { readFile } from "node:fs/promises";
import type { CameraModel } from "../api/schema.ts";
import { messageOf, SplatError } from "../errors.ts";
import type { Gaussians } from "../splat/gaussians.ts";
import { cameraFromPose, type Camera } from "../trainer/camera.ts";
import { decodeImage } from "./image.ts";
import { startTraining } from "./trainer-thread.ts";
import type { PointCloud, Score, Training, TrainingEvent, TrainingSettings } from "./training.ts";

/** A posed image on disk. */
export interface OfflineFrame {
  readonly path: string;
  readonly name: string;
  readonly lens: CameraModel;
  /** [16] row-major, OpenGL axes. */
  readonly cameraToWorld: readonly number[];
  readonly holdout: boolean;
}

export interface OfflineOptions {
  readonly frames: readonly OfflineFrame[];
  readonly points: PointCloud | null;
  readonly settings: Omit<TrainingSettings, "live">;
  readonly maxPixels: number;
  /** Steps, and wall-clock end in Unix seconds; whichever comes first. */
  readonly budget: { readonly steps?: number | undefined; readonly deadlineS?: number | undefined };
  /** Each held-out frame with its render, when wanted. */
  readonly onComparison?: ((comparison: PictureComparison) => Promise<void>) | undefined;
  readonly onLoaded?: ((loaded: number, total: number) => void) | undefined;
  readonly onProgress?: ((event: TrainingEvent & { type: "progress" }) => void) | undefined;
  /** A frame that cannot be used is left out; this tells which and why. */
  readonly onProblem: (name: string, reason: string) => void;
  /** Something about the images that the user should know; each said once. */
  readonly onWarning: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A held-out image and the scene seen from its place, both [height, width, 3] sRGB. */
export interface PictureComparison {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly truth: Uint8Array;
  readonly render: Uint8Array;
}

export interface OfflineResult {
  readonly gaussians: Gaussians;
  readonly steps: number;
  /** When the last step ended, Unix seconds. */
  readonly endedAtS: number;
  /** Mean over steps of the training itself, loading and scoring left out. */
  readonly stepsPerSecond: number;
  /** Per held-out frame. */
  readonly scores: readonly Score[];
}

interface Loaded {
  readonly name: string;
  readonly camera: Camera;
  readonly rgba: Uint8Array;
}

/**
 * Load, train to the end of the budget, score. On abort training ends early and the scene so far is returned.
 * Throws `bad_input` when no frame can be trained on.
 */
export async function trainOffline(options: OfflineOptions): Promise<OfflineResult> {
  const { settings, points, budget, signal } = options;
  let ended: (event: TrainingEvent & { type: "finished" }) => void;
  let failed: (error: Error) => void;
  const end = new Promise<TrainingEvent & { type: "finished" }>((resolve, reject) => {
    ended = resolve;
    failed = reject;
  });
  end.catch(() => undefined); // awaited below; until then a failure must not count as unhandled
  const training = await startTraining({ ...settings, live: false }, (event) => {
    if (event.type === "progress") options.onProgress?.(event);
    if (event.type === "finished") ended(event);
    if (event.type === "failed") failed(new SplatError("internal", `the trainer failed: ${event.message}`));
  });
  try {
    const holdouts = await load(training, options);
    // After the frames: where there are points, frames need no first Gaussians of their own.
    if (points !== null) training.addPoints(points);
    const startS = Date.now() / 1000;
    training.finish(budget);
    const stop = (): void => training.finish({ steps: 0 });
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted === true) stop();
    const { gaussians, step, endedAtS } = await end;
    const scores = await training.score([...holdouts.keys()]);
    await compare(training, holdouts, options);
    return {
      gaussians,
      steps: step,
      endedAtS,
      stepsPerSecond: step / Math.max(endedAtS - startS, 1e-3),
      scores,
    };
  } finally {
    await training.close();
  }
}

/** Decode all frames and hand them over; resolves to the held-out ones, by index. */
async function load(training: Training, options: OfflineOptions): Promise<Map<number, Loaded>> {
  const { frames, maxPixels, signal } = options;
  const holdouts = new Map<number, Loaded>();
  let trainable = 0;
  const warned = new Set<string>();
  for (const [position, { path, name, lens, cameraToWorld, holdout }] of frames.entries()) {
    if (signal?.aborted === true) break;
    const index = position + 1;
    try {
      const { intrinsics, rgba, mask, warnings } = await decodeImage(await readFile(path), lens, maxPixels);
      for (const warning of warnings.filter((message) => !warned.has(message))) {
        warned.add(warning);
        options.onWarning(warning);
      }
      const camera = cameraFromPose(intrinsics, cameraToWorld);
      training.addFrame({ index, camera, rgba, mask, holdout });
      if (holdout) holdouts.set(index, { name, camera, rgba });
      else trainable++;
    } catch (error) {
      options.onProblem(name, messageOf(error));
    }
    options.onLoaded?.(index, frames.length);
  }
  if (trainable === 0) {
    throw new SplatError("bad_input", "no frame of the data set can be trained on", {
      hint: "Each needs an image that decodes, a pose, and a place outside the test split.",
    });
  }
  return holdouts;
}

async function compare(
  training: Training,
  holdouts: ReadonlyMap<number, Loaded>,
  { onComparison, settings }: OfflineOptions,
): Promise<void> {
  if (onComparison === undefined) return;
  for (const { name, camera, rgba } of holdouts.values()) {
    const { width, height } = camera;
    const render = await training.render(camera);
    const truth = onBackground(rgba, settings.background === "white" ? 255 : 0);
    await onComparison({ name, width, height, truth, render });
  }
}

/** [N,4] straight alpha → [N,3] on a grey of 0…255. */
function onBackground(rgba: Uint8Array, back: number): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let i = 0; i < rgba.length / 4; i++) {
    const alpha = rgba[i * 4 + 3] / 255;
    for (let c = 0; c < 3; c++) rgb[i * 3 + c] = Math.round(back + (rgba[i * 4 + c] - back) * alpha);
  }
  return rgb;
}
