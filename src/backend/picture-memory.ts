/**
 * Memory of pictures that the trainer let go, for the next ones of the same size. Shared memory is freed only when every
 * thread has collected its handle, and counts for nothing towards the next collection: left to that, a training that
 * exchanges pictures would take ever more of it.
 */
import type { Pixels } from "../trainer/picture.ts";

/** More than are ever under way at once. */
const MOST_SPARE = 8;

export class PictureMemory {
  readonly #spare: ArrayBufferLike[] = [];

  /** Bytes of shared memory, their content as it happens to be. */
  take(bytes: number): Uint8Array {
    const at = this.#spare.findIndex(({ byteLength }) => byteLength === bytes);
    const [buffer] = at < 0 ? [new SharedArrayBuffer(bytes)] : this.#spare.splice(at, 1);
    return new Uint8Array(buffer);
  }

  /** Nobody looks at these any more. */
  give({ rgba, mask }: Pixels): void {
    for (const { buffer } of mask === null ? [rgba] : [rgba, mask]) {
      if (buffer instanceof SharedArrayBuffer) this.#spare.push(buffer);
    }
    this.#spare.splice(0, this.#spare.length - MOST_SPARE);
  }
}
