/** One capture, from its first frame to its finished scene: owns its trainer, its folder and its chunks. */
import type {
  Chunk,
  FrameMeta,
  FrameRecord,
  SceneEvent,
  ScenePatch,
  SceneSettings,
  SceneState,
} from "../api/schema.ts";
import { messageOf, type SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Gaussians } from "../splat/gaussians.ts";
import { nowS } from "../time.ts";
import { ChunkSchedule } from "./chunk-schedule.ts";
import { ChunkWriter } from "./chunks.ts";
import { Ending } from "./ending.ts";
import { FrameTable } from "./frames.ts";
import { decodeMask, sameAspect } from "./image.ts";
import { Intake, type Accepted } from "./intake.ts";
import type { IngestLimits } from "./ingest-queue.ts";
import { LatencyWindow } from "./latency.ts";
import { refuse } from "./refuse.ts";
import { Saver } from "./saver.ts";
import { applyPatch, trainingSettings } from "./settings.ts";
import { SnapshotSlot } from "./snapshot-slot.ts";
import { bucketStatus } from "./status.ts";
import type { SavedSession, SessionStore } from "./store.ts";
import type { Training, TrainingEvent } from "./training.ts";

export interface SessionDeps {
  readonly store: SessionStore;
  readonly training: Training;
  /** Folder that stands for the bucket. */
  readonly bucketFolder: string;
  readonly scene: string;
  readonly threads: number;
  readonly maxPixels: number;
  readonly ingest: IngestLimits;
  readonly log: Log;
  /** Tell whoever listens; `status` events are made by the listener itself when something changed. */
  readonly publish: (event: Exclude<SceneEvent, { event: "status" }>) => void;
  readonly statusChanged: () => void;
}

/** What the trainer said last. */
export interface TrainerReport {
  step: number;
  stepsPerSecond: number;
  psnrTrain: number | null;
  psnrHoldout: number | null;
}

const BUCKET_PREFIX = "scenes";
const MAX_WARNINGS = 50;

/** See the top of the file; `openSession` makes one. */
export class Session {
  readonly id: string;
  readonly frames = new FrameTable();
  readonly intake: Intake;
  readonly slot: SnapshotSlot;
  readonly chunks: ChunkWriter;
  /** From the shutter to the answer, ms. */
  readonly accepted = new LatencyWindow();
  /** From the shutter to the end of the first step that looked at the frame, ms. */
  readonly trained = new LatencyWindow();
  readonly report: TrainerReport;
  readonly warnings = new Set<string>();
  readonly threads: number;
  settings: SceneSettings;
  lastError: string | null = null;
  maskPng: Uint8Array | null = null;
  readonly #deps: SessionDeps;
  readonly #schedule: ChunkSchedule;
  readonly #saver: Saver;
  readonly #ending: Ending;

  constructor(deps: SessionDeps, saved: SavedSession) {
    this.#deps = deps;
    this.id = saved.session_id;
    this.threads = deps.threads;
    this.settings = saved.settings;
    this.report = {
      step: saved.step,
      stepsPerSecond: 0,
      psnrTrain: saved.psnr_train,
      psnrHoldout: saved.psnr_holdout,
    };
    this.frames.restoreRejectedCount(saved.rejected_count);
    this.slot = new SnapshotSlot(saved.version_ceiling);
    this.chunks = new ChunkWriter(
      { bucketFolder: deps.bucketFolder, prefix: BUCKET_PREFIX, scene: deps.scene, sessionId: this.id },
      saved.chunks,
      () => bucketStatus(this),
      (error) => this.#trouble("status.json was not written", error),
    );
    this.#schedule = this.#createSchedule(saved.chunk_step);
    this.intake = this.#createIntake();
    this.#saver = new Saver(deps.store, this.slot, () => this.#saved());
    this.#ending = this.#createEnding(saved);
  }

  get state(): SceneState {
    const { phase } = this.#ending;
    if (phase === "open") return this.frames.count === 0 ? "idle" : "training";
    return phase === "stopped" ? "finishing" : phase;
  }

  /** Take a frame; see `Intake.accept`. */
  async upload(bytes: Uint8Array, meta: FrameMeta): Promise<Accepted> {
    const accepted = await this.intake.accept(bytes, meta);
    if (!accepted.duplicate) this.accepted.add((nowS() - accepted.frame.capturedAtS) * 1000);
    return accepted;
  }

  /** Take a joint reading. */
  updateJoints(anglesRad: readonly number[], capturedAtS: number | undefined): void {
    this.intake.addJoints(capturedAtS ?? nowS(), anglesRad);
    this.#deps.statusChanged();
  }

  /** Apply a change of settings at once, to whatever it can still apply to. */
  async patch(patch: ScenePatch): Promise<void> {
    this.settings = applyPatch(this.settings, patch);
    this.#deps.training.setSettings(trainingSettings(this.settings));
    const posesChange =
      patch.camera_mount !== undefined ||
      patch.joint_zero_offsets_rad !== undefined ||
      patch.clock_offset_s !== undefined;
    if (posesChange) this.intake.placeAgain();
    if (patch.camera !== undefined && this.frames.count > 0) {
      this.warn("the camera was changed after frames were accepted: it applies to later frames only");
    }
    await this.save();
    this.#deps.statusChanged();
  }

  /** Put a mask in force (PNG bytes), or none. Throws `unsupported_media`, `bad_image`, `bad_request`. */
  async setMask(png: Uint8Array | null): Promise<void> {
    const mask = png === null ? null : await decodeMask(png);
    const { camera } = this.settings;
    if (mask !== null && camera !== null && !sameAspect(mask, { width: camera.w, height: camera.h })) {
      throw refuse(
        "bad_request",
        `the mask is ${mask.width}×${mask.height}, the camera ${camera.w}×${camera.h}: another aspect`,
        { hint: "A mask has the camera's size, or its aspect." },
      );
    }
    await this.#deps.store.writeMask(png);
    this.maskPng = png;
    this.#deps.training.setMask(mask);
  }

  /** End intake and finish; see `Ending.stop`. */
  stop(finishS: number | undefined): Promise<void> {
    return this.#ending.stop(finishS ?? this.settings.finish_seconds);
  }

  /** After a restart, once the frames are back: go on finishing what was stopped before. */
  resume(): void {
    this.#inBackground("finishing failed", this.#ending.resume());
  }

  /** Tell the user, once, wherever they look. */
  warn(message: string): void {
    if (this.warnings.has(message) || this.warnings.size >= MAX_WARNINGS) return;
    this.warnings.add(message);
    this.#deps.log.warn(message);
    this.#deps.publish({ event: "warning", data: { message } });
    this.#deps.statusChanged();
  }

  /** What the trainer says. */
  onTraining(event: TrainingEvent): void {
    switch (event.type) {
      case "progress":
        this.#onProgress(event);
        break;
      case "trained":
        this.#onTrained(event.indices);
        break;
      case "snapshot":
        this.show(event.gaussians, event.step);
        break;
      case "finished":
        this.show(event.gaussians, event.step);
        this.#ending.trainerFinished();
        break;
      case "failed":
        this.#ending.trainerFailed();
        this.#trouble("training failed", event.message);
        this.chunks.statusChanged();
        break;
    }
  }

  /** Put a scene in the slot that everybody reads from. */
  show(gaussians: Gaussians, step: number): void {
    this.report.step = Math.max(this.report.step, step);
    const mustSave = this.slot.put(gaussians, step);
    if (mustSave || this.#saver.isDue) this.#inBackground("the scene was not saved", this.save());
    this.#deps.publish({
      event: "splat",
      data: { version: this.slot.version, gaussian_count: this.slot.gaussianCount },
    });
    this.#deps.statusChanged();
  }

  /** Write the scene and everything about it but the frames, which are written as they come. */
  save(): Promise<void> {
    return this.#saver.save();
  }

  /** End: what is under way is finished, the scene is saved, the trainer goes. */
  async close(): Promise<void> {
    await this.intake.close(shuttingDown());
    await this.#schedule.settled();
    const scene = this.state === "failed" ? null : await this.#deps.training.snapshot();
    if (scene !== null && scene.step > (this.slot.latest?.step ?? -1)) this.show(scene.gaussians, scene.step);
    await this.save();
    await this.chunks.writeStatus();
    await this.#deps.training.close();
    this.chunks.close();
  }

  /** End without saving: the session is to be forgotten. */
  async abandon(): Promise<void> {
    await this.intake.close(shuttingDown());
    await this.#schedule.settled();
    await this.#deps.training.close();
    this.chunks.close();
    await this.#saver.settled();
  }

  #createSchedule(lastChunkStep: number): ChunkSchedule {
    const deps = {
      frames: this.frames,
      writer: this.chunks,
      training: this.#deps.training,
      chunkEvery: () => this.settings.chunk_every,
      step: () => this.report.step,
      onChunk: (chunk: Chunk) => this.#onChunk(chunk),
      onError: (error: unknown) => this.#trouble("a chunk was not written", error),
    };
    return new ChunkSchedule(deps, lastChunkStep);
  }

  #createIntake(): Intake {
    const { store, training, maxPixels, ingest } = this.#deps;
    return new Intake({
      frames: this.frames,
      store,
      training,
      settings: () => this.settings,
      step: () => this.report.step,
      maxPixels,
      limits: ingest,
      warn: (message) => this.warn(message),
      changed: (record) => this.#onFrame(record),
    });
  }

  #createEnding(saved: SavedSession): Ending {
    return new Ending(
      {
        frames: this.frames,
        intake: this.intake,
        training: this.#deps.training,
        schedule: this.#schedule,
        save: () => this.save(),
        publish: () => this.chunks.writeStatus(),
        changed: () => {
          this.chunks.statusChanged();
          this.#deps.statusChanged();
        },
      },
      saved,
    );
  }

  #onProgress(event: Extract<TrainingEvent, { type: "progress" }>): void {
    this.report.step = Math.max(this.report.step, event.step);
    this.report.stepsPerSecond = event.stepsPerSecond;
    this.report.psnrTrain = event.psnrTrain;
    this.report.psnrHoldout = event.psnrHoldout;
    for (const [index, psnr] of event.framePsnr) {
      const frame = this.frames.get(index);
      if (frame !== undefined) frame.psnr = psnr;
    }
    this.#schedule.check();
    this.#deps.statusChanged();
  }

  #onTrained(indices: readonly number[]): void {
    for (const index of indices) {
      const frame = this.frames.get(index);
      if (frame === undefined || frame.stepped) continue;
      frame.stepped = true;
      this.trained.add((nowS() - frame.capturedAtS) * 1000);
    }
    this.#schedule.check();
  }

  #onChunk(chunk: Chunk): void {
    this.#deps.log.info(
      `chunk ${chunk.index}: frames ${chunk.first_frame}–${chunk.last_frame}, ` +
        `${chunk.gaussian_count} Gaussians, ${chunk.key}`,
    );
    this.chunks.statusChanged();
    this.#inBackground("the session was not saved", this.save());
    this.#deps.publish({ event: "chunk", data: chunk });
    this.#deps.statusChanged();
  }

  #onFrame(record: FrameRecord): void {
    if (!record.accepted) this.#deps.log.warn(`frame ${record.frame_id} refused: ${record.reason ?? ""}`);
    this.chunks.statusChanged();
    this.#deps.publish({ event: "frame", data: record });
    this.#deps.statusChanged();
  }

  #saved(): SavedSession {
    return {
      session_id: this.id,
      settings: this.settings,
      ...this.#ending.saved,
      step: this.report.step,
      chunk_step: this.#schedule.lastStep,
      version_ceiling: this.slot.ceiling,
      rejected_count: this.frames.rejectedCount,
      psnr_train: this.report.psnrTrain,
      psnr_holdout: this.report.psnrHoldout,
      chunks: [...this.chunks.written],
    };
  }

  #trouble(what: string, error: unknown): void {
    this.lastError = `${what}: ${messageOf(error)}`;
    this.#deps.log.warn(this.lastError);
    this.#deps.statusChanged();
  }

  #inBackground(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => this.#trouble(what, error));
  }
}

function shuttingDown(): SplatError {
  return refuse("unavailable", "the backend is shutting down or starting another session", {
    hint: "Send this again after the time in Retry-After.",
    retryAfterS: 1,
  });
}
