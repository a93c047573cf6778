/**
 * Which pictures of a video are worth sending, by numbers alone: what a picture looks like goes in, what becomes of it
 * comes out. Time is the pictures' own; nothing here waits.
 */

/** What is known of one picture. */
export interface PictureLook {
  readonly capturedAtS: number;
  /** Higher is sharper; comparable between pictures of one video (`sharpnessOf`). */
  readonly sharpness: number;
  /** Mean grey level, 0…255. */
  readonly brightness: number;
  /** Share of the pixels, 0…1, that are neither nearly black nor nearly white. */
  readonly exposedShare: number;
  /** Mean difference from the picture looked at before, grey levels; Infinity for the first. */
  readonly change: number;
  /** How far the picture has moved since the last one that was sent, of its longer side; Infinity where none has. */
  readonly motion: number;
  /** How far the joints say that the camera has moved and turned since then; null when nobody knows. */
  readonly travel: { readonly metres: number; readonly radians: number } | null;
}

/** `pass`: worth sending, unless a sharper one comes within the window. */
export type Verdict = "pass" | "blurred" | "exposure" | "duplicate" | "still";

/** Why a picture is refused, and where the line is. */
export const GATE_LIMITS = {
  /** Grey levels: less is the same picture again, sent by a camera that hangs. A sensor's own noise makes ten times more. */
  duplicateChange: 0.05,
  /** With fewer pixels than this in between, a picture is black or white: a lens cap, a lamp. */
  nothingExposed: 0.004,
  /** With fewer it is dark or glaring, unless that is how it stays: an object on a black cloth. */
  exposedShare: 0.08,
  /** A picture so many times brighter or darker than those before it: a lamp, or an automatic exposure that hunts. */
  brightnessRatio: 2.2,
  /** Of the pixels that were neither black nor white before: fewer, and the light has gone or floods it. */
  exposedDrop: 0.6,
  /** Of what the video's sharp pictures have. */
  sharpnessShare: 0.55,
  /** Of the picture's longer side; 6 px of 320. */
  motionShare: 0.02,
  travelM: 0.008,
  turnRad: (1.5 * Math.PI) / 180,
  /** Pictures refused for blur and light alone for so long are taken after all: what was thought normal is not. */
  patienceS: 2,
  /** A camera at rest: one picture after so long, then twice as long, and so on up to the longest. */
  restS: 5,
  longestRestS: 300,
} as const;

/** How quickly what is thought normal follows the pictures, seconds. */
const SHARPER_S = 0.3;
const LESS_SHARP_S = 8;
const BRIGHTNESS_S = 3;
/** A picture this near the sharpest of late is not worth waiting for a better one. */
const AS_SHARP_AS_IT_GETS = 0.9;
/** A longer gap, or a clock that was set back, is a new beginning of what is normal. */
const FORGET_S = 30;

/** Judges the pictures of one camera, in the order they came. */
export class FrameJudge {
  #sharpness = 0;
  #brightness = 0;
  #exposedShare = 0;
  /** Pictures with little between black and white have been taken after all. */
  #isMeagreNormal = false;
  /** When the first of those was refused that would have passed but for blur or light, with none passing since. */
  #refusedAtS: number | null = null;
  #lookedAtS: number | null = null;
  #keptAtS: number | null = null;
  #restS: number = GATE_LIMITS.restS;

  /** What becomes of a picture. */
  judge(look: PictureLook): Verdict {
    const sinceS = this.#learn(look);
    if (look.change < GATE_LIMITS.duplicateChange) return "duplicate";
    if (look.exposedShare < GATE_LIMITS.nothingExposed) return "exposure";
    if (!isMoved(look) && sinceS < this.#restS) {
      this.#refusedAtS = null;
      return "still";
    }
    const fault = this.#faultOf(look);
    if (fault === null) return "pass";
    this.#refusedAtS ??= look.capturedAtS;
    if (look.capturedAtS - this.#refusedAtS < GATE_LIMITS.patienceS) return fault;
    if (isMeagre(look)) this.#isMeagreNormal = true;
    return "pass";
  }

  /** Whether a picture that passes is so sharp that it need not wait for a better one. */
  isSharpEnough({ sharpness }: PictureLook): boolean {
    return sharpness >= AS_SHARP_AS_IT_GETS * this.#sharpness;
  }

  /** A picture was sent. */
  keep(look: PictureLook): void {
    this.#refusedAtS = null;
    this.#keptAtS = look.capturedAtS;
    this.#restS = isMoved(look) ? GATE_LIMITS.restS : Math.min(2 * this.#restS, GATE_LIMITS.longestRestS);
  }

  /** What is wrong with a picture beside those before it. */
  #faultOf(look: PictureLook): "exposure" | "blurred" | null {
    const { brightness, exposedShare, sharpness } = look;
    if (isMeagre(look) && !this.#isMeagreNormal) return "exposure";
    const ratio = (brightness + 1) / (this.#brightness + 1);
    const isLit = Math.max(ratio, 1 / ratio) <= GATE_LIMITS.brightnessRatio;
    if (!isLit || exposedShare < GATE_LIMITS.exposedDrop * this.#exposedShare) return "exposure";
    return sharpness < GATE_LIMITS.sharpnessShare * this.#sharpness ? "blurred" : null;
  }

  /** Follow what is normal; returns the seconds since the last picture that was sent, Infinity where none was. */
  #learn(look: PictureLook): number {
    const { capturedAtS, sharpness, brightness, exposedShare } = look;
    if (look.exposedShare >= 2 * GATE_LIMITS.exposedShare) this.#isMeagreNormal = false;
    const gapS = this.#lookedAtS === null ? Infinity : capturedAtS - this.#lookedAtS;
    this.#lookedAtS = capturedAtS;
    if (gapS < 0) {
      this.#keptAtS = null;
      this.#refusedAtS = null;
    }
    // A black picture, or the same one again, says nothing of what is normal.
    if (isUsable(look) && (this.#isMeagreNormal || !isMeagre(look))) {
      // Nothing is known yet, or what was is long ago.
      const ageS = this.#brightness > 0 && gapS >= 0 && gapS < FORGET_S ? gapS : Infinity;
      const follow = (from: number, to: number, tauS: number): number =>
        from + (to - from) * (1 - Math.exp(-ageS / tauS));
      const sharpnessS = sharpness > this.#sharpness ? SHARPER_S : LESS_SHARP_S;
      this.#sharpness = follow(this.#sharpness, sharpness, sharpnessS);
      this.#brightness = follow(this.#brightness, brightness, BRIGHTNESS_S);
      this.#exposedShare = follow(this.#exposedShare, exposedShare, BRIGHTNESS_S);
    }
    return this.#keptAtS === null ? Infinity : capturedAtS - this.#keptAtS;
  }
}

/** Whether it matters how far the joints say that the camera has gone: they need to be asked only then. */
export function dependsOnTravel(look: PictureLook): boolean {
  return isUsable(look) && look.motion < GATE_LIMITS.motionShare;
}

function isUsable({ change, exposedShare }: PictureLook): boolean {
  return change >= GATE_LIMITS.duplicateChange && exposedShare >= GATE_LIMITS.nothingExposed;
}

function isMeagre({ exposedShare }: PictureLook): boolean {
  return exposedShare < GATE_LIMITS.exposedShare;
}

function isMoved({ motion, travel }: PictureLook): boolean {
  const { motionShare, travelM, turnRad } = GATE_LIMITS;
  if (motion >= motionShare) return true;
  return travel !== null && (travel.metres >= travelM || travel.radians >= turnRad);
}
