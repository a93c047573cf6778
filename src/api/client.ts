/** Typed calls to a backend, whichever it is. */
import { isCloudBackend } from "./cloud.ts";
import { decodeEvents } from "./events.ts";
import { breach } from "./failure.ts";
import { MAIN_SCENE } from "./limits.ts";
import {
  calibrationSchema,
  framesResponseSchema,
  healthSchema,
  jointResponseSchema,
  resetResponseSchema,
  sceneResponseSchema,
  statusSchema,
  stopResponseSchema,
  uploadResponseSchema,
  type Calibration,
  type FrameMeta,
  type FrameRecord,
  type Health,
  type JointUpdate,
  type SceneEvent,
  type ScenePatch,
  type SceneResponse,
  type Status,
  type StopResponse,
  type UploadResponse,
} from "./schema.ts";
import { createTransport, type Answer, type Transport } from "./transport.ts";
import type { OnStarting } from "./waking.ts";

/** A whole scene as it was at one moment. The body is to be read once. */
export interface SplatScene {
  readonly kind: "scene";
  readonly etag: string;
  readonly version: number;
  readonly gaussianCount: number;
  /** Null when the backend did not say. */
  readonly sizeBytes: number | null;
  readonly body: AsyncIterable<Uint8Array>;
  /** Give the body up unread, so that its connection is free. */
  discard(): Promise<void>;
}

/** The scene's bytes, or why there are none: `unchanged` = the ETag given is still right, `empty` = no Gaussians yet. */
export type SplatDownload = { readonly kind: "empty" } | { readonly kind: "unchanged" } | SplatScene;

/**
 * One backend. Every call throws SplatError: `unreachable` when nothing answers, `not_configured` for 401/403,
 * `refused` for any other no (with `refusal`) and for an answer that breaks the contract (without).
 * Once the caller's signal aborts, a call throws that signal's own reason.
 */
export interface Client {
  readonly url: string;
  /** Which of its scenes every call is about. */
  readonly sceneName: string;
  /** It is started when it is asked, and costs while it runs: see `isCloudBackend`. */
  readonly isCloud: boolean;
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

/** SPLAT_API_TOKEN, or what `splatctl deploy` keeps for the backend's URL. */
export type TokenOrigin = "environment" | "kept";

export interface ClientOptions {
  readonly url: string;
  readonly token?: string | undefined;
  /** Where the token comes from, for the hint when it is refused. */
  readonly tokenFrom?: TokenOrigin | undefined;
  /** What Modal's proxy before the backend asks for. */
  readonly proxyAuth?: { readonly key: string; readonly secret: string } | undefined;
  /** Default: the main one. */
  readonly scene?: string | undefined;
  /** Whether it is in the cloud; default: as `isCloudBackend` finds out. */
  readonly cloud?: boolean | undefined;
  /** How long the first answer of a cloud may take; default 10 minutes. */
  readonly coldStartMs?: number | undefined;
  /** Told while a backend in the cloud does not answer yet. */
  readonly onStarting?: OnStarting | undefined;
  /** Told of each request that was answered or failed, in one line. */
  readonly onRequest?: ((line: string) => void) | undefined;
  /** What requests over https go through, but those to `except`: hosts with commas between them. */
  readonly proxy?: { readonly url: string; readonly variable: string; readonly except: string } | undefined;
  /** How requests travel; the contract suite passes an app's own function. Default: undici. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Default 30 000; uploads and downloads count from the last byte. */
  readonly timeoutMs?: number | undefined;
}

/** A client of the backend at `options.url`. Nothing is sent until the first call. */
export function createClient(options: ClientOptions): Client {
  const url = options.url.replace(/\/+$/, "");
  const transport = createTransport({ ...options, url });
  const { json } = transport;
  const get = (path: string, signal?: AbortSignal) => ({ method: "GET", path, signal }) as const;
  return {
    url,
    sceneName: options.scene ?? MAIN_SCENE,
    isCloud: isCloudBackend({ ...options, url }),
    health: (signal) => json(healthSchema, get("/health", signal)),
    status: (signal) => json(statusSchema, get("/status", signal)),
    uploadFrame: async (frame, meta, signal) =>
      json(uploadResponseSchema, {
        method: "POST",
        path: "/upload-frame",
        ...(await multipart(frame, meta)),
        signal,
      }),
    async updateJoints(update, signal) {
      await json(jointResponseSchema, jsonCall("POST", "/update-joint-angles", update, signal));
    },
    getSplat: (what, signal) => getSplat(transport, what ?? {}, signal),
    stop: (what, signal) =>
      json(
        stopResponseSchema,
        jsonCall("POST", "/stop-training", { finish_seconds: what?.finishSeconds }, signal),
      ),
    async reset(signal) {
      await json(resetResponseSchema, { method: "POST", path: "/reset", signal });
    },
    scene: (signal) => json(sceneResponseSchema, get("/scene", signal)),
    putScene: (patch, signal) => json(sceneResponseSchema, jsonCall("PUT", "/scene", patch, signal)),
    mask: (signal) => getMask(transport, signal),
    async putMask(png, signal) {
      const headers = { "content-type": "image/png" };
      const answer = await transport.send({ method: "PUT", path: "/scene/mask", headers, body: png, signal });
      await answer.discard();
    },
    async deleteMask(signal) {
      const answer = await transport.send({ method: "DELETE", path: "/scene/mask", signal });
      await answer.discard();
    },
    frames: async (signal) => (await json(framesResponseSchema, get("/frames", signal))).frames,
    calibration: (signal) => json(calibrationSchema, get("/calibration", signal)),
    events: (signal) => readEvents(transport, signal),
  };
}

function jsonCall<Method extends "POST" | "PUT">(
  method: Method,
  path: string,
  value: unknown,
  signal: AbortSignal | undefined,
) {
  const headers = { "content-type": "application/json" };
  return { method, path, headers, body: JSON.stringify(value), signal };
}

/** The form as plain bytes: the same for undici's fetch and for any other, and of known length. */
async function multipart(
  frame: Parameters<Client["uploadFrame"]>[0],
  meta: FrameMeta,
): Promise<{ headers: Record<string, string>; body: Uint8Array }> {
  const form = new FormData();
  form.set("file", new Blob([frame.bytes], { type: frame.mediaType }), frame.name);
  form.set("meta", JSON.stringify(meta));
  const encoded = new Response(form);
  const contentType = encoded.headers.get("content-type") ?? "";
  return {
    headers: { "content-type": contentType },
    body: new Uint8Array(await encoded.arrayBuffer()),
  };
}

async function getSplat(
  transport: Transport,
  what: NonNullable<Parameters<Client["getSplat"]>[0]>,
  signal: AbortSignal | undefined,
): Promise<SplatDownload> {
  const answer = await transport.send({
    method: "GET",
    path: "/get-ply",
    query: { format: what.format, max_gaussians: what.maxGaussians },
    headers: {
      // Floats hardly compress, and content-length must be the length of what we are given.
      "accept-encoding": "identity",
      ...(what.etag === undefined ? {} : { "if-none-match": what.etag }),
    },
    signal,
  });
  if (answer.status !== 200) {
    await answer.discard();
    return { kind: answer.status === 304 ? "unchanged" : "empty" };
  }
  const { headers } = answer;
  return {
    kind: "scene",
    etag: await required(answer, "etag"),
    version: Number(await required(answer, "x-splat-version", /^\d+$/)),
    gaussianCount: Number(await required(answer, "x-splat-count", /^\d+$/)),
    sizeBytes: headers.has("content-encoding") ? null : numberOrNull(headers.get("content-length")),
    body: answer.bytes(),
    discard: () => answer.discard(),
  };
}

async function required(answer: Answer, header: string, form = /./): Promise<string> {
  const value = answer.headers.get(header);
  if (value !== null && form.test(value)) return value;
  await answer.discard();
  throw breach(answer.asked, `no usable ${header} header`);
}

function numberOrNull(text: string | null): number | null {
  return text === null ? null : Number(text);
}

async function getMask(transport: Transport, signal: AbortSignal | undefined): Promise<Uint8Array | null> {
  const answer = await transport.send({ method: "GET", path: "/scene/mask", signal });
  if (answer.status === 204) {
    await answer.discard();
    return null;
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of answer.bytes()) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

async function* readEvents(
  transport: Transport,
  signal: AbortSignal | undefined,
): AsyncGenerator<SceneEvent, void, undefined> {
  const headers = { accept: "text/event-stream" };
  try {
    const answer = await transport.send({ method: "GET", path: "/events", headers, signal });
    yield* decodeEvents(answer.bytes());
  } catch (thrown) {
    if (signal?.aborted !== true) throw thrown;
  }
}
