/**
 * The demo's capture: a folder that fills as a camera fills it, and the same watcher, uploads and calls over HTTP that a
 * real capture goes through.
 */
import { mkdir } from "node:fs/promises";
import type { Client } from "../api/client.ts";
import type { Status } from "../api/schema.ts";
import { captureFrames } from "../daemon/capture-frames.ts";
import { sleep } from "../time.ts";
import type { ProgressLine } from "../tui/progress-line.ts";
import type { DemoRig } from "./demo-rig.ts";
import { count } from "../quantities.ts";

/** Share of the time in which pictures are taken; in the rest the scene is finished. */
const CAPTURE_SHARE = 0.4;
const POLL_MS = 500;
/** Nothing of the demo is worth waiting for after Ctrl-C. */
const DRAIN_MS = 500;

export interface TabletopCapture {
  readonly rig: DemoRig;
  readonly frames: number;
  /** For capture and training together. */
  readonly seconds: number;
  readonly progress: ProgressLine;
}

/** How long pictures are taken in a demo of so many seconds. */
export function shootingSeconds(seconds: number): number {
  return CAPTURE_SHARE * seconds;
}

/** Let the rig fill `folder` while what appears is sent; ends when the backend has taken every frame. */
export async function captureTabletop(
  client: Client,
  folder: string,
  plan: TabletopCapture,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(folder);
  const done = new AbortController();
  const ending = AbortSignal.any([signal, done.signal]);
  const { shooting } = await startShooting(folder, plan, ending);
  const sending = send(client, folder, plan, ending);
  const never = new Promise<never>(() => undefined);
  try {
    await Promise.race([
      untilTaken(client, plan.progress, shooting, ending),
      shooting.then(() => never),
      sending.then(() => never),
    ]);
  } finally {
    done.abort();
    await Promise.allSettled([shooting, sending]);
  }
}

/** Resolves when the first frame is there: the watcher looks for poses beside the pictures when it starts. */
function startShooting(
  folder: string,
  { rig, frames, seconds }: TabletopCapture,
  signal: AbortSignal,
): Promise<{ shooting: Promise<number> }> {
  return new Promise((resolve, reject) => {
    const everyMs = (1000 * shootingSeconds(seconds)) / frames;
    const shooting = rig.shoot(folder, { frames, everyMs, signal, onFrame: () => resolve({ shooting }) });
    shooting.catch(reject);
  });
}

/** Watch and upload until the signal aborts. Throws what ended it before. */
async function send(
  client: Client,
  folder: string,
  { rig, progress }: TabletopCapture,
  signal: AbortSignal,
): Promise<void> {
  const listener = {
    onCounts: () => undefined,
    onNote: (line: string) => progress.say(line),
    onWarning: (line: string) => progress.say(`warning: ${line}`),
  };
  const options = { folder, spoolDir: `${folder}-spool`, drainMs: DRAIN_MS, joints: rig.joints };
  const { fatal } = await captureFrames(client, options, listener, signal);
  if (fatal !== null) throw fatal;
}

async function untilTaken(
  client: Client,
  progress: ProgressLine,
  shooting: Promise<number>,
  signal: AbortSignal,
): Promise<void> {
  let expected = Infinity;
  shooting.then(
    (written) => (expected = written),
    () => undefined,
  );
  for (;;) {
    const status = await client.status(signal);
    progress.update(describeDemoProgress(status));
    if (status.frame_count + status.rejected_count >= expected) return;
    await sleep(POLL_MS, signal);
  }
}

/** How far the demo is, on one line. */
export function describeDemoProgress(status: Status): string {
  const { state, frame_count, gaussian_count, step, psnr_holdout } = status;
  const psnr = psnr_holdout === null ? "" : `, held-out PSNR ${psnr_holdout.toFixed(1)} dB`;
  return `${state}: ${frame_count} frames, ${count(gaussian_count)} Gaussians, ${count(step)} steps${psnr}`;
}
