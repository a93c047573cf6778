/** Frames that the backend will never take, set aside with their reasons. */
import { rm } from "node:fs/promises";
import { renameDurably, writeDurably } from "../files/durable.ts";
import { encodeFailure, failedPaths, framePath, type FailedFrame } from "./spool-contents.ts";

/** Why a frame was set aside that does not read as it was written. */
export const DAMAGED = "its copy in the spool is damaged";

/** Those of one spool. Work on files is handed to `later`, which does one job after the other. */
export class FailedFrames {
  readonly #folder: string;
  readonly #later: (job: () => Promise<void>) => void;
  readonly #byId: Map<string, FailedFrame>;
  #sizeBytes: number;

  constructor(folder: string, frames: readonly FailedFrame[], later: (job: () => Promise<void>) => void) {
    this.#folder = folder;
    this.#later = later;
    this.#byId = new Map(frames.map((frame) => [frame.frameId, frame]));
    this.#sizeBytes = frames.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  get size(): number {
    return this.#byId.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  has(frameId: string): boolean {
    return this.#byId.has(frameId);
  }

  values(): Iterable<FailedFrame> {
    return this.#byId.values();
  }

  /** Move a frame here; the reason is there first. */
  add(frame: FailedFrame): void {
    this.#byId.set(frame.frameId, frame);
    this.#sizeBytes += frame.sizeBytes;
    this.#later(async () => {
      const paths = failedPaths(this.#folder, frame.seq);
      await writeDurably(paths.reason, [encodeFailure(frame)]);
      await renameDurably(framePath(this.#folder, frame.seq), paths.frame);
    });
  }

  /** A damaged frame of which only the number is known. */
  addNameless(seq: number): void {
    this.add({ seq, frameId: `damaged-${seq}`, name: `frame ${seq}`, reason: DAMAGED, sizeBytes: 0 });
  }

  /** Remove a frame, when it is here: the same picture has another chance. */
  delete(frameId: string): void {
    const frame = this.#byId.get(frameId);
    if (frame === undefined) return;
    this.#byId.delete(frameId);
    this.#sizeBytes -= frame.sizeBytes;
    this.#later(async () => {
      const paths = failedPaths(this.#folder, frame.seq);
      await rm(paths.frame, { force: true });
      await rm(paths.reason, { force: true });
    });
  }
}
