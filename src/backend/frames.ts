/** Every frame of a session: what was accepted, in order, and what was refused and why. */
import type { CameraModel, FrameRecord, PoseSource } from "../api/schema.ts";
import type { Intrinsics } from "../trainer/camera.ts";
import type { ImageType } from "./image.ts";
import type { JointReading } from "../robot/joint-history.ts";
import type { Placement } from "./pose.ts";

/** A frame that was accepted. What can still change about it is not readonly. */
export interface AcceptedFrame {
  readonly frameId: string;
  /** From 1, in order of acceptance. */
  readonly index: number;
  /** Of the bytes as sent, hex. */
  readonly sha256: string;
  readonly type: ImageType;
  /** Shutter, Unix seconds; when it arrived if nobody said. */
  readonly capturedAtS: number;
  /** Accepted by an earlier process: how long it took then is not for this one to say. */
  readonly isRestored: boolean;
  /** The lens in force when it was accepted; null = assumed. */
  readonly camera: CameraModel | null;
  readonly holdout: boolean;
  /** Readings sent along, to place it again when the clock offset changes. */
  readonly samples: readonly JointReading[];
  /** Lens at training size; null until it is decoded again after a restart. */
  intrinsics: Intrinsics | null;
  poseSource: PoseSource;
  /** [16] row-major, OpenGL axes. */
  cameraToWorld: readonly number[];
  /** [6] rad at the shutter; null when the pose was given. */
  anglesRad: readonly number[] | null;
  /** From the shutter to the nearest joint reading used, seconds; null when there was none. */
  jointsAgeS: number | null;
  /** False when the arm was too fast at the shutter: kept, but nothing is learned from it. */
  trainable: boolean;
  /** Trainer's step when it was accepted. */
  acceptedAtStep: number;
  /** Whether a step has looked at it. */
  stepped: boolean;
  /** Of its last rendering, dB. */
  psnr: number | null;
}

/** Refused frames beyond this many are counted but no longer listed. */
const MAX_REJECTED_LISTED = 1000;

/** The frames of one session. */
export class FrameTable {
  readonly #accepted = new Map<number, AcceptedFrame>();
  readonly #byId = new Map<string, AcceptedFrame>();
  readonly #rejected: FrameRecord[] = [];
  #rejectedCount = 0;
  #lastIndex = 0;
  #trainableCount = 0;

  get count(): number {
    return this.#accepted.size;
  }

  get rejectedCount(): number {
    return this.#rejectedCount;
  }

  /** Frames that call for steps: neither held out nor too fast. */
  get trainableCount(): number {
    return this.#trainableCount;
  }

  /** Index of the newest frame, 0 before the first. */
  get lastIndex(): number {
    return this.#lastIndex;
  }

  add(frame: AcceptedFrame): void {
    this.#accepted.set(frame.index, frame);
    this.#byId.set(frame.frameId, frame);
    this.#lastIndex = Math.max(this.#lastIndex, frame.index);
    if (isTrained(frame)) this.#trainableCount++;
  }

  /** Its pose came late, and with it how fast the arm was. */
  setPose(frame: AcceptedFrame, placement: Placement, trainable: boolean): void {
    const before = isTrained(frame);
    frame.poseSource = placement.source;
    frame.cameraToWorld = placement.cameraToWorld;
    frame.anglesRad = placement.anglesRad;
    frame.jointsAgeS = placement.jointsAgeS;
    frame.trainable = trainable;
    this.#trainableCount += Number(isTrained(frame)) - Number(before);
  }

  /** Its image cannot be read any more: nothing is learned from it from now on. */
  leaveTraining(frame: AcceptedFrame): void {
    if (isTrained(frame)) this.#trainableCount--;
    frame.trainable = false;
  }

  /** A frame that turned out unusable after a restart. */
  remove(frame: AcceptedFrame): void {
    this.#accepted.delete(frame.index);
    this.#byId.delete(frame.frameId);
    if (isTrained(frame)) this.#trainableCount--;
  }

  /** `reason` is what the sender was told. */
  reject(frameId: string, capturedAtS: number, reason: string): FrameRecord {
    const record: FrameRecord = {
      frame_id: frameId,
      index: 0,
      captured_at: capturedAtS,
      pose_source: "default",
      joints_age_s: null,
      camera_to_world: null,
      psnr: null,
      holdout: false,
      accepted: false,
      reason,
    };
    this.#rejectedCount++;
    this.#rejected.push(record);
    if (this.#rejected.length > MAX_REJECTED_LISTED) this.#rejected.shift();
    return record;
  }

  /** Rejections of before a restart, of which only the number was kept. */
  restoreRejectedCount(count: number): void {
    this.#rejectedCount += count;
  }

  get(index: number): AcceptedFrame | undefined {
    return this.#accepted.get(index);
  }

  byId(frameId: string): AcceptedFrame | undefined {
    return this.#byId.get(frameId);
  }

  /** In order of acceptance. */
  accepted(): Iterable<AcceptedFrame> {
    return this.#accepted.values();
  }

  /** What GET /frames answers: the accepted in order, then the refused. */
  records(): FrameRecord[] {
    return [...[...this.#accepted.values()].map(recordOf), ...this.#rejected];
  }
}

/** Whether the trainer learns from a frame. */
export function isTrained(frame: AcceptedFrame): boolean {
  return frame.trainable && !frame.holdout;
}

/** A frame in the contract's form. */
export function recordOf(frame: AcceptedFrame): FrameRecord {
  const m = frame.cameraToWorld;
  return {
    frame_id: frame.frameId,
    index: frame.index,
    captured_at: frame.capturedAtS,
    pose_source: frame.poseSource,
    joints_age_s: frame.jointsAgeS,
    camera_to_world: [0, 4, 8, 12].map((row) => [m[row], m[row + 1], m[row + 2], m[row + 3]]),
    psnr: frame.psnr,
    holdout: frame.holdout,
    accepted: true,
    reason: null,
  };
}
