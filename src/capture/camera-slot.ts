/** Room for a camera's newest pictures, between one that never waits and one reader. */
import type { CameraPicture } from "./camera-picture.ts";

/** A quarter of a second at 30 a second: who looks at a picture may wait for the joints of its shutter. */
const MOST_PICTURES = 8;
const MOST_BYTES = 64 * 1024 * 1024;

/** When it is full the oldest goes. */
export class PictureSlot {
  readonly #pictures: CameraPicture[] = [];
  #sizeBytes = 0;
  #dropped = 0;
  #isOver = false;
  #error: unknown;
  #wake: () => void = () => undefined;

  /** How many nobody took. */
  get dropped(): number {
    return this.#dropped;
  }

  put(picture: CameraPicture): void {
    this.#pictures.push(picture);
    this.#sizeBytes += picture.bytes.length;
    while (
      this.#pictures.length > MOST_PICTURES ||
      (this.#sizeBytes > MOST_BYTES && this.#pictures.length > 1)
    ) {
      this.#shift();
      this.#dropped++;
    }
    this.#wake();
  }

  /** Nothing more comes: what is here can still be taken, then `take` answers null, or throws the error. */
  end(error?: unknown): void {
    this.#isOver = true;
    this.#error = error;
    this.#wake();
  }

  /** The oldest that is here, waited for; null when there will be none. */
  async take(): Promise<CameraPicture | null> {
    while (this.#pictures.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const picture = this.#shift();
    if (picture !== undefined) return picture;
    if (this.#error !== undefined) throw this.#error;
    return null;
  }

  #shift(): CameraPicture | undefined {
    const picture = this.#pictures.shift();
    if (picture !== undefined) this.#sizeBytes -= picture.bytes.length;
    return picture;
  }
}
