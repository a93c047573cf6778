/** The worker's side of pictures that are not in its memory: asks for them, and takes the answers as they come. */
import type { PictureSource } from "../trainer/held-pictures.ts";
import type { Pixels } from "../trainer/picture.ts";
import type { PictureAnswer, TrainerMessage } from "./trainer-messages.ts";

export interface PictureWishes {
  /** For the trainer. */
  readonly source: PictureSource;
  /** A frame's picture for one use; null when it cannot be read. */
  borrow(index: number): Promise<Pixels | null>;
  giveBack(pixels: Pixels): void;
  /** An answer came. */
  answered(answer: PictureAnswer): void;
}

/** `supply` takes what the trainer asked for. */
export function createPictureWishes(
  send: (message: TrainerMessage) => void,
  supply: (index: number, pixels: Pixels | null) => void,
): PictureWishes {
  const waiting = new Map<number, (pixels: Pixels | null) => void>();
  let nextId = 1;
  const ask = (index: number, take: (pixels: Pixels | null) => void): void => {
    const id = nextId++;
    waiting.set(id, take);
    send({ type: "read", id, index });
  };
  const letGo = (pixels: Pixels): void => {
    // Other memory would be copied on the way, for nothing.
    if (pixels.rgba.buffer instanceof SharedArrayBuffer) send({ type: "let-go", pixels });
  };
  return {
    source: { ask: (index) => ask(index, (pixels) => supply(index, pixels)), letGo },
    borrow: (index) => new Promise((resolve) => ask(index, resolve)),
    giveBack: letGo,
    answered({ id, pixels }) {
      waiting.get(id)?.(pixels);
      waiting.delete(id);
    },
  };
}
