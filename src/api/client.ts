/** Typed calls to a backend, whichever it is. */
import type {
  Calibration,
  FrameMeta,
  FrameRecord,
  Health,
  JointUpdate,
  SceneEvent,
  ScenePatch,
  SceneResponse,
  Status,
  StopResponse,
  UploadResponse,
} from "./schema.ts";

/** The scene's bytes, or why there are none: `unchanged` = the ETag given is still right, `empty` = no Gaussians yet. */
export type SplatDownload =
  | { readonly kind: "empty" }
  | { readonly kind: "unchanged" }
  | {
      readonly kind: "scene";
      readonly etag: string;
      readonly version: number;
      readonly gaussianCount: number;
      /** Null when the backend did not say. */
      readonly sizeBytes: number | null;
      readonly body: AsyncIterable<Uint8Array>;
    };

/**
 * One backend. Every call throws SplatError: `unreachable` when nothing answers, `not_configured` for 401/403,
 * `refused` (with `refusal`) for any other no, `internal` when the answer breaks the contract.
 */
export interface Client {
  readonly url: string;
  health(signal?: AbortSignal): Promise<Health>;
  status(signal?: AbortSignal): Promise<Status>;
  uploadFrame(
    frame: { readonly bytes: Uint8Array; readonly mediaType: string; readonly name: string },
    meta: FrameMeta,
    signal?: AbortSignal,
  ): Promise<UploadResponse>;
  updateJoints(update: JointUpdate, signal?: AbortSignal): Promise<void>;
  getSplat(
    options?: {
      readonly format?: "ply" | "splat" | "spz" | undefined;
      readonly maxGaussians?: number | undefined;
      readonly etag?: string | undefined;
    },
    signal?: AbortSignal,
  ): Promise<SplatDownload>;
  stop(
    options?: { readonly finishSeconds?: number | undefined },
    signal?: AbortSignal,
  ): Promise<StopResponse>;
  reset(signal?: AbortSignal): Promise<void>;
  scene(signal?: AbortSignal): Promise<SceneResponse>;
  putScene(patch: ScenePatch, signal?: AbortSignal): Promise<SceneResponse>;
  /** Null when no mask is in force; else PNG bytes. */
  mask(signal?: AbortSignal): Promise<Uint8Array | null>;
  putMask(png: Uint8Array, signal?: AbortSignal): Promise<void>;
  deleteMask(signal?: AbortSignal): Promise<void>;
  frames(signal?: AbortSignal): Promise<readonly FrameRecord[]>;
  calibration(signal?: AbortSignal): Promise<Calibration>;
  /** Server-sent events until the signal aborts or the backend ends the stream. Unknown events are skipped. */
  events(signal?: AbortSignal): AsyncIterable<SceneEvent>;
}

export interface ClientOptions {
  readonly url: string;
  readonly token?: string | undefined;
  /** How requests travel; the contract suite passes an app's own function. Default: undici. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Default 30 000; uploads and downloads count from the last byte. */
  readonly timeoutMs?: number | undefined;
}
