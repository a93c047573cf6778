/**
 * The trainer's own thread: owns the loop. Between two steps it reads its messages, and tells what happened as small
 * events; nothing it sends is ever waited for.
 */
import { parentPort, Worker, workerData } from "node:worker_threads";
import { messageOf } from "../errors.ts";
import { nowS, sleep } from "../time.ts";
import { Engine, type Comparison } from "../trainer/engine.ts";
import { allocateMemory, type Capacity } from "../trainer/memory.ts";
import { instantiateKernels } from "../trainer/kernels.ts";
import { CONTROL_WORDS } from "../trainer/kernels/layout.ts";
import { readyHelpers, stopHelpers } from "../trainer/pool.ts";
import { Trainer } from "../trainer/train.ts";
import { compileKernels } from "./kernels-file.ts";
import { stepAside } from "./step-aside.ts";
import { createPictureWishes } from "./picture-wishes.ts";
import {
  buffersOf,
  type PictureAnswer,
  type PoolWorkerData,
  type TrainerMessage,
  type TrainerRequest,
} from "./trainer-messages.ts";
import type { Score, TrainingEvent, TrainingSettings } from "./training.ts";

const PROGRESS_MS = 250;
const SNAPSHOT_MS = 1000;
/** A held-out frame is scored this often while training, in turn. */
const HOLDOUT_MS = 2000;
/** Scoring at the end of a live capture may take so long, seconds. */
const LAST_SCORES_S = 3;
/** First guesses; both grow when needed. */
const FIRST_PIXELS = 1 << 16;
const FIRST_PAIRS = 1 << 18;

if (parentPort === null) throw new Error("trainer-worker runs as a worker thread");
const port = parentPort;
const settings = workerData as TrainingSettings;
const send = (message: TrainerMessage, transfer: readonly ArrayBuffer[] = []): void =>
  port.postMessage(message, [...transfer]);
const emit = (event: TrainingEvent, transfer: readonly ArrayBuffer[] = []): void =>
  send({ type: "event", event }, transfer);

if (settings.live) stepAside();

const inbox: TrainerRequest[] = [];
let wake: (() => void) | null = null;
let current: Trainer | null = null;
const wishes = createPictureWishes(send, (index, pixels) => current?.supplyPicture(index, pixels));
port.on("message", (request: TrainerRequest | PictureAnswer) => {
  if (request.type === "picture") wishes.answered(request);
  else inbox.push(request);
  wake?.();
});

await run().catch((error: unknown) => {
  emit({ type: "failed", message: messageOf(error) });
});
port.close();

async function run(): Promise<void> {
  const shCount = (settings.shDegree + 1) ** 2;
  const capacity: Capacity = {
    gaussians: settings.maxGaussians,
    shCount,
    pixels: FIRST_PIXELS,
    pairs: FIRST_PAIRS,
    threads: settings.threads,
  };
  const kernels = await compileKernels();
  const memory = allocateMemory(capacity);
  const control = new Int32Array(memory.buffer, 0, CONTROL_WORDS);
  const helpers = settings.threads - 1;
  let helperError: Error | null = null;
  for (let i = 0; i < helpers; i++) {
    // A helper that dies later marks the stage as failed itself (see pool.ts).
    new Worker(new URL("./pool-worker.js", import.meta.url), {
      workerData: { memory, kernels, live: settings.live } satisfies PoolWorkerData,
    }).on("error", (error) => {
      helperError = error;
    });
  }
  while (readyHelpers(control) < helpers) {
    if (helperError !== null) throw helperError;
    await sleep(5);
  }
  const engine = new Engine(memory, capacity, instantiateKernels(kernels, memory, 0));
  try {
    send({ type: "ready" });
    current = new Trainer(engine, settings, nowS, wishes.source);
    await loop(current);
  } finally {
    stopHelpers(control);
  }
}

async function loop(trainer: Trainer): Promise<void> {
  const reporter = createReporter(trainer);
  let announced = false;
  for (;;) {
    for (const request of inbox.splice(0)) {
      if (request.type === "close") return;
      await obey(trainer, request);
    }
    const report = trainer.advance();
    if (report !== null) {
      reporter.stepped(report.index, report.psnr, report.first);
      // Let messages in; costs microseconds against a step's milliseconds.
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    if (!trainer.awaitsPicture) {
      reporter.flush();
      if (trainer.phase === "done" && !announced) {
        announced = true;
        await emitFinished(trainer, reporter);
      }
    }
    const restedAt = performance.now();
    if (inbox.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    wake = null;
    if (trainer.awaitsPicture) reporter.waited(performance.now() - restedAt);
  }
}

function obey(trainer: Trainer, request: TrainerRequest): void | Promise<void> {
  switch (request.type) {
    case "frame":
      return trainer.addFrame(request.frame);
    case "camera":
      return trainer.setCamera(request.index, request.camera);
    case "points":
      return trainer.addPoints(request.points);
    case "mask":
      return trainer.setMask(request.mask);
    case "settings":
      return trainer.setSettings(request.settings);
    case "restore":
      return trainer.restore(request.state);
    case "finish":
      return trainer.finish(request.budget);
    case "snapshot": {
      const value = trainer.engine.count === 0 ? null : takeSnapshot(trainer);
      return send({ type: "answer", id: request.id, value });
    }
    case "checkpoint":
      return answerCheckpoint(trainer, request.id);
    case "score":
      return answerScores(trainer, request.id, request.indices);
    case "render":
      return send({ type: "answer", id: request.id, value: trainer.render(request.camera) });
    case "close":
      return undefined;
  }
}

async function answerScores(trainer: Trainer, id: number, indices: readonly number[]): Promise<void> {
  const value: Score[] = [];
  for (const index of indices) {
    const score = await scoreFrame(trainer, index);
    if (score !== null) value.push({ index, ...score });
  }
  send({ type: "answer", id, value });
}

/** With a picture that is not in memory, after it was read for this alone. */
async function scoreFrame(trainer: Trainer, index: number): Promise<Comparison | null> {
  if (!trainer.lacksPicture(index)) return trainer.score(index);
  const pixels = await wishes.borrow(index);
  if (pixels === null) {
    trainer.supplyPicture(index, null);
    return null;
  }
  const score = trainer.score(index, pixels);
  wishes.giveBack(pixels);
  return score;
}

function takeSnapshot(trainer: Trainer): { gaussians: ReturnType<Engine["extract"]>; step: number } {
  return { gaussians: trainer.engine.extract(), step: trainer.step };
}

/** Training pauses for the copy alone; its memory changes hands. */
function answerCheckpoint(trainer: Trainer, id: number): void {
  const value = trainer.engine.count === 0 ? null : trainer.checkpoint();
  const sets = value === null ? [] : [value.gaussians, value.moments1, value.moments2];
  send({ type: "answer", id, value }, buffersOf(...sets));
}

function emitSnapshot(trainer: Trainer): void {
  const { gaussians, step } = takeSnapshot(trainer);
  emit({ type: "snapshot", step, gaussians }, buffersOf(gaussians));
}

/** The end: held-out frames scored once more, as far as a few seconds go, then `finished`. */
async function emitFinished(trainer: Trainer, reporter: Reporter): Promise<void> {
  const endedAtS = nowS();
  for (const index of trainer.isLive ? trainer.holdouts() : []) {
    if (nowS() - endedAtS > LAST_SCORES_S) break;
    await scoreFrame(trainer, index);
  }
  reporter.flush();
  const { gaussians, step } = takeSnapshot(trainer);
  emit({ type: "finished", step, gaussians, endedAtS }, buffersOf(gaussians));
}

interface Reporter {
  stepped(index: number, psnr: number | null, first: boolean): void;
  /** A step had to wait so long for a picture. */
  waited(ms: number): void;
  flush(): void;
}

/** Turns steps into events, none more often than its reader can use. */
function createReporter(trainer: Trainer): Reporter {
  let progressAt = performance.now();
  let snapshotAt = performance.now();
  let holdoutAt = performance.now();
  let stepsBefore = trainer.step;
  let stepsPerSecond = 0;
  let holdoutTurn = 0;
  let isScoring = false;
  let pictureWaitMs = 0;
  const framePsnr = new Map<number, number>();

  function progress(now: number): void {
    const seconds = (now - progressAt) / 1000;
    const rate = (trainer.step - stepsBefore) / Math.max(seconds, 1e-3);
    stepsPerSecond = stepsPerSecond === 0 ? rate : 0.8 * stepsPerSecond + 0.2 * rate;
    progressAt = now;
    stepsBefore = trainer.step;
    const moving = trainer.phase === "training" || trainer.phase === "finishing";
    emit({
      type: "progress",
      phase: trainer.phase,
      step: trainer.step,
      stepsPerSecond: moving ? stepsPerSecond : 0,
      gaussianCount: trainer.engine.count,
      psnrTrain: trainer.meanPsnr(false),
      psnrHoldout: trainer.meanPsnr(true),
      framePsnr: [...framePsnr],
      memoryBytes: trainer.engine.memoryBytes + trainer.pictureBytes,
      pictureBytes: trainer.pictureBytes,
      pictureWaitMs,
    });
    framePsnr.clear();
  }

  /** Training goes on while its picture is read. */
  async function scoreNextHoldout(): Promise<void> {
    const holdouts = trainer.holdouts();
    if (holdouts.length === 0 || isScoring) return;
    isScoring = true;
    const index = holdouts[holdoutTurn++ % holdouts.length];
    const score = await scoreFrame(trainer, index);
    if (score !== null) framePsnr.set(index, score.psnr);
    isScoring = false;
  }

  function flush(): void {
    progress(performance.now());
  }

  return {
    flush,
    waited(ms) {
      pictureWaitMs += ms;
    },
    stepped(index, psnr, first) {
      if (psnr !== null) framePsnr.set(index, psnr);
      if (first) emit({ type: "trained", indices: [index] });
      const now = performance.now();
      if (now - progressAt >= PROGRESS_MS) progress(now);
      if (now - snapshotAt >= SNAPSHOT_MS) {
        snapshotAt = now;
        emitSnapshot(trainer);
      }
      if (now - holdoutAt >= HOLDOUT_MS) {
        holdoutAt = now;
        void scoreNextHoldout();
      }
    },
  };
}
