/** The real trainer with room for a few pictures, fed by the backend's own decoder from disk. */
import { rmSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { trainOffline, type OfflineFrame, type OfflineOptions } from "../../src/backend/offline.ts";
import { startTraining } from "../../src/backend/trainer-thread.ts";
import type { TrainingEvent } from "../../src/backend/training.ts";
import { poseOf } from "../../src/trainer/camera.ts";
import type { TrainerFrame } from "../../src/trainer/train.ts";
import { openTestBackend, poseAt, temporaryFolder } from "../helpers/backend-fixture.ts";
import { drawnFrames } from "../trainer/scenes.ts";

const WIDTH = 40;
const HEIGHT = 30;
/** Room for four pictures. */
const FRAME_BYTES = 4 * WIDTH * HEIGHT * 4;

async function png({ rgba, camera: { width, height } }: TrainerFrame): Promise<Uint8Array> {
  return await sharp(rgba, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
}

/** Drawn frames as a data set's files; every fifth is held out. */
async function frameFiles(count: number): Promise<OfflineFrame[]> {
  const folder = await temporaryFolder();
  return await Promise.all(
    drawnFrames(count, WIDTH, HEIGHT).map(async (frame) => {
      const { fx, fy, cx, cy } = frame.camera;
      const path = join(folder, `${frame.index}.png`);
      await writeFile(path, await png(frame));
      const size = { w: WIDTH, h: HEIGHT, fl_x: fx, fl_y: fy, cx, cy };
      const lens = { model: "PINHOLE" as const, ...size, k1: 0, k2: 0, p1: 0, p2: 0 };
      const holdout = frame.index % 5 === 0;
      return { path, name: `${frame.index}.png`, lens, cameraToWorld: poseOf(frame.camera), holdout };
    }),
  );
}

async function offline(
  frames: readonly OfflineFrame[],
  changes: { threads?: number; steps?: number } & Pick<OfflineOptions, "onComparison" | "onLoaded">,
) {
  const problems: string[] = [];
  const progress: (TrainingEvent & { type: "progress" })[] = [];
  const result = await trainOffline({
    frames,
    points: null,
    settings: {
      threads: changes.threads ?? 1,
      maxGaussians: 300,
      shDegree: 0,
      background: "black",
      seed: 7,
      bounds: { min: [-0.7, -0.7, -0.02], max: [0.7, 0.7, 0.4] },
      exposure: false,
      antialiased: false,
      frameBytes: FRAME_BYTES,
    },
    maxPixels: 1e6,
    budget: { steps: changes.steps ?? 120 },
    onComparison: changes.onComparison,
    onLoaded: changes.onLoaded,
    onProgress: (event) => progress.push(event),
    onProblem: (name, reason) => problems.push(`${name}: ${reason}`),
    onWarning: (message) => problems.push(message),
  });
  return { result, problems, progress };
}

describe("a data set larger than the budget", () => {
  it("is trained on with the same result whatever the number of threads, and scored from disk", async () => {
    const frames = await frameFiles(15);
    const compared: string[] = [];
    const onComparison = ({ name }: { name: string }): Promise<void> => {
      compared.push(name);
      return Promise.resolve();
    };
    const [one, two] = await Promise.all([
      offline(frames, { threads: 1, onComparison }),
      offline(frames, { threads: 2 }),
    ]);
    expect(two.result.gaussians).toEqual(one.result.gaussians);
    expect(two.result.scores).toEqual(one.result.scores);
    expect(one.result.scores.map(({ index }) => index)).toEqual([5, 10, 15]);
    expect(one.result.scores.every(({ psnr }) => psnr > 8)).toBe(true);
    expect(compared).toEqual(["5.png", "10.png", "15.png"]);
    expect(one.problems).toEqual([]);
    expect(Math.max(...one.progress.map(({ pictureBytes }) => pictureBytes))).toBeLessThanOrEqual(
      FRAME_BYTES,
    );
  });

  it("loses an image while it is trained: the frame is named and left out", async () => {
    const frames = await frameFiles(14);
    // Gone when all have been looked at, so that only reading again finds out.
    const onLoaded = (loaded: number, total: number): void => {
      if (loaded === total) for (const at of [2, 9]) rmSync(frames[at].path);
    };
    const { result, problems } = await offline(frames, { onLoaded });
    expect(result.steps).toBe(120);
    expect(problems.map((problem) => problem.split(":")[0]).toSorted()).toEqual(["10.png", "3.png"]);
    expect(result.scores.map(({ index }) => index)).toEqual([5]);
  });
});

it("trains frames that arrive live beyond its budget, and warns of one that cannot be read again", async () => {
  const dataDir = await temporaryFolder();
  const backend = await openTestBackend({ dataDir, startTraining, frameBytes: FRAME_BYTES });
  const frames = drawnFrames(10, WIDTH, HEIGHT);
  const send = async (frame: TrainerFrame): Promise<void> => {
    const response = await backend.upload(await png(frame), {
      frame_id: `f${frame.index}`,
      camera_to_world: poseAt(0.02 * frame.index),
    });
    expect(response.status).toBe(200);
  };
  for (const frame of frames.slice(0, 6)) await send(frame);
  await backend.until(({ step }) => step > 20);
  // The first is out of memory by now, or soon will be.
  await rm(join(dataDir, "state/main/frames/000001.png"));
  for (const frame of frames.slice(6)) await send(frame);
  const status = await backend.until(({ warnings }) => warnings.some((text) => text.startsWith("f1 is not")));
  expect(status.state).toBe("training");
  expect(status.last_error).toBeNull();
  await backend.until(() =>
    [...backend.scene.session.frames.accepted()].every(({ index, psnr }) => index === 1 || psnr !== null),
  );
  const { step } = backend.scene.status();
  await backend.until((now) => now.step > step);
  expect(backend.scene.session.frames.trainableCount).toBe(9);
});
