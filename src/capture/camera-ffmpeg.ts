/** Pictures that ffmpeg takes from a device, a network camera or a file. */
import { execFile } from "node:child_process";
import { preciseNowS } from "../time.ts";
import type { CameraAddress } from "./camera-address.ts";
import type { FfmpegCall } from "./camera-ffmpeg-args.ts";
import { JpegSplitter } from "./camera-jpeg.ts";
import type { CameraPicture } from "./camera-picture.ts";
import { startFfmpeg } from "./camera-process.ts";
import { PacketStamps } from "./camera-stamps.ts";
import { cameraTrouble, ffmpegMissing } from "./camera-trouble.ts";

const VERSION_MS = 10_000;

/** ffmpeg's version, [major, minor]; what is built from its newest source counts as new. Throws `not_configured` when there is none. */
export function ffmpegVersion(): Promise<readonly [number, number]> {
  return new Promise((resolve, reject) => {
    execFile("ffmpeg", ["-version"], { timeout: VERSION_MS, windowsHide: true }, (error, stdout) => {
      if (error !== null && (error as NodeJS.ErrnoException).code === "ENOENT")
        return reject(ffmpegMissing());
      const found = /^ffmpeg version n?(\d+)\.(\d+)/.exec(stdout);
      resolve(found === null ? [99, 0] : [Number(found[1]), Number(found[2])]);
    });
  });
}

/**
 * The pictures, until the signal aborts or they end. Throws what is wrong with the camera when ffmpeg ends with an
 * error. Nothing is read ahead: a reader that waits holds ffmpeg up.
 */
export async function* ffmpegPictures(
  address: CameraAddress,
  { args, clock }: FfmpegCall,
  signal: AbortSignal,
): AsyncGenerator<CameraPicture> {
  if (signal.aborted) return;
  const ffmpeg = startFfmpeg(args);
  const end = (): void => void ffmpeg.end();
  signal.addEventListener("abort", end, { once: true });
  const splitter = new JpegSplitter();
  const stamps = new PacketStamps(clock);
  ffmpeg.lines.on("data", (text: string) => stamps.push(text));
  ffmpeg.lines.on("close", () => stamps.end());
  let isOver = false;
  try {
    for await (const piece of ffmpeg.pictures as AsyncIterable<Buffer>) {
      const arrivedAtS = preciseNowS();
      for (const { bytes, startsAt } of splitter.push(piece)) {
        if (signal.aborted) return;
        const capturedAtS = await stamps.timeOf(startsAt, arrivedAtS);
        yield { bytes, capturedAtS, arrivedAtS };
      }
    }
    isOver = true;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await (isOver && !signal.aborted ? ffmpeg.ended : ffmpeg.end());
    signal.removeEventListener("abort", end);
  }
  if (signal.aborted) return;
  const hasFailed = ffmpeg.exitCode() !== 0;
  if (hasFailed) throw cameraTrouble(address, ffmpeg.words());
}
