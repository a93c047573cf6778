/** The simulated arm's camera: takes pictures in real time and lays them into a folder, as a real one would. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { preciseNowS, sleep } from "../time.ts";
import type { SimulatedArm } from "./arm.ts";
import { NO_ERRORS } from "./arm-errors.ts";
import { startPictureThreads, type PictureFormat } from "./picture-threads.ts";
import { randomStream } from "../trainer/random.ts";
import { trueView, type NominalView } from "./wrist-view.ts";

export interface CameraShots {
  readonly arm: SimulatedArm;
  /** The camera as its owner describes it, and what he does not know: `errors` bend the pictures and the stamps. */
  readonly view: NominalView;
  /** From shutter to shutter. */
  readonly everyMs: number;
  /** First shutter, Unix seconds; by default the arm's start, or now when that is past. */
  readonly startS?: number | undefined;
  /** Ends after so many shutters, taken or dropped; otherwise when the signal aborts. */
  readonly shutters?: number | undefined;
  /** Shutters fall up to this much late, at random. */
  readonly jitterMs?: number | undefined;
  readonly format?: PictureFormat | undefined;
  /** Whether `NAME.json` {captured_at} is written beside each picture: true by default. */
  readonly sidecars?: boolean | undefined;
  /** Pictures in work at once: 1 by default. A shutter that finds none free is dropped. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called when another picture lies in the folder. */
  readonly onFrame?: ((frame: ShotFrame) => void) | undefined;
}

/** One picture that was taken. */
export interface ShotFrame {
  readonly path: string;
  /** Which shutter it was, from 0. */
  readonly shutter: number;
  /** When the shutter fell: the arm stood as `trueAnglesAt` says. Unix seconds. */
  readonly shutterS: number;
  /** What the camera's clock showed, and the sidecar says: `shutterS` − clock offset. */
  readonly capturedAtS: number;
}

export interface ShotCounts {
  readonly written: number;
  /** Shutters that fell while every thread was at work. */
  readonly dropped: number;
}

/**
 * Take pictures of the arm as it stands at each shutter, until the signal aborts or all shutters have fallen, and write
 * `frame_0001.json` {captured_at} and then `frame_0001.png` (or `.jpg`), and so on, in the order of their shutters.
 * An image appears whole, under its final name, when its sidecar is there. Throws when a picture cannot be written.
 */
export async function runSimulatedCamera(dir: string, shots: CameraShots): Promise<ShotCounts> {
  const setup = { view: trueView(shots.view), format: shots.format ?? "png" };
  const threads = await startPictureThreads(setup, shots.threads ?? 1);
  const failed = new AbortController();
  const ending = AbortSignal.any([failed.signal, ...(shots.signal === undefined ? [] : [shots.signal])]);
  const counts = { written: 0, dropped: 0 };
  let writing = Promise.resolve();
  async function write(picture: Promise<Uint8Array>, before: Promise<void>, fallen: Fallen): Promise<void> {
    try {
      const [bytes] = await Promise.all([picture, before]);
      if (ending.aborted) return;
      const frame = await writeFrame(dir, shots, bytes, { ...fallen, number: counts.written + 1 });
      counts.written++;
      shots.onFrame?.(frame);
    } catch (error) {
      // Threads that are closed before they are done also end up here.
      if (!ending.aborted) failed.abort(error);
    }
  }
  try {
    for await (const fallen of shutterTimes(shots, ending)) {
      const { shutter, shutterS } = fallen;
      const jointsRad = shots.arm.trueAnglesAt(shutterS);
      const picture = threads.take({ jointsRad, timeS: shutterS, frame: shutter });
      if (picture === null) counts.dropped++;
      else writing = write(picture, writing, fallen);
    }
    if (!ending.aborted) await writing;
  } finally {
    await threads.close();
    await writing;
  }
  if (failed.signal.aborted) throw failed.signal.reason;
  return counts;
}

/** A shutter that fell: which, from 0, and when, Unix seconds. */
interface Fallen {
  readonly shutter: number;
  readonly shutterS: number;
}

/** Each shutter when it has fallen; those that passed while nobody looked come at once. Ends without throwing. */
async function* shutterTimes(
  { arm, everyMs, startS, shutters = Infinity, jitterMs = 0 }: CameraShots,
  signal: AbortSignal,
): AsyncGenerator<Fallen> {
  const random = randomStream(1);
  const firstS = startS ?? Math.max(arm.startS, preciseNowS());
  for (let shutter = 0; shutter < shutters && !signal.aborted; shutter++) {
    const shutterS = firstS + (shutter * everyMs + random() * jitterMs) / 1000;
    try {
      // Even when it is late: pictures that are done must have a chance to say so.
      await sleep(Math.max(0, (shutterS - preciseNowS()) * 1000), signal);
      while (preciseNowS() < shutterS) await sleep(1, signal);
    } catch {
      return;
    }
    yield { shutter, shutterS };
  }
}

async function writeFrame(
  dir: string,
  { view, sidecars = true, format = "png" }: CameraShots,
  bytes: Uint8Array,
  { number, shutter, shutterS }: Fallen & { readonly number: number },
): Promise<ShotFrame> {
  const capturedAtS = shutterS - (view.errors ?? NO_ERRORS).clockOffsetS;
  const path = join(dir, `frame_${String(number).padStart(4, "0")}`);
  if (sidecars) await writeFile(`${path}.json`, JSON.stringify({ captured_at: capturedAtS }));
  await writeFile(`${path}.part`, bytes);
  await rename(`${path}.part`, `${path}.${format}`);
  return { path: `${path}.${format}`, shutter, shutterS, capturedAtS };
}
