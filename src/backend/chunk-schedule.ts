/** When a chunk is due: once frame k·chunk_every has been in a step, and at the end if anything is newer. */
import type { Chunk } from "../api/schema.ts";
import { finiteGaussians } from "../splat/select.ts";
import type { ChunkWriter } from "./chunks.ts";
import { isTrained, type FrameTable } from "./frames.ts";
import { createSerial } from "./serial.ts";
import type { Training } from "./training.ts";

export interface ChunkScheduleDeps {
  readonly frames: FrameTable;
  readonly writer: ChunkWriter;
  readonly training: Training;
  readonly chunkEvery: () => number;
  /** Trainer's step now. */
  readonly step: () => number;
  readonly onChunk: (chunk: Chunk) => void;
  readonly onError: (error: unknown) => void;
}

/** After a failed write (a full disk), the next try is not made before this has passed. */
const RETRY_MS = 10_000;

/** Writes the chunks of one session when they are due. */
export class ChunkSchedule {
  readonly #deps: ChunkScheduleDeps;
  readonly #serial = createSerial();
  #busy = false;
  #notBeforeMs = 0;
  #lastStep: number;

  /** @param lastStep step of the last chunk of before a restart. */
  constructor(deps: ChunkScheduleDeps, lastStep: number) {
    this.#deps = deps;
    this.#lastStep = lastStep;
  }

  /** Step of the newest chunk. */
  get lastStep(): number {
    return this.#lastStep;
  }

  /** Write what is due; call whenever steps were made. */
  check(): void {
    if (this.#busy || Date.now() < this.#notBeforeMs || this.#dueFrame() === null) return;
    this.#busy = true;
    this.#serial(() => this.#writeDue())
      .catch((error: unknown) => {
        this.#notBeforeMs = Date.now() + RETRY_MS;
        this.#deps.onError(error);
      })
      .finally(() => {
        this.#busy = false;
      });
  }

  /** The chunk at the end: written if there are Gaussians and anything is newer than the last. */
  async writeFinal(): Promise<void> {
    await this.#serial(async () => {
      await this.#writeDue();
      const { frames, writer, training } = this.#deps;
      const scene = await training.snapshot();
      const isNewer = scene !== null && (scene.step > this.#lastStep || frames.lastIndex > writer.lastFrame);
      if (isNewer && scene.gaussians.count > 0) await this.#write(scene, frames.lastIndex);
    });
  }

  /** Resolves when no chunk is being written. */
  async settled(): Promise<void> {
    await this.#serial(() => Promise.resolve());
  }

  async #writeDue(): Promise<void> {
    for (let due = this.#dueFrame(); due !== null; due = this.#dueFrame()) {
      const scene = await this.#deps.training.snapshot();
      if (scene === null || scene.gaussians.count === 0) return;
      await this.#write(scene, due);
    }
  }

  /** Newest frame of the next chunk if it has been in a step; else null. */
  #dueFrame(): number | null {
    const { frames, writer, chunkEvery, step } = this.#deps;
    const index = writer.lastFrame + chunkEvery();
    const frame = frames.get(index);
    // A frame may be missing (it was damaged at a restart): those after it show that its turn has come.
    if (frame === undefined) return index < frames.lastIndex ? index : null;
    // What is never trained on counts once any step was made after it came.
    const counts = isTrained(frame) ? frame.stepped : step() > frame.acceptedAtStep;
    return counts ? index : null;
  }

  async #write(
    scene: NonNullable<Awaited<ReturnType<Training["snapshot"]>>>,
    lastFrame: number,
  ): Promise<void> {
    const chunk = await this.#deps.writer.write(finiteGaussians(scene.gaussians), lastFrame);
    this.#lastStep = scene.step;
    this.#deps.onChunk(chunk);
  }
}
