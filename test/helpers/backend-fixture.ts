/** Backends and pictures for the backend's tests; everything made here goes when the test ends. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { expect, onTestFinished } from "vitest";
import { createApp, type AppDeps } from "../../src/backend/app.ts";
import { Scene, type SceneOptions } from "../../src/backend/scene.ts";
import type { FrameMeta, Status } from "../../src/api/schema.ts";
import { silentLog } from "../../src/log.ts";
import { sleep } from "../../src/time.ts";
import { scriptedTrainer, type ScriptedTraining } from "./scripted-training.ts";

/** A folder that goes with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-backend-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A scene with a scripted trainer, and the app in front of it as a function. */
export interface TestBackend {
  readonly scene: Scene;
  readonly dataDir: string;
  /** Newest trainer started. */
  readonly training: ScriptedTraining;
  send(path: string, init?: RequestInit): Promise<Response>;
  upload(bytes: Uint8Array, meta?: FrameMeta): Promise<Response>;
  /** Poll the status until it is as wanted; fails when it never is. */
  until(wanted: (status: Status) => boolean): Promise<Status>;
}

/** A busy machine trains slowly; a test has 30 s. */
const PATIENCE_MS = 25_000;

/** Open one; `options.dataDir` goes on where another one stopped. */
export async function openTestBackend(
  options: Partial<SceneOptions> & Partial<Omit<AppDeps, "scene">> = {},
): Promise<TestBackend> {
  const dataDir = options.dataDir ?? (await temporaryFolder());
  const trainer = scriptedTrainer();
  const scene = await Scene.open({
    startTraining: trainer.start,
    log: silentLog,
    threads: 1,
    ...options,
    dataDir,
  });
  onTestFinished(() => scene.close());
  const app = createApp({ corsOrigins: [], isLoopback: true, ...options, scene });
  const send = async (path: string, init?: RequestInit): Promise<Response> =>
    await app.fetch(new Request(`http://127.0.0.1:7860${path}`, init));
  return {
    scene,
    dataDir,
    get training() {
      return trainer.started[trainer.started.length - 1];
    },
    send,
    upload: (bytes, meta) => send("/upload-frame", { method: "POST", body: uploadForm(bytes, meta) }),
    async until(wanted) {
      for (const endMs = performance.now() + PATIENCE_MS; performance.now() < endMs; await sleep(10)) {
        if (wanted(scene.status())) return scene.status();
      }
      expect(scene.status()).toBe("as wanted");
      return scene.status();
    },
  };
}

/** The form of POST /upload-frame. */
export function uploadForm(bytes: Uint8Array, meta?: FrameMeta): FormData {
  const form = new FormData();
  form.set("file", new Blob([bytes]), "frame.jpg");
  if (meta !== undefined) form.set("meta", JSON.stringify(meta));
  return form;
}

/** A small JPEG of its own colour for each seed, 32×24. */
export async function jpeg(seed: number): Promise<Uint8Array> {
  const background = { r: (seed * 37) % 256, g: (seed * 91) % 256, b: (seed * 53) % 256 };
  return await sharp({ create: { width: 32, height: 24, channels: 3, background } })
    .jpeg()
    .toBuffer();
}

/** Camera-to-world `x` metres along the world's x axis, unrotated. */
export function poseAt(x: number): number[][] {
  return [
    [1, 0, 0, x],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
  ];
}

/** A JSON request. */
export function json(method: string, value: unknown): RequestInit {
  return { method, body: JSON.stringify(value), headers: { "content-type": "application/json" } };
}

/** The refusal in a response. */
export async function refusalOf(
  response: Response,
): Promise<{ status: number; code: string; message: string }> {
  const body = (await response.json()) as { error: { code: string; message: string } };
  return { status: response.status, code: body.error.code, message: body.error.message };
}
