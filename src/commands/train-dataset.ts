/** What `splatctl train` does: read, train, score, write. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, extname, join, resolve } from "node:path";
import sharp from "sharp";
import { trainOffline, type OfflineFrame, type PictureComparison } from "../backend/offline.ts";
import type { PointCloud } from "../backend/training.ts";
import { readDataset, type Dataset, type DatasetFrame } from "../capture/dataset.ts";
import { messageOf, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import { decodePoints } from "../splat/ply-read.ts";
import type { ShDegree } from "../splat/gaussians.ts";
import { finiteGaussians } from "../splat/select.ts";
import { hiddenProgressLine, openProgressLine } from "../tui/progress-line.ts";
import { bytesOfMib } from "./flags.ts";
import { makeFolder, requireWritableScene, writeScene } from "./scene-output.ts";
import { interruptSignal } from "./terminal.ts";
import type { TrainFlags } from "./train.ts";

/** What was made, as `--json` prints it. Scores are null without `--eval`. */
export interface TrainSummary {
  readonly psnr: number | null;
  readonly ssim: number | null;
  readonly steps: number;
  /** From the start of the command to the end of the last step. */
  readonly seconds: number;
  readonly steps_per_second: number;
  readonly gaussians: number;
  readonly frames: number;
  readonly test_frames: number;
  readonly threads: number;
  readonly path: string;
  readonly bytes: number;
  readonly complete: boolean;
}

const STEPS_PER_FRAME = 100;
const FEWEST_STEPS = 3000;

/** Train `folder` as the flags say and write the scene. Ctrl-C ends training early and keeps what there is. */
export async function trainDataset(folder: string, flags: TrainFlags, log: Log): Promise<TrainSummary> {
  const startS = performance.timeOrigin / 1000;
  const threads = flags.threads ?? availableParallelism();
  const evaluate = flags.eval === true || flags.evalImages !== undefined;
  const path = resolve(flags.output);
  // Found out now, not after minutes of training.
  const format = await requireWritableScene(path);
  if (flags.evalImages !== undefined) await makeFolder(flags.evalImages);
  const dataset = await readDataset(folder);
  for (const { name, reason } of dataset.problems) log.warn(`${name} left out: ${reason}`);
  for (const note of dataset.notes) log.info(note);
  const frames = framesOf(dataset, evaluate, log);
  const trainable = frames.filter(({ holdout }) => !holdout).length;
  const steps =
    flags.steps ??
    (flags.seconds === undefined ? Math.max(FEWEST_STEPS, STEPS_PER_FRAME * trainable) : undefined);
  const signal = interruptSignal();
  const progress = flags.quiet === true ? hiddenProgressLine() : await openProgressLine();
  const result = await trainOffline({
    frames,
    points: await readPoints(dataset, log),
    settings: {
      threads,
      maxGaussians: flags.maxGaussians,
      shDegree: Number(flags.shDegree) as ShDegree,
      background: flags.background ?? (dataset.hasAlpha ? "white" : "black"),
      seed: flags.seed,
      bounds: null,
      frameBytes: bytesOfMib(flags.frameMemory),
      exposure: flags.exposure ?? false,
      antialiased: flags.antialiased === true,
    },
    maxPixels: flags.maxPixels,
    budget: { steps, deadlineS: flags.seconds === undefined ? undefined : startS + flags.seconds },
    onComparison: flags.evalImages === undefined ? undefined : comparisonWriter(flags.evalImages),
    onLoaded: (loaded, total) => progress.update(`loading images ${loaded}/${total}`),
    onProgress: ({ step, stepsPerSecond, gaussianCount, psnrTrain }) =>
      progress.update(
        `step ${step}${steps === undefined ? "" : `/${steps}`} · ${stepsPerSecond.toFixed(1)}/s · ` +
          `${gaussianCount} Gaussians` +
          (psnrTrain === null ? "" : ` · training PSNR ${psnrTrain.toFixed(2)} dB`),
      ),
    onProblem: (name, reason) => progress.say(`warning: ${name} left out: ${reason}`),
    onWarning: (message) => progress.say(`warning: ${message}`),
    signal,
  }).finally(() => progress.end());
  if (result.steps === 0) {
    throw new SplatError("partial", "no step was made, so no scene was written", {
      hint: "Loading took all the time there was: give more --seconds, or none.",
    });
  }
  const gaussians = finiteGaussians(result.gaussians);
  const sizeBytes = await writeScene(path, gaussians, { format, antialiased: flags.antialiased === true });
  const mean = (key: "psnr" | "ssim"): number | null =>
    result.scores.length === 0
      ? null
      : result.scores.reduce((sum, score) => sum + score[key], 0) / result.scores.length;
  return {
    psnr: mean("psnr"),
    ssim: mean("ssim"),
    steps: result.steps,
    seconds: result.endedAtS - startS,
    steps_per_second: result.stepsPerSecond,
    gaussians: gaussians.count,
    frames: trainable,
    test_frames: result.scores.length,
    threads,
    path,
    bytes: sizeBytes,
    complete: !signal.aborted,
  };
}

/** The summary for people. */
export function describeTraining(summary: TrainSummary): string {
  const { psnr, ssim, steps, seconds, steps_per_second, gaussians, test_frames, path } = summary;
  const lines = [
    `${steps} steps in ${seconds.toFixed(1)} s (${steps_per_second.toFixed(1)}/s), ${gaussians} Gaussians`,
  ];
  if (psnr !== null && ssim !== null) {
    lines.push(`held-out: PSNR ${psnr.toFixed(2)} dB, SSIM ${ssim.toFixed(4)} over ${test_frames} images`);
  }
  if (!summary.complete) lines.push("stopped early: the scene is what there was by then");
  return [...lines, path].join("\n");
}

/** One frame in so many is held out for scoring where a data set has no test split (the custom since Mip-NeRF 360). */
const HOLDOUT_EVERY = 8;

/** Without scoring, the test split is as good to train on as any other. */
function framesOf(dataset: Dataset, evaluate: boolean, log: Log): OfflineFrame[] {
  const hasSplit = dataset.frames.some(({ holdout }) => holdout);
  if (evaluate && !hasSplit) log.warn(`no test split: every ${HOLDOUT_EVERY}th frame is held out instead`);
  const isHeldOut = (frame: DatasetFrame, i: number): boolean =>
    evaluate && (hasSplit ? frame.holdout : i % HOLDOUT_EVERY === HOLDOUT_EVERY - 1);
  return dataset.frames.map((frame, i) => ({
    path: frame.path,
    name: frame.name,
    lens: frame.camera ?? dataset.camera,
    cameraToWorld: frame.cameraToWorld,
    holdout: isHeldOut(frame, i),
  }));
}

async function readPoints({ pointsPath }: Dataset, log: Log): Promise<PointCloud | null> {
  if (pointsPath === null) return null;
  try {
    const points = decodePoints(await readFile(pointsPath));
    log.info(`starting from ${points.positions.length / 3} sparse points of ${basename(pointsPath)}`);
    return points;
  } catch (error) {
    log.warn(`sparse points not used: ${messageOf(error)}`);
    return null;
  }
}

/** Writes truth | render, side by side, as NAME.png. */
function comparisonWriter(folder: string): (comparison: PictureComparison) => Promise<void> {
  return async ({ name, width, height, truth, render }) => {
    const raw = { width, height, channels: 3 } as const;
    const file = join(folder, `${basename(name, extname(name))}.png`);
    await sharp({ create: { width: 2 * width, height, channels: 3, background: "black" } })
      .composite([
        { input: Buffer.from(truth), raw, left: 0, top: 0 },
        { input: Buffer.from(render), raw, left: width, top: 0 },
      ])
      .png()
      .toFile(file);
  };
}
