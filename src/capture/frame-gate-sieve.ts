/** One camera's gate: looks at each picture, and says which are to be sent. */
import { messageOf } from "../errors.ts";
import { dependsOnTravel, FrameJudge, type PictureLook, type Verdict } from "./frame-gate-judge.ts";
import {
  changeBetween,
  exposureOf,
  motionBetween,
  eighthOf,
  sharpnessOf,
  type GreyPicture,
} from "./frame-gate-measures.ts";
import { greyPicture } from "./frame-gate-picture.ts";
import { PassWindow } from "./frame-gate-window.ts";
import type { Frame, Sample } from "./sample.ts";

export interface GateOptions {
  /** Send every frame that `every` and `maxFps` let through, whatever it looks like. */
  readonly isOff?: boolean | undefined;
  /** Look at each n-th frame only; default 1. */
  readonly every?: number | undefined;
  /** At most so many frames a second pass: the sharpest of each stretch of time. Default 5; with `isOff` any number. */
  readonly maxFps?: number | undefined;
}

/** What became of the frames of a video. They add up, but for one that may still wait for a sharper one. */
export interface GateCounts {
  /** Frames that came. */
  readonly seen: number;
  /** Passed. */
  readonly kept: number;
  readonly blurred: number;
  /** Too dark, too bright. */
  readonly exposure: number;
  /** The same picture again. */
  readonly duplicate: number;
  /** The camera has moved too little since the last one that passed. */
  readonly still: number;
  /** Left out by `every` and `maxFps`. */
  readonly surplus: number;
  /** Do not decode: cut short on their way from the camera. */
  readonly damaged: number;
}

export interface GateParts {
  /** [16] row-major camera-to-world where the joints say that the camera was, metres; null when nobody knows. */
  readonly cameraAt: (timeS: number) => Promise<readonly number[] | null>;
  /** At the start and after each frame. */
  readonly onCounts: (counts: GateCounts) => void;
  /** What the user should know, once each: the camera sends what does not decode, or nothing passes. */
  readonly onWarning: (line: string) => void;
}

const DEFAULT_MAX_FPS = 5;
/** Everything was refused for so long: the user is told. */
const REFUSAL_TOLD_S = 10;

/** As the camera gives it. */
export type Picture = Sample<Frame>;
type Pose = readonly number[] | null;

/** What the next picture is compared with. */
interface Compared {
  /** The one looked at last. */
  readonly grey: GreyPicture;
  readonly bytes: Uint8Array;
}

/** A picture that may be sent. */
interface Candidate {
  readonly picture: Picture;
  readonly look: PictureLook;
  readonly small: GreyPicture;
}

/** Takes the pictures of one camera in the order they came; holds two of them, small, and one that waits. */
export class FrameGate {
  readonly #options: GateOptions;
  readonly #parts: GateParts;
  readonly #judge = new FrameJudge();
  readonly #window: PassWindow<Candidate>;
  readonly #counts = {
    seen: 0,
    kept: 0,
    blurred: 0,
    exposure: 0,
    duplicate: 0,
    still: 0,
    surplus: 0,
    damaged: 0,
  };
  #before: Compared | null = null;
  #kept: { readonly small: GreyPicture; readonly pose: Promise<Pose> } | null = null;
  #askedAtS = -Infinity;
  #newestS = 0;
  /** Since when everything is refused for blur or light; null while something passes, or the camera rests. */
  #refusingSinceS: number | null = null;
  #isRefusalTold = false;

  /** No picture has come yet. */
  constructor(options: GateOptions, parts: GateParts) {
    this.#options = options;
    this.#parts = parts;
    this.#window = new PassWindow(options.maxFps ?? (options.isOff === true ? Infinity : DEFAULT_MAX_FPS));
  }

  /** Tell what became of the pictures so far: of none at the start. */
  tell(): void {
    this.#parts.onCounts({ ...this.#counts });
  }

  /** How long the picture that waits may still do so; null when none waits. */
  get waitMs(): number | null {
    return this.#window.waitMs(this.#newestS);
  }

  /** Let the picture that waits pass. */
  flush(): Picture[] {
    const passed = this.#pass(this.#window.flush());
    this.tell();
    return passed;
  }

  /** The pictures that pass now that this one is there: one that waited, itself, both or none. */
  async take(picture: Picture): Promise<Picture[]> {
    this.#counts.seen++;
    this.#newestS = picture.capturedAtS;
    const passed = this.#pass(this.#window.endedBy(picture.capturedAtS));
    const isOneOfN = (this.#counts.seen - 1) % (this.#options.every ?? 1) === 0;
    if (!isOneOfN || this.#window.isTaken(picture.capturedAtS)) this.#counts.surplus++;
    else if (this.#options.isOff === true) {
      this.#window.offer(unseen(picture), picture.capturedAtS, 0);
      passed.push(...this.#pass(this.#window.flush()));
    } else passed.push(...(await this.#look(picture)));
    this.tell();
    return passed;
  }

  async #look(picture: Picture): Promise<Picture[]> {
    const { bytes } = picture.value;
    if (this.#before !== null && Buffer.compare(bytes, this.#before.bytes) === 0) {
      this.#counts.duplicate++;
      return [];
    }
    const grey = await greyPicture(bytes).catch((thrown: unknown) => this.#damaged(thrown));
    if (grey === null) return [];
    const candidate = await this.#measure(picture, grey);
    const { look } = candidate;
    this.#before = { grey, bytes };
    const verdict = this.#judge.judge(look);
    this.#watchRefusals(verdict, look.capturedAtS);
    if (verdict !== "pass") {
      this.#counts[verdict]++;
      return [];
    }
    const isTheOnlyOne = this.#window.waitMs(look.capturedAtS) === null;
    const isBest = this.#window.offer(candidate, look.capturedAtS, look.sharpness);
    if (!isTheOnlyOne) this.#counts.surplus++;
    return isBest && this.#judge.isSharpEnough(look) ? this.#pass(this.#window.flush()) : [];
  }

  async #measure(picture: Picture, grey: GreyPicture): Promise<Candidate> {
    const small = eighthOf(grey);
    const change = this.#before === null ? Infinity : changeBetween(this.#before.grey, grey);
    const motion = this.#kept === null ? Infinity : motionBetween(this.#kept.small, small);
    const look = {
      capturedAtS: picture.capturedAtS,
      sharpness: sharpnessOf(grey),
      ...exposureOf(grey),
      change,
      motion,
      travel: null,
    };
    return { picture, small, look: { ...look, travel: await this.#travel(look) } };
  }

  /** How far the camera has gone by its joints, where the picture itself does not say that it has: now and then. */
  async #travel(look: PictureLook): Promise<PictureLook["travel"]> {
    const { capturedAtS } = look;
    const isNew = Math.abs(capturedAtS - this.#askedAtS) >= this.#window.lengthS;
    if (this.#kept === null || !isNew || !dependsOnTravel(look)) return null;
    this.#askedAtS = capturedAtS;
    const [from, to] = await Promise.all([this.#kept.pose, this.#poseAt(capturedAtS)]);
    return from === null || to === null ? null : travelBetween(from, to);
  }

  #pass(candidate: Candidate | null): Picture[] {
    if (candidate === null) return [];
    const { picture, look, small } = candidate;
    this.#counts.kept++;
    if (this.#options.isOff !== true) {
      this.#judge.keep(look);
      this.#kept = { small, pose: this.#poseAt(look.capturedAtS) };
    }
    return [picture];
  }

  #poseAt(timeS: number): Promise<Pose> {
    return this.#parts.cameraAt(timeS).catch(() => null);
  }

  /** Tell it once when nothing passes for long, and what lets it pass. */
  #watchRefusals(verdict: Verdict, timeS: number): void {
    if (verdict === "duplicate") return;
    if (verdict === "pass" || verdict === "still") {
      this.#refusingSinceS = null;
      return;
    }
    const sinceS = this.#refusingSinceS;
    if (sinceS === null || timeS < sinceS) this.#refusingSinceS = timeS;
    else if (timeS - sinceS >= REFUSAL_TOLD_S && !this.#isRefusalTold) {
      this.#isRefusalTold = true;
      const fault = verdict === "exposure" ? "black or white, too dark or too bright" : "blurred";
      this.#parts.onWarning(
        `no picture of the camera has passed for ${REFUSAL_TOLD_S} s: they are ${fault}; --no-gate sends them all the same`,
      );
    }
  }

  #damaged(thrown: unknown): null {
    if (this.#counts.damaged++ === 0) {
      const [reason] = messageOf(thrown).split("\n");
      this.#parts.onWarning(`the camera sends pictures that do not decode, which are left out: ${reason}`);
    }
    return null;
  }
}

/** A picture that nobody looks at. */
function unseen(picture: Picture): Candidate {
  const look = {
    capturedAtS: picture.capturedAtS,
    sharpness: 0,
    brightness: 0,
    exposedShare: 1,
    change: Infinity,
    motion: Infinity,
    travel: null,
  };
  return { picture, look, small: { width: 0, height: 0, pixels: new Uint8Array() } };
}

/** Metres and radians from one camera-to-world matrix ([16] row-major) to another. */
function travelBetween(from: readonly number[], to: readonly number[]): { metres: number; radians: number } {
  const metres = Math.hypot(to[3] - from[3], to[7] - from[7], to[11] - from[11]);
  const trace = [0, 1, 2, 4, 5, 6, 8, 9, 10].reduce((sum, at) => sum + from[at] * to[at], 0);
  return { metres, radians: Math.acos(Math.min(1, Math.max(-1, (trace - 1) / 2))) };
}
