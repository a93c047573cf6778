/** Training a posed data set from end to end, over the same decoder and trainer as the live backend. */
import { readFile } from "node:fs/promises";
import type { CameraModel } from "../api/schema.ts";
import { messageOf, SplatError } from "../errors.ts";
import type { Gaussians } from "../splat/gaussians.ts";
import { cameraFromPose, type Camera } from "../trainer/camera.ts";
import { decodeImage, measureImage, type DecodedImage } from "./image.ts";
import { memoryBudget, withinMemory } from "./memory-budget.ts";
import { PictureMemory } from "./picture-memory.ts";
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
  /** Without `frameBytes`, pictures may take a share of the memory available. */
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

/** A picture's pixels with its mask and its half-size one, bytes per pixel. */
const PICTURE_BYTES = 6.25;

/** A frame the trainer has been given. */
interface Loaded {
  readonly frame: OfflineFrame;
  readonly camera: Camera;
}

/** Reads a frame's image; problems are thrown, and warnings told once. */
type Decode = (frame: OfflineFrame) => Promise<DecodedImage>;

/**
 * Load, train to the end of the budget, score. On abort training ends early and the scene so far is returned.
 * Throws `bad_input` when no frame can be trained on.
 */
export async function trainOffline(options: OfflineOptions): Promise<OfflineResult> {
  const { points, budget, signal } = options;
  const memory = memoryBudget(options.settings.frameBytes);
  const settings = {
    ...withinMemory(options.settings, memory, options.onWarning),
    frameBytes: memory.frameBytes,
    live: false,
  };
  const pictures = new PictureMemory();
  const decode = createDecode(options, pictures);
  const loaded = new Map<number, Loaded>();
  let ended: (event: TrainingEvent & { type: "finished" }) => void;
  let failed: (error: Error) => void;
  const end = new Promise<TrainingEvent & { type: "finished" }>((resolve, reject) => {
    ended = resolve;
    failed = reject;
  });
  end.catch(() => undefined); // awaited below; until then a failure must not count as unhandled
  const onEvent = (event: TrainingEvent): void => {
    if (event.type === "progress") options.onProgress?.(event);
    if (event.type === "finished") ended(event);
    if (event.type === "failed") failed(new SplatError("internal", `the trainer failed: ${event.message}`));
  };
  const training = await startTraining(settings, onEvent, {
    read: (index) => readAgain(loaded, index, decode, options),
    letGo: (pixels) => pictures.give(pixels),
  });
  try {
    await load({ training, loaded, decode, frameBytes: memory.frameBytes }, options);
    const holdouts = [...loaded].filter(([, { frame }]) => frame.holdout);
    // After the frames: where there are points, frames need no first Gaussians of their own.
    if (points !== null) training.addPoints(points);
    const startS = Date.now() / 1000;
    training.finish(budget);
    const stop = (): void => training.finish({ steps: 0 });
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted === true) stop();
    const { gaussians, step, endedAtS } = await end;
    const scores = await training.score(holdouts.map(([index]) => index));
    for (const [index, known] of options.onComparison === undefined ? [] : holdouts) {
      const image = await readAgain(loaded, index, decode, options).catch(() => null);
      if (image === null) continue;
      await compare(training, known, image.rgba, options);
      pictures.give(image);
    }
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

function createDecode(options: OfflineOptions, pictures: PictureMemory): Decode {
  const warned = new Set<string>();
  return async ({ path, lens }) => {
    const image = await decodeImage(await readFile(path), lens, options.maxPixels, pictures);
    for (const warning of image.warnings.filter((message) => !warned.has(message))) {
      warned.add(warning);
      options.onWarning(warning);
    }
    return image;
  };
}

/** A picture that the trainer let go. Throws, and says so, when the image is not what it was. */
async function readAgain(
  loaded: ReadonlyMap<number, Loaded>,
  index: number,
  decode: Decode,
  { onProblem }: OfflineOptions,
): Promise<DecodedImage> {
  const known = loaded.get(index);
  if (known === undefined) throw new Error(`there is no frame ${index}`);
  try {
    const image = await decode(known.frame);
    const { width, height } = image.intrinsics;
    const { camera } = known;
    if (width !== camera.width || height !== camera.height) throw new Error("its image has changed");
    return image;
  } catch (error) {
    onProblem(known.frame.name, messageOf(error));
    throw error;
  }
}

interface Loading {
  readonly training: Training;
  readonly loaded: Map<number, Loaded>;
  readonly decode: Decode;
  readonly frameBytes: number;
}

/** Hand all frames over: decoded, if there is room for all; of more, as many as fit, evenly taken over the whole. */
async function load(
  { training, loaded, decode, frameBytes }: Loading,
  options: OfflineOptions,
): Promise<void> {
  const { frames, maxPixels, signal } = options;
  const pixels = frames.reduce((sum, { lens }) => sum + Math.min(maxPixels, lens.w * lens.h), 0);
  const every = Math.max(1, Math.ceil((PICTURE_BYTES * pixels) / frameBytes));
  for (const [position, frame] of frames.entries()) {
    signal?.throwIfAborted();
    const index = position + 1;
    try {
      const isDecoded = every === 1 || (position % every === 0 && !frame.holdout);
      const image = isDecoded ? await decode(frame) : null;
      const intrinsics =
        image?.intrinsics ?? (await measureImage(await readFile(frame.path), frame.lens, maxPixels));
      const camera = cameraFromPose(intrinsics, frame.cameraToWorld);
      const place = { index, camera, holdout: frame.holdout };
      training.addFrame(image === null ? place : { ...place, rgba: image.rgba, mask: image.mask });
      loaded.set(index, { frame, camera });
    } catch (error) {
      options.onProblem(frame.name, messageOf(error));
    }
    options.onLoaded?.(index, frames.length);
  }
  if (![...loaded.values()].some(({ frame }) => !frame.holdout)) {
    throw new SplatError("bad_input", "no frame of the data set can be trained on", {
      hint: "Each needs an image that decodes, a pose, and a place outside the test split.",
    });
  }
}

async function compare(
  training: Training,
  { frame, camera }: Loaded,
  rgba: Uint8Array,
  { onComparison, settings }: OfflineOptions,
): Promise<void> {
  const { width, height } = camera;
  const render = await training.render(camera);
  const truth = onBackground(rgba, settings.background === "white" ? 255 : 0);
  await onComparison?.({ name: frame.name, width, height, truth, render });
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
