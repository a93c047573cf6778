/** The backend's side of the trainer's wish for pictures: reads them from the archive, a few at a time. */
import type { Pixels } from "../trainer/picture.ts";
import type { PictureAnswer } from "./trainer-messages.ts";
import type { PictureArchive } from "./training.ts";

/** Decoding takes cores away from training, and memory beyond the budget. */
const READ_AT_ONCE = 2;

interface Wish {
  readonly id: number;
  readonly index: number;
}

/** What takes the trainer's wishes; `send` brings the answers, in the order in which they come to be. */
export function answerReads(
  archive: PictureArchive | undefined,
  send: (answer: PictureAnswer) => void,
): (wish: Wish) => void {
  const waiting: Wish[] = [];
  let running = 0;

  async function readAll(): Promise<void> {
    running++;
    for (let wish = waiting.shift(); wish !== undefined; wish = waiting.shift()) {
      const pixels: Pixels | null = (await archive?.read(wish.index).catch(() => null)) ?? null;
      send({ type: "picture", id: wish.id, pixels });
    }
    running--;
  }

  return (wish) => {
    waiting.push(wish);
    if (running < READ_AT_ONCE) void readAll();
  };
}
