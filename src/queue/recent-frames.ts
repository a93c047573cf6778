/** Frames just put into a spool, so that those sent at once need not be read back from disk. Bounded in bytes. */
import type { SpoolFrame } from "./frame-file.ts";

const MAX_BYTES = 16 * 1024 * 1024;

/** The newest frames, by number; the oldest make room for others. */
export class RecentFrames {
  readonly #frames = new Map<number, SpoolFrame>();
  #sizeBytes = 0;

  add(seq: number, frame: SpoolFrame): void {
    this.#frames.set(seq, frame);
    this.#sizeBytes += frame.frame.bytes.length;
    for (const oldest of this.#frames.keys()) {
      if (this.#sizeBytes <= MAX_BYTES) return;
      this.take(oldest);
    }
  }

  /** Hand a frame out, and forget it. */
  take(seq: number): SpoolFrame | null {
    const frame = this.#frames.get(seq);
    if (frame === undefined) return null;
    this.#frames.delete(seq);
    this.#sizeBytes -= frame.frame.bytes.length;
    return frame;
  }
}
