/** Starts the trainer in a worker of its own and speaks to it. */
import { Worker } from "node:worker_threads";
import { SplatError } from "../errors.ts";
import {
  buffersOf,
  type TrainerAnswers,
  type TrainerMessage,
  type TrainerRequest,
} from "./trainer-messages.ts";
import { answerReads } from "./picture-reads.ts";
import type { PictureArchive, Training, TrainingEvent, TrainingSettings } from "./training.ts";

/** Workers need compiled code; tests load this file from src/, so the built tree beside it is taken. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/backend/trainer-worker.js" : "./trainer-worker.js",
  import.meta.url,
);

/**
 * Start a trainer. Throws `internal` when its memory or threads cannot be had. `settings.frameBytes` counts only where
 * there is an archive to read from again.
 */
export async function startTraining(
  settings: TrainingSettings,
  onEvent: (event: TrainingEvent) => void,
  archive?: PictureArchive,
): Promise<Training> {
  const workerData = archive === undefined ? { ...settings, frameBytes: undefined } : settings;
  const worker = new Worker(WORKER, { workerData, name: "trainer" });
  const read = answerReads(archive, (answer) => worker.postMessage(answer, []));
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let nextId = 1;
  /** Why nothing can be asked any more; the first reason counts. */
  let ended: string | null = null;
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  const fail = (message: string): void => {
    if (ended !== null) return;
    ended = message;
    onEvent({ type: "failed", message });
  };
  const stopped = (): SplatError => new SplatError("internal", `the trainer stopped: ${ended}`);
  await new Promise<void>((resolve, reject) => {
    worker.on("message", (message: TrainerMessage) => {
      if (message.type === "ready") resolve();
      else if (message.type === "event" && message.event.type === "failed") {
        reject(new SplatError("internal", message.event.message));
        fail(message.event.message);
      } else if (message.type === "event") {
        onEvent(message.event);
      } else if (message.type === "read") {
        read(message);
      } else if (message.type === "let-go") {
        archive?.letGo(message.pixels);
      } else {
        waiting.get(message.id)?.resolve(message.value);
        waiting.delete(message.id);
      }
    });
    worker.on("error", (error) => {
      reject(new SplatError("internal", "the trainer could not start", { cause: error }));
      fail(error instanceof Error ? error.message : String(error));
    });
    worker.on("exit", () => {
      fail("its thread ended");
      for (const { reject: refuse } of waiting.values()) refuse(stopped());
      waiting.clear();
    });
  });

  const tell = (request: TrainerRequest, transfer: readonly ArrayBuffer[] = []): void =>
    worker.postMessage(request, [...transfer]);
  function ask<Kind extends keyof TrainerAnswers>(
    build: (id: number) => TrainerRequest,
  ): Promise<TrainerAnswers[Kind]> {
    return new Promise((resolve, reject) => {
      if (ended !== null) {
        reject(stopped());
        return;
      }
      const id = nextId++;
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      tell(build(id));
    });
  }

  return {
    addFrame: (frame) => tell({ type: "frame", frame }),
    setCamera: (index, camera) => tell({ type: "camera", index, camera }),
    addPoints: (points) => tell({ type: "points", points }),
    setMask: (mask) => tell({ type: "mask", mask }),
    setSettings: (changed) => tell({ type: "settings", settings: changed }),
    restore: (state) => tell({ type: "restore", state }, buffersOf(state.moments1, state.moments2)),
    checkpoint: () => ask<"checkpoint">((id) => ({ type: "checkpoint", id })),
    finish: (budget) => tell({ type: "finish", budget }),
    snapshot: () => ask<"snapshot">((id) => ({ type: "snapshot", id })),
    score: async (indices) => [...(await ask<"score">((id) => ({ type: "score", id, indices })))],
    render: (camera) => ask<"render">((id) => ({ type: "render", id, camera })),
    close: async () => {
      ended ??= "it was closed";
      tell({ type: "close" });
      await exited;
    },
  };
}
