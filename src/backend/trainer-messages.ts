/** What goes between the backend's thread and the trainer's worker. */
import type { Gaussians } from "../splat/gaussians.ts";
import type { Camera } from "../trainer/camera.ts";
import type { Pixels } from "../trainer/picture.ts";
import type { TrainerState } from "../trainer/state.ts";
import type { FramePlace } from "../trainer/train.ts";
import type {
  Budget,
  PointCloud,
  SceneMask,
  Score,
  TrainingEvent,
  TrainingFrame,
  TrainingSettings,
} from "./training.ts";

/** What a helper thread is started with. */
export interface PoolWorkerData {
  readonly memory: WebAssembly.Memory;
  /** Null = the reference in plain TypeScript, for comparing. */
  readonly kernels: WebAssembly.Module | null;
  readonly live: boolean;
}

/** To the worker. Messages with `id` are answered. */
export type TrainerRequest =
  | { readonly type: "frame"; readonly frame: TrainingFrame | FramePlace }
  | { readonly type: "camera"; readonly index: number; readonly camera: Camera }
  | { readonly type: "points"; readonly points: PointCloud }
  | { readonly type: "mask"; readonly mask: SceneMask | null }
  | { readonly type: "settings"; readonly settings: Partial<TrainingSettings> }
  | { readonly type: "restore"; readonly state: TrainerState }
  | { readonly type: "finish"; readonly budget: Budget }
  | { readonly type: "snapshot"; readonly id: number }
  | { readonly type: "checkpoint"; readonly id: number }
  | { readonly type: "score"; readonly id: number; readonly indices: readonly number[] }
  | { readonly type: "render"; readonly id: number; readonly camera: Camera }
  | { readonly type: "close" };

/** To the worker, read at once: a picture it asked for, null when it cannot be read. */
export interface PictureAnswer {
  readonly type: "picture";
  readonly id: number;
  readonly pixels: Pixels | null;
}

/** Answers, by the type of the request. */
export interface TrainerAnswers {
  readonly snapshot: { readonly gaussians: Gaussians; readonly step: number } | null;
  readonly checkpoint: TrainerState | null;
  readonly score: readonly Score[];
  readonly render: Uint8Array;
}

/** From the worker. */
export type TrainerMessage =
  | { readonly type: "ready" }
  | { readonly type: "event"; readonly event: TrainingEvent }
  | { readonly type: "read"; readonly id: number; readonly index: number }
  | { readonly type: "let-go"; readonly pixels: Pixels }
  | { readonly type: "answer"; readonly id: number; readonly value: TrainerAnswers[keyof TrainerAnswers] };

/** The arrays' memory, to be handed to another thread without a copy. */
export function buffersOf(...sets: readonly Gaussians[]): ArrayBuffer[] {
  return sets.flatMap(({ means, logScales, quats, opacities, sh }) =>
    [means, logScales, quats, opacities, sh].map((array) => array.buffer as ArrayBuffer),
  );
}
