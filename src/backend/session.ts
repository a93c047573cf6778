/** One capture, from its first frame to its finished scene: owns its trainer, its folder and its chunks. */
import { isDeepStrictEqual } from "node:util";
import type {
  Chunk,
  FrameMeta,
  FrameRecord,
  SceneEvent,
  ScenePatch,
  SceneSettings,
  SceneState,
} from "../api/schema.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Gaussians } from "../splat/gaussians.ts";
import { sessionPlace } from "../api/bucket-keys.ts";
import type { BucketQueue } from "./bucket-queue.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { ChunkSchedule } from "./chunk-schedule.ts";
import { ChunkWriter } from "./chunks.ts";
import { Ending } from "./ending.ts";
import { FrameTable } from "./frames.ts";
import { Intake, type Accepted } from "./intake.ts";
import type { IngestLimits } from "./ingest-queue.ts";
import { LatencyWindow } from "./latency.ts";
import { decodeMask } from "./mask.ts";
import { withinMemory, type MemoryBudget } from "./memory-budget.ts";
import type { PictureMemory } from "./picture-memory.ts";
import { shuttingDown } from "./shutting-down.ts";
import { Saver } from "./saver.ts";
import { applyPatch, trainingSettings } from "./settings.ts";
import { SnapshotSlot } from "./snapshot-slot.ts";
import { bucketStatus, recordOf } from "./status.ts";
import type { SavedSession } from "./saved-session.ts";
import type { SessionStore } from "./store.ts";
import { TrainerReport } from "./trainer-report.ts";
import type { Training, TrainingEvent } from "./training.ts";
import { Warnings } from "./warnings.ts";

export interface SessionDeps {
  readonly store: SessionStore;
  readonly training: Training;
  /** Folder that is laid out as the bucket. */
  readonly bucketFolder: string;
  /** Takes it to the bucket; null when none is configured. */
  readonly uploads: BucketQueue | null;
  readonly scene: string;
  readonly threads: number;
  readonly maxPixels: number;
  readonly memory: MemoryBudget;
  readonly pictures: PictureMemory;
  readonly ingest: IngestLimits;
  readonly log: Log;
  /** Tell whoever listens; `status` events are made by the listener itself when something changed. */
  readonly publish: (event: Exclude<SceneEvent, { event: "status" }>) => void;
  readonly statusChanged: () => void;
}

const CHECKPOINT_EVERY_MS = 10_000;

/** See the top of the file; `openSession` makes one. */
export class Session {
  readonly id: string;
  readonly frames = new FrameTable();
  readonly intake: Intake;
  readonly slot: SnapshotSlot;
  readonly chunks: ChunkWriter;
  /** From the shutter to the answer, ms. */
  readonly accepted = new LatencyWindow();
  readonly report: TrainerReport;
  readonly warnings: Warnings;
  readonly threads: number;
  settings: SceneSettings;
  /** Frames of before a restart on their way to the trainer. */
  feeding: Promise<void> = Promise.resolve();
  lastError: string | null = null;
  maskPng: Uint8Array | null = null;
  readonly #closing = new AbortController();
  readonly #deps: SessionDeps;
  readonly #schedule: ChunkSchedule;
  readonly #saver: Saver;
  readonly #ending: Ending;

  constructor(deps: SessionDeps, saved: SavedSession) {
    this.#deps = deps;
    this.id = saved.session_id;
    this.warnings = new Warnings(deps);
    this.threads = deps.threads;
    this.settings = saved.settings;
    this.report = new TrainerReport(this.frames, saved);
    this.frames.restoreRejectedCount(saved.rejected_count);
    this.slot = new SnapshotSlot(saved.version_ceiling);
    this.chunks = new ChunkWriter(
      {
        bucketFolder: deps.bucketFolder,
        sessionKey: sessionPlace(deps.scene, this.id),
        uploads: deps.uploads,
        status: () => bucketStatus(this),
        onError: (error) => this.#trouble("status.json was not written", error),
      },
      saved.chunks,
    );
    this.#schedule = this.#createSchedule(saved.chunk_step);
    this.intake = this.#createIntake();
    this.#saver = this.#createSaver();
    this.#ending = this.#createEnding(saved);
  }

  /** Aborted when the session ends: whoever waits for something of it need not any more. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get state(): SceneState {
    const { phase } = this.#ending;
    if (phase === "open") return this.frames.count === 0 ? "idle" : "training";
    return phase === "stopped" ? "finishing" : phase;
  }

  /** Take a frame; see `Intake.accept`. */
  async upload(bytes: Uint8Array, meta: FrameMeta): Promise<Accepted> {
    const accepted = await this.intake.accept(bytes, meta);
    if (!accepted.duplicate) this.accepted.addSince(accepted.frame.capturedAtS);
    return accepted;
  }

  /** Take a joint reading; see `Intake.addJoints`. */
  updateJoints(anglesRad: readonly number[], capturedAtS: number | undefined): void {
    this.intake.addJoints(anglesRad, capturedAtS);
    this.#deps.statusChanged();
  }

  /** Apply a change of settings at once, to whatever it can still apply to. */
  async patch(patch: ScenePatch): Promise<void> {
    const { camera } = this.settings;
    this.settings = applyPatch(this.settings, patch);
    this.#deps.training.setSettings(this.trainingSettings());
    const posesChange =
      patch.camera_mount !== undefined ||
      patch.joint_zero_offsets_rad !== undefined ||
      patch.clock_offset_s !== undefined;
    if (posesChange) this.intake.placeAgain();
    if (!isDeepStrictEqual(this.settings.camera, camera) && this.frames.count > 0) {
      this.warnings.add("the camera was changed after frames were accepted: it applies to later frames only");
    }
    await this.saveRecord();
    this.#deps.statusChanged();
  }

  /** What the trainer is to know of the settings; warns when they ask for more than there is memory for. */
  trainingSettings(): ReturnType<typeof trainingSettings> {
    const { memory } = this.#deps;
    return withinMemory(trainingSettings(this.settings), memory, (text) => this.warnings.add(text));
  }

  /** Put a mask in force (PNG bytes), or none. Throws `unsupported_media`, `bad_image`, `bad_request`. */
  async setMask(png: Uint8Array | null): Promise<void> {
    const mask = png === null ? null : await decodeMask(png, this.settings.camera);
    await this.#deps.store.writeMask(png);
    this.maskPng = png;
    this.#deps.training.setMask(mask);
  }

  /** End intake and finish; see `Ending.stop`. */
  stop(finishS: number | undefined): Promise<void> {
    return this.#ending.stop(finishS ?? this.settings.finish_seconds);
  }

  /** Take up what a checkpoint holds, but for the trainer's own part; the frames must be in the table. */
  restore({ trainer, joints }: Checkpoint): void {
    this.report.restored(trainer);
    for (const reading of joints) this.intake.joints.add(reading);
    this.show(trainer.gaussians, trainer.step);
  }

  /** Begin, or go on finishing what was stopped before a restart; see `Ending.resume`. */
  resume(isFinishing: boolean): void {
    this.#inBackground("finishing failed", this.#ending.resume(isFinishing));
    this.#inBackground("no checkpoints are written", this.#saver.keepSaving());
  }

  /** What the trainer says. */
  onTraining(event: TrainingEvent): void {
    switch (event.type) {
      case "progress":
        this.report.progress(event);
        this.#schedule.check();
        this.#deps.statusChanged();
        break;
      case "trained":
        this.report.trained(event.indices);
        this.#schedule.check();
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
    this.report.reached(step);
    const mustSave = this.slot.put(gaussians, step);
    if (mustSave) this.#inBackground("the session was not saved", this.saveRecord());
    this.#deps.publish({
      event: "splat",
      data: { version: this.slot.version, gaussian_count: this.slot.gaussianCount },
    });
    this.#deps.statusChanged();
  }

  /** Write what the session says of itself; frames are written as they come, training by checkpoints. */
  saveRecord(): Promise<void> {
    return this.#saver.saveRecord();
  }

  /** End: what is under way is finished, everything is saved, the trainer goes. Throws `storage_full`. */
  async close(): Promise<void> {
    await this.#settle();
    try {
      await this.saveRecord();
      if (this.state !== "failed") await this.#saver.checkpoint();
      await this.chunks.writeStatus();
    } finally {
      await this.#letGo();
    }
  }

  /** End without saving: the session is to be forgotten. Its chunks stay, and status.json names them all. */
  async abandon(): Promise<void> {
    await this.#settle();
    if (this.chunks.written.length > 0) await this.chunks.writeStatus();
    await this.#letGo();
  }

  async #settle(): Promise<void> {
    this.#closing.abort();
    await this.feeding;
    await this.intake.close(shuttingDown());
    await this.#schedule.settled();
  }

  /** From here on nothing of this session is written any more: another may have its place. */
  async #letGo(): Promise<void> {
    await this.#saver.close();
    await this.chunks.close();
    await this.#deps.training.close();
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
    const { store, training, maxPixels, pictures, ingest } = this.#deps;
    return new Intake({
      frames: this.frames,
      store,
      training,
      settings: () => this.settings,
      step: () => this.report.step,
      maxPixels,
      memory: pictures,
      limits: ingest,
      warnings: this.warnings,
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
        step: () => this.report.step,
        ready: () => this.feeding,
        saveRecord: () => this.saveRecord(),
        checkpoint: () => this.#saver.checkpoint(),
        publish: () => this.chunks.writeStatus(),
        changed: () => {
          this.chunks.statusChanged();
          this.#deps.statusChanged();
        },
      },
      saved,
    );
  }

  #createSaver(): Saver {
    const { store, training } = this.#deps;
    return new Saver({
      store,
      training,
      record: () => recordOf(this, this.#ending.saved, this.#schedule.lastStep),
      joints: () => this.intake.joints.readings,
      step: () => this.report.step,
      warnings: this.warnings,
      everyMs: CHECKPOINT_EVERY_MS,
    });
  }

  #onChunk(chunk: Chunk): void {
    this.#deps.log.info(
      `chunk ${chunk.index}: frames ${chunk.first_frame}–${chunk.last_frame}, ` +
        `${chunk.gaussian_count} Gaussians, ${chunk.key}`,
    );
    // Named to the world, and on its way to the bucket, only once a restart will know of it.
    const named = this.saveRecord().then(() => this.chunks.writeStatus());
    this.#inBackground("the session was not saved", named);
    this.#saver.checkpoint().catch(() => undefined);
    this.#deps.publish({ event: "chunk", data: chunk });
    this.#deps.statusChanged();
  }

  #onFrame(record: FrameRecord): void {
    if (!record.accepted) this.#deps.log.warn(`frame ${record.frame_id} refused: ${record.reason ?? ""}`);
    this.chunks.statusChanged();
    this.#deps.publish({ event: "frame", data: record });
    this.#deps.statusChanged();
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
