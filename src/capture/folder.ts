/** A folder as a source of frames: what is there, then what appears. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { SplatError, toSplatError } from "../errors.ts";
import { steadyMs } from "../time.ts";
import {
  folderIdentity,
  listFiles,
  openFolderWatch,
  requireFolder,
  type FolderWatch,
  type SeenFile,
} from "./folder-watch.ts";
import { isSameVersion, lookAtImage, type FileLook, type FileVersion } from "./image-file.ts";
import type { FileFrame, Frame, Sample } from "./sample.ts";
import { exifTimeS } from "./shutter-time.ts";
import { hasSidecar, readSidecar, type Sidecar } from "./sidecar.ts";
import { WaitingRoom, type DueFile, type FolderTiming } from "./waiting-room.ts";

export interface FolderOptions {
  /** Look into sub-folders too. */
  readonly recursive?: boolean | undefined;
  /** End when everything that is there has been sent or rejected, instead of waiting for more. */
  readonly once?: boolean | undefined;
  /** Which files are frames, by name relative to the folder with "/"; see `frameNameFilter`. */
  readonly accepts: (name: string) => boolean;
  /** A file that will not be sent, and why. Called once per file and reason. */
  readonly onRejected: (name: string, reason: string) => void;
  readonly onWarning: (line: string) => void;
  /** What an earlier run took under a name: while the file stays so, it is not read again. */
  readonly takenBefore?: ((name: string) => TakenBefore | undefined) | undefined;
  /** A file is left alone because an earlier run took it. */
  readonly onTakenBefore?: ((name: string) => void) | undefined;
  readonly timing?: Partial<FolderTiming> | undefined;
}

export interface TakenBefore {
  readonly frameId: string;
  readonly version: FileVersion;
}

const TIMING: FolderTiming = {
  settleMs: 50,
  truncatedAfterMs: 5000,
  growingAfterMs: 60_000,
  relistMs: 2000,
  sidecarWaitMs: 300,
  folderGoneMs: 4000,
};
/** Listings take at most one part in so many of the time: a large folder is listed less often. */
const LISTING_SHARE = 50;
/** How often an idle watch makes sure that the folder is still there. */
const FOLDER_CHECK_MS = 500;
/** Longest `frame_id` that the contract takes. */
const FRAME_ID_LENGTH = 128;

/**
 * Frames of a folder: existing files in name order (frame2 before frame10), then others in order of completion.
 * A file is read only when the consumer asks for the next frame, so thousands of files cost no memory.
 * A file rewritten with other content is a new frame. Ends, without throwing, when the signal aborts.
 * Throws `bad_input` when the folder is missing, is a file, or disappears and does not come back.
 */
export async function* watchFolder(
  dir: string,
  options: FolderOptions,
  signal: AbortSignal,
): AsyncGenerator<Sample<FileFrame>> {
  await requireFolder(dir);
  const source = new FolderSource(dir, options, signal);
  try {
    await source.open();
    while (!signal.aborted) {
      const due = await source.nextDue();
      if (due === null) return;
      const sample = await source.take(due);
      if (sample !== null) yield sample;
    }
  } finally {
    await source.close();
  }
}

/**
 * A frame of a folder with its picture as it is on the disk now; null when it is gone, or changed: then a watch gives it
 * as another frame.
 */
export async function readAgain(dir: string, sample: Sample<Frame>): Promise<Sample<Frame> | null> {
  const { name, frameId } = sample.value;
  const path = join(dir, name);
  const stats = await stat(path).catch(() => null);
  if (stats === null) return null;
  const look = await lookAtImage(path, { sizeBytes: stats.size, mtimeMs: stats.mtimeMs });
  if (look.kind !== "ready" || frameIdOf(name, look.bytes) !== frameId) return null;
  return { ...sample, value: { ...sample.value, bytes: look.bytes, version: look.version } };
}

/** The state of one watch, from its first file to its last. */
class FolderSource {
  readonly #dir: string;
  readonly #options: FolderOptions;
  readonly #signal: AbortSignal;
  readonly #timing: FolderTiming;
  readonly #room: WaitingRoom;
  /** What was sent or rejected last under each name, so that the same is not sent or told twice. */
  readonly #settled = new Map<string, { version: FileVersion; outcome: string }>();
  #watcher: FolderWatch | undefined;
  #identity: string | null = null;
  #watchError: SplatError | undefined;
  #sidecarsSeen = false;
  #isListing = false;
  /** No listing begins sooner. */
  #nextListingMs = 0;
  #ring: () => void = () => undefined;

  constructor(dir: string, options: FolderOptions, signal: AbortSignal) {
    this.#dir = dir;
    this.#options = options;
    this.#signal = signal;
    this.#timing = { ...TIMING, ...options.timing };
    this.#room = new WaitingRoom(this.#timing);
  }

  async open(): Promise<void> {
    this.#identity = await folderIdentity(this.#dir);
    let present = true;
    this.#watcher = await openFolderWatch(this.#dir, {
      recursive: this.#options.recursive === true,
      accepts: this.#options.accepts,
      onFile: (file) => this.#note(file, present),
      onError: (error) => {
        // What is there has been listed all the same, and that is all that `once` needs.
        if (this.#options.once !== true) this.#watchError ??= error;
        this.#ring();
      },
    });
    present = false;
  }

  async close(): Promise<void> {
    await this.#watcher?.close();
  }

  /** The next file to look at; null when the watch is over. */
  async nextDue(): Promise<DueFile | null> {
    let checkedMs = steadyMs();
    const idleSinceMs = steadyMs();
    while (!this.#signal.aborted) {
      if (this.#watchError !== undefined) throw this.#watchError;
      const nowMs = steadyMs();
      const due = this.#room.due(nowMs);
      if (due !== null) return due;
      const isDrained = this.#options.once === true && this.#room.isEmpty;
      if (isDrained || nowMs - checkedMs >= FOLDER_CHECK_MS) {
        const isThere = await this.#checkFolder();
        if (isThere && isDrained) return null;
        checkedMs = steadyMs();
        const isQuiet = checkedMs - idleSinceMs >= this.#timing.relistMs;
        if (isThere && this.#options.once !== true && isQuiet) {
          void this.#relist().catch((thrown: unknown) => {
            this.#watchError ??= toSplatError(thrown);
            this.#ring();
          });
        }
        continue;
      }
      await this.#idle(Math.min(this.#room.nextDueMs - nowMs, FOLDER_CHECK_MS));
    }
    return null;
  }

  /**
   * Find files that no event told of: the operating system drops some when a folder fills while its watch starts. Not more
   * often than every `relistMs`, and what comes meanwhile does not wait for it.
   */
  async #relist(): Promise<void> {
    const startMs = steadyMs();
    if (this.#isListing || startMs < this.#nextListingMs) return;
    this.#isListing = true;
    const { recursive = false, accepts } = this.#options;
    // Nearly all are known: what is cheap to ask comes first.
    const isNews = (name: string): boolean =>
      !this.#settled.has(name) && !this.#room.has(name) && accepts(name);
    const files = await listFiles(this.#dir, recursive, isNews, this.#signal);
    // One that an event told of meanwhile is known better by now.
    for (const file of files) if (isNews(file.name)) this.#note(file, false);
    const nowMs = steadyMs();
    this.#nextListingMs = nowMs + Math.max(this.#timing.relistMs, LISTING_SHARE * (nowMs - startMs));
    this.#isListing = false;
  }

  /** Look at a file and make a frame of it; null when it is not one, or not yet. */
  async take({ name, version, sinceMs }: DueFile): Promise<Sample<FileFrame> | null> {
    const nowMs = steadyMs();
    const path = join(this.#dir, name);
    const sidecarDueMs = sinceMs + this.#timing.sidecarWaitMs;
    if (this.#sidecarsSeen && nowMs < sidecarDueMs && !(await hasSidecar(path))) {
      this.#room.postpone(name, nowMs + this.#timing.settleMs);
      return null;
    }
    const look = await lookAtImage(path, version);
    if (look.kind === "gone") this.#room.forget(name);
    else if (look.kind === "growing") this.#stillIncomplete(name, look.version, look.reason);
    else if (look.kind === "rejected") this.#reject(name, look.version, look.reason);
    else return this.#sampleOf(name, look);
    return null;
  }

  async #sampleOf(name: string, look: FileLook & { kind: "ready" }): Promise<Sample<FileFrame> | null> {
    const found = await readSidecar(join(this.#dir, name));
    if (found.kind === "unusable") {
      this.#stillIncomplete(name, look.version, found.reason);
      return null;
    }
    if (found.kind === "read") this.#sidecarsSeen = true;
    const sample = toSample(name, look, found.kind === "read" ? found.sidecar : {});
    const isRepeat = this.#settled.get(name)?.outcome === sample.value.frameId;
    this.#settle(name, look.version, sample.value.frameId);
    return isRepeat ? null : sample;
  }

  #note({ name, version, changedMs }: SeenFile, isPresent: boolean): void {
    const earlier = this.#settled.has(name) ? undefined : this.#options.takenBefore?.(name);
    if (earlier !== undefined)
      this.#settled.set(name, { version: earlier.version, outcome: earlier.frameId });
    const before = this.#settled.get(name);
    if (before !== undefined && isSameVersion(before.version, version)) {
      if (earlier !== undefined) this.#options.onTakenBefore?.(name);
      return;
    }
    const nowMs = steadyMs();
    this.#room.note(name, version, nowMs, isPresent ? changedMs : nowMs);
    this.#ring();
  }

  #stillIncomplete(name: string, version: FileVersion, reason: string): void {
    if (this.#room.stillIncomplete(name, version, steadyMs())) this.#reject(name, version, reason);
  }

  #reject(name: string, version: FileVersion, reason: string): void {
    if (this.#settled.get(name)?.outcome !== reason) this.#options.onRejected(name, reason);
    this.#settle(name, version, reason);
  }

  #settle(name: string, version: FileVersion, outcome: string): void {
    this.#room.forget(name);
    this.#settled.set(name, { version, outcome });
  }

  /** Wait until something happens, at most `ms`. */
  async #idle(ms: number): Promise<void> {
    if (this.#signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.max(ms, 1));
      // Not AbortSignal.any: on Node 20 the signal, which lives for days, would keep a little of each.
      this.#signal.addEventListener("abort", wake);
      this.#ring = wake;
    });
  }

  /** True when the folder is where it was; else wait for it to come back and watch the new one. */
  async #checkFolder(): Promise<boolean> {
    if ((await folderIdentity(this.#dir)) === this.#identity) return true;
    await this.close();
    const untilMs = steadyMs() + this.#timing.folderGoneMs;
    while ((await folderIdentity(this.#dir)) === null && !this.#signal.aborted) {
      if (steadyMs() > untilMs) {
        throw new SplatError("bad_input", `the folder ${this.#dir} has disappeared`, {
          hint: "Frames already sent are safe. Start the capture again when it is back.",
        });
      }
      await this.#idle(100);
    }
    if (!this.#signal.aborted) {
      this.#options.onWarning(`the folder ${this.#dir} was gone and is back; watching it again`);
      await this.open();
    }
    return false;
  }
}

function toSample(name: string, look: FileLook & { kind: "ready" }, sidecar: Sidecar): Sample<FileFrame> {
  const { bytes, header, version } = look;
  const exifS = header.exif === null ? null : exifTimeS(header.exif);
  return {
    capturedAtS: sidecar.captured_at ?? exifS ?? version.mtimeMs / 1000,
    value: {
      frameId: frameIdOf(name, bytes),
      name,
      bytes,
      mediaType: header.mediaType,
      version,
      cameraToWorld: sidecar.camera_to_world?.flat(),
      jointAngles: sidecar.joint_angles,
      jointSamples: sidecar.joint_samples,
      holdout: sidecar.holdout,
    },
  };
}

/** The same bytes under the same name are the same frame, across restarts. */
function frameIdOf(name: string, bytes: Uint8Array): string {
  const content = hash16(bytes);
  const id = `${content}-${name}`;
  return id.length <= FRAME_ID_LENGTH ? id : `${content}-${hash16(name)}`;
}

function hash16(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 16);
}
