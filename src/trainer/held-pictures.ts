/**
 * Which frames have their picture in memory. All have while they fit into the budget. Beyond that, training goes round:
 * every few steps the most trained of the held pictures makes room for that of the least trained frame, which was asked
 * for one exchange earlier, so that as a rule it is there in time. What is held depends on steps made and on nothing
 * else, so training repeats itself bit for bit; where a picture is late, it is waited for.
 */
import type { Camera } from "./camera.ts";
import { RECIPE } from "./schedule.ts";
import { canHalve, halvePicture, sizeOfPixels, type Picture, type Pixels } from "./picture.ts";

/** Whoever keeps the frames where there is more room. */
export interface PictureSource {
  /** Read a frame's picture; `supply` brings the answer, at once or later. */
  readonly ask: (index: number) => void;
  /** Nobody here uses this memory any more. */
  readonly letGo: (pixels: Pixels) => void;
}

/** For a trainer that keeps all it is given. */
export const NO_SOURCE: PictureSource = { ask: () => undefined, letGo: () => undefined };

/** What there is to know of a frame here. */
export interface HeldFrame {
  readonly index: number;
  readonly holdout: boolean;
  readonly camera: Camera;
  /** Position in order of arrival. */
  readonly order: number;
  readonly steps: number;
  /** Null while it is not held. */
  pixels: Pixels | null;
  /** The picture at half size while the frame's first steps last; null afterwards, and while it is not held. */
  half: Picture | null;
}

/** Steps between two exchanges; fewer while some frame has had no step at all. A frame's stay is worth about as many. */
const EXCHANGE_EVERY = 8;
const EXCHANGE_EVERY_AT_FIRST = 2;

/** A picture asked for; undefined = not answered yet, null = it cannot be read any more. */
interface Asked<Frame> {
  readonly frame: Frame;
  answer: Pixels | null | undefined;
}

/** See the top of the file. */
export class HeldPictures<Frame extends HeldFrame> {
  /** Bytes that pictures may take; those under way, two at most as a rule, come on top. */
  readonly #budgetBytes: number;
  readonly #source: PictureSource;
  readonly #onUnreadable: (frame: Frame) => void;
  /** Frames to train on, in order of arrival. */
  readonly #held: Frame[] = [];
  readonly #away = new Set<Frame>();
  readonly #heldHoldouts: Frame[] = [];
  #trainedBytes = 0;
  #holdoutBytes = 0;
  /** What has to be here before the first step, in the order in which it is taken up. */
  #filling: Asked<Frame>[] = [];
  #next: Asked<Frame> | null = null;
  #newest: Frame | null = null;
  /** Step of the last exchange: there is one at most. */
  #exchangedAt = -1;

  constructor(budgetBytes: number, source: PictureSource, onUnreadable: (frame: Frame) => void) {
    this.#budgetBytes = budgetBytes;
    this.#source = source;
    this.#onUnreadable = onUnreadable;
  }

  /** Frames that can be trained on now, in order of arrival. */
  get held(): readonly Frame[] {
    return this.#held;
  }

  /** Bytes that the held pictures take. */
  get bytes(): number {
    return this.#trainedBytes + this.#holdoutBytes;
  }

  /** A frame came. One to train on is held at once; one held out, if nothing has to go for it. */
  add(frame: Frame, pixels: Pixels | null): void {
    if (!frame.holdout) {
      if (this.#newest === null || frame.order > this.#newest.order) this.#newest = frame;
      if (pixels === null) this.#away.add(frame);
      else this.#hold(frame, pixels);
    } else if (pixels !== null) {
      if (this.bytes + sizeOfPixels(pixels) > this.#budgetBytes) this.#source.letGo(pixels);
      else this.#holdHoldout(frame, pixels);
    }
  }

  /** What `ask` asked for; null when it cannot be read any more. */
  supply(index: number, pixels: Pixels | null): void {
    const asked = [...this.#filling, this.#next].find(
      (one) => one !== null && one.frame.index === index && one.answer === undefined,
    );
    if (asked === undefined || asked === null) {
      if (pixels !== null) this.#source.letGo(pixels);
      return;
    }
    asked.answer = pixels;
    while (this.#filling.length > 0 && this.#filling[0].answer !== undefined) this.#fillFirst();
  }

  /**
   * Whether the step may be made; exchanges pictures where it is time. False = a picture is waited for: ask again after
   * the next `supply`. With nothing to train on it is true, and nothing is held.
   */
  ready(step: number): boolean {
    if (this.#filling.length > 0) return false;
    if (this.#held.length === 0 && this.#away.size > 0) {
      this.#fill(this.#spread());
      return this.ready(step);
    }
    if (this.#next === null) this.#askNext();
    if (this.#next === null) return true;
    const every = this.#next.frame.steps === 0 ? EXCHANGE_EVERY_AT_FIRST : EXCHANGE_EVERY;
    if (step % every !== 0 || step === this.#exchangedAt) return true;
    if (this.#next.answer === undefined) return false;
    this.#exchangedAt = step;
    this.#exchange(this.#next.frame, this.#next.answer);
    return true;
  }

  /** Hold these, as far as they fit, and none but them of `others`; `ready` waits for all. */
  restore(wanted: readonly Frame[], others: readonly Frame[]): void {
    for (const frame of others) if (frame.pixels !== null && !frame.holdout) this.#release(frame);
    this.#next = null;
    this.#exchangedAt = -1;
    this.#held.sort((a, b) => a.order - b.order);
    this.#newest = [...this.#held, ...this.#away].reduce<Frame | null>(
      (newest, frame) => (newest === null || frame.order > newest.order ? frame : newest),
      null,
    );
    this.#filling = [];
    this.#fill(wanted.filter((frame) => frame.pixels === null && !frame.holdout));
  }

  /** The frame's first steps are over. */
  dropHalf(frame: Frame): void {
    if (frame.half === null) return;
    if (frame.pixels !== null && !frame.holdout) this.#trainedBytes -= sizeOfPixels(frame.half);
    frame.half = null;
  }

  /** Its picture cannot be read any more. */
  forget(frame: Frame): void {
    this.#away.delete(frame);
    this.#onUnreadable(frame);
  }

  #fill(frames: readonly Frame[]): void {
    let free = this.#budgetBytes - this.#trainedBytes;
    const fitting = frames.filter((frame, i) => {
      free -= leastBytes(frame);
      return free >= 0 || (i === 0 && this.#held.length === 0);
    });
    this.#filling = fitting.map((frame) => ({ frame, answer: undefined }));
    // Not over the list: answers may come at once and shorten it.
    for (const frame of fitting) this.#source.ask(frame.index);
  }

  #fillFirst(): void {
    const asked = this.#filling.shift();
    if (asked === undefined) return;
    const { frame, answer } = asked;
    if (answer === null || answer === undefined) return this.forget(frame);
    const fits = this.#trainedBytes + sizeOfPixels(answer) <= this.#budgetBytes;
    if (fits || this.#held.length === 0) this.#hold(frame, answer);
    else this.#source.letGo(answer);
  }

  /** Of the frames whose pictures are away as many as fit, evenly taken: neighbours in time look alike. */
  #spread(): Frame[] {
    const away = [...this.#away];
    const total = away.reduce((sum, frame) => sum + leastBytes(frame), 0);
    const count = Math.max(1, Math.min(away.length, Math.floor((away.length * this.#budgetBytes) / total)));
    return Array.from({ length: count }, (_, i) => away[Math.floor((i * away.length) / count)]);
  }

  #askNext(): void {
    let least: Frame | null = null;
    for (const frame of this.#away) {
      if (
        least === null ||
        frame.steps < least.steps ||
        (frame.steps === least.steps && frame.order < least.order)
      ) {
        least = frame;
      }
    }
    if (least === null) return;
    this.#next = { frame: least, answer: undefined };
    this.#source.ask(least.index);
  }

  #exchange(frame: Frame, answer: Pixels | null): void {
    this.#next = null;
    if (answer === null) this.forget(frame);
    else this.#hold(frame, answer);
    this.#askNext();
  }

  #hold(frame: Frame, pixels: Pixels): void {
    this.#away.delete(frame);
    frame.pixels = pixels;
    frame.half = frame.steps < RECIPE.halfSteps ? halvePicture({ camera: frame.camera, ...pixels }) : null;
    const bytes = bytesOf(frame);
    while (this.#trainedBytes + bytes > this.#budgetBytes) {
      const most = this.#mostTrained();
      if (most === null) break;
      this.#release(most);
    }
    while (this.bytes + bytes > this.#budgetBytes && this.#heldHoldouts.length > 0) {
      this.#release(this.#heldHoldouts[this.#heldHoldouts.length - 1]);
    }
    this.#trainedBytes += bytes;
    let at = this.#held.length;
    while (at > 0 && this.#held[at - 1].order > frame.order) at--;
    this.#held.splice(at, 0, frame);
  }

  #holdHoldout(frame: Frame, pixels: Pixels): void {
    frame.pixels = pixels;
    this.#holdoutBytes += sizeOfPixels(pixels);
    this.#heldHoldouts.push(frame);
  }

  /** The newest frame stays: live training looks at it more than at others. */
  #mostTrained(): Frame | null {
    let most: Frame | null = null;
    for (const frame of this.#held) {
      if (frame !== this.#newest && (most === null || frame.steps > most.steps)) most = frame;
    }
    return most;
  }

  #release(frame: Frame): void {
    const { pixels } = frame;
    if (pixels === null) return;
    if (frame.holdout) {
      this.#holdoutBytes -= sizeOfPixels(pixels);
      this.#heldHoldouts.splice(this.#heldHoldouts.indexOf(frame), 1);
    } else {
      this.#trainedBytes -= bytesOf(frame);
      this.#held.splice(this.#held.indexOf(frame), 1);
      this.#away.add(frame);
    }
    frame.pixels = null;
    frame.half = null;
    this.#source.letGo(pixels);
  }
}

function bytesOf({ pixels, half }: HeldFrame): number {
  return (pixels === null ? 0 : sizeOfPixels(pixels)) + (half === null ? 0 : sizeOfPixels(half));
}

/** Before its picture is seen: it has no mask, says this. */
function leastBytes({ camera, steps }: HeldFrame): number {
  const bytes = camera.width * camera.height * 4;
  return steps < RECIPE.halfSteps && canHalve(camera) ? 1.25 * bytes : bytes;
}
