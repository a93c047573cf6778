/** What `splatctl demo` does: a backend of its own, a simulated capture, a scene and a picture of it. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Client } from "../api/client.ts";
import { saveSplat } from "../api/download.ts";
import type { FrameRecord, Status } from "../api/schema.ts";
import { stopAndWait } from "../api/stop-and-wait.ts";
import { openBackend } from "../backend/open-backend.ts";
import { messageOf, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { ProgressLine } from "../tui/progress-line.ts";
import { captureTabletop, describeDemoProgress, shootingSeconds } from "./demo-capture.ts";
import { keepDataset, makeDatasetFolder } from "./demo-dataset.ts";
import { typicalFrame, writePreview } from "./demo-preview.ts";
import { cameraAlone, DEMO_INTRINSICS, DEMO_SCENE, type DemoRig } from "./demo-rig.ts";
import { count } from "../quantities.ts";

export interface DemoPlan {
  /** Whether an arm carries the camera, read and relayed as a real one; else the camera's poses are given. */
  readonly arm: boolean;
  readonly outputDir: string;
  /** Where the pictures are kept as a data set; undefined = nowhere. */
  readonly keepDir: string | undefined;
  readonly frames: number;
  /** For capture and training together. */
  readonly seconds: number;
  readonly progress: ProgressLine;
  readonly log: Log;
}

/** How the demo went, as `--json` prints it. */
export interface DemoResult {
  readonly success: true;
  /** Over the views not trained on, dB; null when there were too few frames to hold any out. */
  readonly psnr: number | null;
  readonly frames: number;
  readonly gaussians: number;
  readonly steps: number;
  /** Of the whole demo. */
  readonly seconds: number;
  readonly scene: string;
  readonly preview: string;
  /** Folder of the data set, where one is kept. */
  readonly dataset?: string;
}

/** Run the demo. Whatever happens, the backend ends and the temporary files go; only `outputDir` stays. */
export async function runDemo(plan: DemoPlan, signal: AbortSignal): Promise<DemoResult> {
  const startMs = performance.now();
  const scene = join(plan.outputDir, "scene.ply");
  const preview = join(plan.outputDir, "preview.png");
  await mkdir(plan.outputDir, { recursive: true }).catch((cause: unknown) => {
    throw new SplatError("bad_input", `cannot write into ${plan.outputDir}: ${messageOf(cause)}`, { cause });
  });
  if (plan.keepDir !== undefined) await makeDatasetFolder(plan.keepDir);
  const { status, ...view } = await captureAndTrain(plan, scene, signal);
  plan.progress.update("rendering the preview");
  await writePreview(preview, scene, { ...view, intrinsics: DEMO_INTRINSICS });
  return {
    success: true,
    psnr: status.psnr_holdout,
    frames: status.frame_count,
    gaussians: status.gaussian_count,
    steps: status.step,
    seconds: Math.round((performance.now() - startMs) / 100) / 10,
    scene,
    preview,
    ...(plan.keepDir === undefined ? {} : { dataset: plan.keepDir }),
  };
}

/** The demo's result in a few lines. */
export function describeDemo(result: DemoResult): string {
  const { psnr, frames, gaussians, steps, seconds, scene, preview, dataset } = result;
  const quality = psnr === null ? "" : `PSNR ${psnr.toFixed(1)} dB on views not trained on; `;
  return [
    `${quality}${count(gaussians)} Gaussians from ${count(frames)} frames, ${count(steps)} steps, ${seconds} s in all`,
    `${scene}    the scene, for any Gaussian-splat viewer`,
    `${preview}  a held-out view: camera on the left, splat on the right`,
    ...(dataset === undefined
      ? []
      : [`${dataset}  the pictures and their poses, to try other commands with`]),
  ].join("\n");
}

async function captureAndTrain(
  plan: DemoPlan,
  scenePath: string,
  signal: AbortSignal,
): Promise<{ status: Status; frame: FrameRecord; seen: Uint8Array }> {
  const temporary = await mkdtemp(join(tmpdir(), "splatctl-demo-"));
  try {
    const backend = await openBackend({ dataDir: join(temporary, "data"), port: 0, log: plan.log });
    try {
      plan.log.info(`backend ${backend.url} (the demo's own)`);
      const client = createClient({ url: backend.url });
      await client.putScene(DEMO_SCENE, signal);
      const rig = await openRig(plan, backend.url);
      try {
        await train(client, rig, plan, join(temporary, "frames"), signal);
        await pull(client, scenePath, signal);
        const records = await client.frames(signal);
        if (plan.keepDir !== undefined) {
          await keepDataset(join(temporary, "frames"), records, plan.keepDir);
        }
        const frame = typicalFrame(records);
        return { status: await client.status(signal), frame, seen: rig.seen(frame) };
      } finally {
        await rig.close();
      }
    } finally {
      await backend.close();
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function openRig({ arm, seconds, log }: DemoPlan, backendUrl: string): Promise<DemoRig> {
  if (!arm) return cameraAlone();
  const { armRig } = await import("./demo-arm.ts");
  return await armRig({ backendUrl, scanSeconds: shootingSeconds(seconds), log });
}

async function train(
  client: Client,
  rig: DemoRig,
  plan: DemoPlan,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const startMs = performance.now();
  if (rig.mask !== null) await client.putMask(rig.mask, signal);
  await captureTabletop(client, folder, { ...plan, rig }, signal);
  const usedSeconds = (performance.now() - startMs) / 1000;
  await stopAndWait(client, {
    finishSeconds: Math.max(1, plan.seconds - usedSeconds),
    onStatus: (status) => plan.progress.update(describeDemoProgress(status)),
    signal,
  });
}

async function pull(client: Client, path: string, signal: AbortSignal): Promise<void> {
  const download = await client.getSplat({ format: "ply" }, signal);
  if (download.kind !== "scene") {
    throw new SplatError("partial", "training made no Gaussians", { hint: "Give it more --seconds." });
  }
  await saveSplat(download, path, { format: "ply" });
}
