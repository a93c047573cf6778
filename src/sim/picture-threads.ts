/** Threads that take the simulated camera's pictures, so that shutters and whoever trains beside them are not held up. */
import { Worker } from "node:worker_threads";
import sharp from "sharp";
import type { WristView } from "./wrist-view.ts";

export type PictureFormat = "png" | "jpg";

/** What each thread is told once. */
export interface PictureSetup {
  readonly view: WristView;
  readonly format: PictureFormat;
}

/** One picture: true angles ([6] rad) at a time (Unix seconds), and its number for the noise. */
export interface PictureRequest {
  readonly jointsRad: readonly number[];
  readonly timeS: number;
  readonly frame: number;
}

export interface PictureThreads {
  /** Bytes of a PNG or JPEG; null when every thread has a picture to work on. Rejects when its thread fails. */
  readonly take: (request: PictureRequest) => Promise<Uint8Array> | null;
  readonly close: () => Promise<void>;
}

/** Workers need compiled code; tests load this file from src/, so the built tree beside it is taken. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/sim/picture-worker.js" : "./picture-worker.js",
  import.meta.url,
);

const JPEG_QUALITY = 92;

/** Start threads; resolves when all are ready, so that the first picture is not late. */
export async function startPictureThreads(setup: PictureSetup, threads: number): Promise<PictureThreads> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(WORKER, { workerData: setup, name: "simulated camera" }),
  );
  await Promise.all(workers.map((worker) => answerOf(worker)));
  const idle = [...workers];
  return {
    take: (request) => {
      const worker = idle.pop();
      if (worker === undefined) return null;
      const answer = answerOf<Uint8Array>(worker).finally(() => idle.push(worker));
      worker.postMessage(request, []);
      return answer;
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** Resolves with the next message; rejects when the worker fails or ends first. */
function answerOf<Answer>(worker: Worker): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      worker.off("message", onAnswer).off("error", onError).off("exit", onExit);
      act();
    };
    const onAnswer = (answer: Answer): void => settle(() => resolve(answer));
    const onError = (error: unknown): void => settle(() => reject(error));
    const onExit = (): void => settle(() => reject(new Error("the simulated camera's thread ended")));
    worker.on("message", onAnswer).on("error", onError).on("exit", onExit);
  });
}

/** PNG or JPEG of [height, width, 3] sRGB bytes. */
export async function packPicture(
  pixels: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
  format: PictureFormat,
): Promise<Uint8Array> {
  const picture = sharp(pixels, { raw: { width, height, channels: 3 } });
  return format === "png" ? picture.png().toBuffer() : picture.jpeg({ quality: JPEG_QUALITY }).toBuffer();
}
