/** The way of a frame from its bytes to the trainer: check, decode, place, keep, hand over. */
import { randomUUID } from "node:crypto";
import type { FrameMeta, FrameRecord, SceneSettings } from "../api/schema.ts";
import { LIMITS } from "../api/schema.ts";
import { messageOf, SplatError } from "../errors.ts";
import { nowS } from "../time.ts";
import { cameraFromPose } from "../trainer/camera.ts";
import type { Pixels } from "../trainer/picture.ts";
import { recordOf, type AcceptedFrame, type FrameTable } from "./frames.ts";
import { decodeImage, measureImage, type DecodedImage } from "./image.ts";
import { IngestQueue, type IngestLimits } from "./ingest-queue.ts";
import { JointHistory } from "../robot/joint-history.ts";
import { JointWatch } from "./joint-watch.ts";
import type { PictureMemory } from "./picture-memory.ts";
import { placeFrame, jointsAgain, poseFromJoints, samplesOf, type Placement } from "./pose.ts";
import { refuse } from "../http/refuse.ts";
import { createSerial } from "./serial.ts";
import { prepareImage, sha256Of, type PreparedImage } from "./prepared-image.ts";
import type { SessionStore } from "./store.ts";
import type { Training } from "./training.ts";
import type { Warnings } from "./warnings.ts";

export interface IntakeDeps {
  readonly frames: FrameTable;
  readonly store: SessionStore;
  readonly training: Training;
  readonly settings: () => SceneSettings;
  readonly step: () => number;
  readonly maxPixels: number;
  /** Where pictures are decoded to. */
  readonly memory: PictureMemory;
  readonly limits: IngestLimits;
  readonly warnings: Pick<Warnings, "add" | "remove">;
  /** A frame was accepted, refused, or got its pose. */
  readonly changed: (record: FrameRecord) => void;
}

export interface Accepted {
  readonly frame: AcceptedFrame;
  readonly duplicate: boolean;
}

/** How long a frame waits for the joint reading after its shutter. */
const POSE_PATIENCE_MS = 250;

/** A sender's clock may be hours off (one that keeps local time); a time further ahead is not in Unix seconds. */
const MAX_AHEAD_S = 86_400;

const NO_CAMERA = "no camera given: 60° of horizontal view assumed (PUT /scene sets it)";

interface PendingPose {
  readonly frame: AcceptedFrame;
  readonly meta: FrameMeta;
  readonly image: DecodedImage;
  readonly timer: NodeJS.Timeout;
}

/** Takes frames and joint readings for one session. */
export class Intake {
  readonly joints = new JointHistory(LIMITS.jointHistoryS);
  readonly #deps: IntakeDeps;
  readonly #queue: IngestQueue;
  readonly #commits = createSerial();
  readonly #inFlight = new Map<string, { sha256: string; result: Promise<AcceptedFrame> }>();
  readonly #pending = new Set<PendingPose>();
  readonly #watch: JointWatch;
  #closed: SplatError | null = null;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#queue = new IngestQueue(deps.limits);
    this.#watch = new JointWatch(deps.warnings);
  }

  /** How old the newest joint reading is, seconds; null when there is none. */
  get jointsAgeS(): number | null {
    const latest = this.joints.latest();
    return latest === null ? null : this.#watch.ageOf(latest);
  }

  /**
   * Accept a frame: when this resolves it is on disk and on its way to the trainer.
   * Throws the contract's refusals: `stopped`, `conflict`, `busy`, `unsupported_media`, `bad_image`, `bad_request`,
   * `storage_full`.
   */
  async accept(bytes: Uint8Array, meta: FrameMeta): Promise<Accepted> {
    const receivedAtS = nowS();
    const sha256 = await sha256Of(bytes);
    const frameId = meta.frame_id ?? `frame-${randomUUID()}`;
    // From here to the entry in #inFlight nothing is awaited, so that two posts of one frame cannot both get through.
    const known = this.#deps.frames.byId(frameId) ?? this.#inFlight.get(frameId);
    if (known !== undefined) {
      if (known.sha256 !== sha256) throw sameIdOtherBytes(frameId);
      return { frame: "result" in known ? await known.result : known, duplicate: true };
    }
    if (this.#closed !== null) throw this.#closed;
    const result = this.#take({ bytes, meta, frameId, sha256, receivedAtS });
    this.#inFlight.set(frameId, { sha256, result });
    try {
      return { frame: await result, duplicate: false };
    } finally {
      this.#inFlight.delete(frameId);
    }
  }

  /**
   * A joint reading came: frames that waited for it may have their pose now.
   * Throws `bad_request` when it is dated in the future.
   */
  addJoints(anglesRad: readonly number[], capturedAtS: number | undefined): void {
    const now = nowS();
    if (capturedAtS !== undefined && capturedAtS > now + MAX_AHEAD_S) {
      throw refuse("bad_request", "captured_at lies in the future", {
        hint: "It is in Unix seconds, not ms.",
      });
    }
    this.joints.add({ timeS: capturedAtS ?? now, anglesRad });
    this.#watch.came();
    for (const pending of this.#pending) this.#resolve(pending, true);
  }

  /** Refuse what comes from now on with `reason`; resolves when all that was under way has ended. */
  async close(reason: SplatError): Promise<void> {
    this.#closed ??= reason;
    await Promise.allSettled([...this.#inFlight.values()].map(({ result }) => result));
    for (const pending of this.#pending) this.#resolve(pending, false);
    await this.#commits(() => Promise.resolve());
  }

  /** Hand a frame of before a restart to the trainer again, which reads it when it needs it. Throws when it cannot. */
  async feedAgain(frame: AcceptedFrame): Promise<void> {
    const bytes = await this.#readBytes(frame);
    frame.intrinsics = await measureImage(bytes, frame.camera, this.#deps.maxPixels);
    if (!frame.trainable && !frame.holdout) return;
    const camera = cameraFromPose(frame.intrinsics, frame.cameraToWorld);
    this.#deps.training.addFrame({ index: frame.index, camera, holdout: frame.holdout });
  }

  /** A kept frame's picture, as it was when the trainer had it last. When it cannot be read, warns and throws. */
  async readPicture(index: number): Promise<Pixels> {
    const { frames, maxPixels, memory, warnings } = this.#deps;
    const frame = frames.get(index);
    if (frame === undefined) throw new Error(`there is no frame ${index}`);
    try {
      return await decodeImage(await this.#readBytes(frame), frame.camera, maxPixels, memory);
    } catch (error) {
      frames.leaveTraining(frame);
      warnings.add(
        `${frame.frameId} is not trained on any more, its image cannot be read: ${messageOf(error)}`,
      );
      throw error;
    }
  }

  /** The mount, the joint zeros or the clock changed: place the frames posed by joints anew. */
  placeAgain(): void {
    const settings = this.#deps.settings();
    for (const frame of this.#deps.frames.accepted()) {
      if (frame.anglesRad === null) continue;
      if (frame.poseSource === "samples") {
        const joints = jointsAgain(frame.samples, frame.capturedAtS, settings);
        frame.anglesRad = joints?.anglesRad ?? frame.anglesRad;
        frame.jointsAgeS = joints?.ageS ?? frame.jointsAgeS;
      }
      frame.cameraToWorld = poseFromJoints(frame.anglesRad, settings);
      if (frame.intrinsics === null || !(frame.trainable || frame.holdout)) continue;
      this.#deps.training.setCamera(frame.index, cameraFromPose(frame.intrinsics, frame.cameraToWorld));
    }
  }

  async #readBytes(frame: AcceptedFrame): Promise<Uint8Array> {
    const bytes = await this.#deps.store.readFrameBytes(frame);
    if ((await sha256Of(bytes)) !== frame.sha256) throw new Error("its bytes are not those that were kept");
    return bytes;
  }

  async #take(upload: Upload): Promise<AcceptedFrame> {
    const { settings, warnings } = this.#deps;
    const { camera } = settings();
    try {
      const prepared = await this.#queue.run(() => prepareImage(upload.bytes, camera, this.#deps));
      const told = camera === null ? [NO_CAMERA, ...prepared.image.warnings] : prepared.image.warnings;
      for (const message of told) warnings.add(message);
      try {
        return await this.#commits(() => this.#commit(upload, prepared));
      } catch (error) {
        await prepared.staged.discard();
        throw error;
      }
    } catch (error) {
      if (error instanceof SplatError && isAboutTheImage(error)) this.#reject(upload, error.message);
      throw error;
    }
  }

  async #commit(
    { meta, frameId, sha256, receivedAtS }: Upload,
    { image, camera, staged }: PreparedImage,
  ): Promise<AcceptedFrame> {
    const { frames, store, settings, step, changed } = this.#deps;
    const placement = this.#place(meta, true);
    this.#refuseMixedPoses(placement);
    const index = frames.lastIndex + 1;
    const frame: AcceptedFrame = {
      frameId,
      index,
      sha256,
      type: image.type,
      isRestored: false,
      capturedAtS: meta.captured_at ?? receivedAtS,
      camera,
      holdout: meta.holdout ?? isHeldOut(index, settings().holdout_every),
      samples: samplesOf(meta),
      intrinsics: null,
      poseSource: placement.source,
      cameraToWorld: placement.cameraToWorld,
      anglesRad: placement.anglesRad,
      jointsAgeS: placement.jointsAgeS,
      trainable: this.#isSlowEnough(placement),
      acceptedAtStep: step(),
      stepped: false,
      psnr: null,
    };
    await store.writeFrame(frame, staged);
    frames.add(frame);
    if (placement.source === "pending") this.#await(frame, meta, image);
    else {
      this.#watch.placed(placement);
      this.#train(frame, image);
    }
    changed(recordOf(frame));
    return frame;
  }

  /** The shutter's joints are known from below only: wait for the reading from above. */
  #await(frame: AcceptedFrame, meta: FrameMeta, image: DecodedImage): void {
    const timer = setTimeout(() => this.#resolve(pending, false), POSE_PATIENCE_MS);
    const pending: PendingPose = { frame, meta, image, timer };
    this.#pending.add(pending);
    // It may have come while the frame was written.
    this.#resolve(pending, true);
  }

  #resolve(pending: PendingPose, patient: boolean): void {
    const { frame, meta, image, timer } = pending;
    const placement = this.#place(meta, patient);
    if (placement.source === "pending") return;
    clearTimeout(timer);
    this.#pending.delete(pending);
    this.#watch.placed(placement);
    this.#deps.frames.setPose(frame, placement, this.#isSlowEnough(placement));
    this.#train(frame, image);
    this.#commits(() => this.#deps.store.writeFrameRecord(frame)).catch((error: unknown) => {
      this.#deps.warnings.add(`the late pose of ${frame.frameId} was not kept: ${String(error)}`);
    });
    this.#deps.changed(recordOf(frame));
  }

  #train(frame: AcceptedFrame, { intrinsics, rgba, mask }: DecodedImage): void {
    frame.intrinsics = intrinsics;
    if (!frame.trainable && !frame.holdout) return this.#deps.memory.give({ rgba, mask });
    const camera = cameraFromPose(intrinsics, frame.cameraToWorld);
    this.#deps.training.addFrame({ index: frame.index, camera, rgba, mask, holdout: frame.holdout });
  }

  #place(meta: FrameMeta, patient: boolean): Placement {
    return placeFrame(meta, this.joints, this.#deps.settings(), patient, this.jointsAgeS);
  }

  #reject({ frameId, meta, receivedAtS }: Upload, reason: string): void {
    this.#deps.changed(this.#deps.frames.reject(frameId, meta.captured_at ?? receivedAtS, reason));
  }

  /** Given poses live in the world of a data set, joint poses in the arm's: one scene cannot hold both. */
  #refuseMixedPoses(placement: Placement): void {
    const [first] = this.#deps.frames.accepted();
    if (first === undefined) return;
    const wasGiven = first.poseSource === "camera_to_world";
    if (wasGiven === (placement.source === "camera_to_world")) return;
    throw refuse(
      "conflict",
      `this scene's frames are placed by ${wasGiven ? "given poses" : "the arm's joints"}, this one is not`,
      { hint: "Send every frame of a scene with camera_to_world, or none; reset to begin another scene." },
    );
  }

  #isSlowEnough({ speedDegS }: Placement): boolean {
    const limit = this.#deps.settings().max_joint_speed_deg_s;
    return limit === null || speedDegS === null || speedDegS <= limit;
  }
}

interface Upload {
  readonly bytes: Uint8Array;
  readonly meta: FrameMeta;
  readonly frameId: string;
  readonly sha256: string;
  readonly receivedAtS: number;
}

function isHeldOut(index: number, every: number): boolean {
  return every > 0 && index % every === 0;
}

function isAboutTheImage(error: SplatError): boolean {
  return error.refusal?.code === "bad_image" || error.refusal?.code === "unsupported_media";
}

function sameIdOtherBytes(frameId: string): SplatError {
  return refuse(
    "conflict",
    `a frame with the id ${JSON.stringify(frameId)} and other bytes was sent before`,
    {
      hint: "An id stands for one picture: give this one another.",
    },
  );
}
