/**
 * The demo's capture: a folder that fills as an arm would fill it, and the same watcher, uploads and calls over HTTP
 * that a real capture goes through.
 */
import { mkdir } from "node:fs/promises";
import type { Client } from "../api/client.ts";
import type { ScenePatch, Status } from "../api/schema.ts";
import { captureFolder } from "../daemon/capture-folder.ts";
import { DEFAULT_CAMERA_MOUNT } from "../robot/so101.ts";
import { writeSimulatedCapture } from "../sim/capture.ts";
import { TABLETOP_BOUNDS } from "../sim/tabletop.ts";
import { wristIntrinsics } from "../sim/wrist-camera.ts";
import { sleep } from "../time.ts";
import type { ProgressLine } from "../tui/progress-line.ts";
import { count } from "./describe.ts";

/** The demo's lens: as many pixels as two cores get through often enough in a minute. */
export const DEMO_INTRINSICS = wristIntrinsics(320, 240);

/** What the demo's backend is told before the first frame. */
export const DEMO_SCENE: ScenePatch = {
  camera: {
    model: "PINHOLE",
    w: DEMO_INTRINSICS.width,
    h: DEMO_INTRINSICS.height,
    fl_x: DEMO_INTRINSICS.fx,
    fl_y: DEMO_INTRINSICS.fy,
    cx: DEMO_INTRINSICS.cx,
    cy: DEMO_INTRINSICS.cy,
    k1: 0,
    k2: 0,
    p1: 0,
    p2: 0,
  },
  camera_mount: DEFAULT_CAMERA_MOUNT,
  bounds: TABLETOP_BOUNDS,
  holdout_every: 8,
  background: "black",
  // Far more than a minute grows: the first Gaussians are placed as a share of it.
  max_gaussians: 50_000,
  sh_degree: 1,
};

/** Share of the time in which the arm moves; in the rest the scene is finished. */
const CAPTURE_SHARE = 0.4;
const POLL_MS = 500;
/** Nothing of the demo is worth waiting for after Ctrl-C. */
const DRAIN_MS = 500;

export interface TabletopCapture {
  readonly frames: number;
  /** For capture and training together. */
  readonly seconds: number;
  readonly progress: ProgressLine;
}

/** Let the simulated arm fill `folder` while what appears is sent; ends when the backend has taken every frame. */
export async function captureTabletop(
  client: Client,
  folder: string,
  plan: TabletopCapture,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(folder);
  const done = new AbortController();
  const ending = AbortSignal.any([signal, done.signal]);
  const { writing } = await startWriting(folder, plan, ending);
  const sending = send(client, folder, plan.progress, ending);
  const never = new Promise<never>(() => undefined);
  try {
    await Promise.race([
      untilTaken(client, plan, ending),
      writing.then(() => never),
      sending.then(() => never),
    ]);
  } finally {
    done.abort();
    await Promise.allSettled([writing, sending]);
  }
}

/** Resolves when the first frame is there: the watcher looks for poses beside the pictures when it starts. */
function startWriting(
  folder: string,
  { frames, seconds }: TabletopCapture,
  signal: AbortSignal,
): Promise<{ writing: Promise<void> }> {
  return new Promise((resolve, reject) => {
    const writing = writeSimulatedCapture(folder, {
      frames,
      intrinsics: DEMO_INTRINSICS,
      mount: DEFAULT_CAMERA_MOUNT,
      everyMs: (1000 * CAPTURE_SHARE * seconds) / frames,
      signal,
      onFrame: () => resolve({ writing }),
    });
    writing.catch(reject);
  });
}

/** Watch and upload until the signal aborts. Throws what ended it before. */
async function send(
  client: Client,
  folder: string,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<void> {
  const listener = {
    onCounts: () => undefined,
    onNote: (line: string) => progress.say(line),
    onWarning: (line: string) => progress.say(`warning: ${line}`),
  };
  const options = { folder, spoolDir: `${folder}-spool`, drainMs: DRAIN_MS };
  const { fatal } = await captureFolder(client, options, listener, signal);
  if (fatal !== null) throw fatal;
}

async function untilTaken(client: Client, plan: TabletopCapture, signal: AbortSignal): Promise<void> {
  for (;;) {
    const status = await client.status(signal);
    plan.progress.update(describeDemoProgress(status));
    if (status.frame_count + status.rejected_count >= plan.frames) return;
    await sleep(POLL_MS, signal);
  }
}

/** How far the demo is, on one line. */
export function describeDemoProgress(status: Status): string {
  const { state, frame_count, gaussian_count, step, psnr_holdout } = status;
  const psnr = psnr_holdout === null ? "" : `, held-out PSNR ${psnr_holdout.toFixed(1)} dB`;
  return `${state}: ${frame_count} frames, ${count(gaussian_count)} Gaussians, ${count(step)} steps${psnr}`;
}
