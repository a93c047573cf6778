/** The one scene this backend holds: its current session, what survives a reset, and who listens. */
import { randomUUID } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { SceneSettings, Status } from "../api/schema.ts";
import type { Log } from "../log.ts";
import type { R2Bucket } from "../remote/r2.ts";
import { BucketQueue } from "./bucket-queue.ts";
import type { UploadPace } from "./bucket-trouble.ts";
import type { IngestLimits } from "./ingest-queue.ts";
import { LiveEvents } from "./live.ts";
import { lockFolder } from "./lock.ts";
import { memoryBudget, type MemoryBudget } from "./memory-budget.ts";
import { openSession } from "./open-session.ts";
import { refuse } from "../http/refuse.ts";
import { createSerial } from "./serial.ts";
import type { Session } from "./session.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import { statusOf } from "./status.ts";
import { SessionStore } from "./store.ts";
import type { StartTraining } from "./training.ts";

export interface SceneOptions {
  /** Folder for frames, state and chunks; created when missing, locked while in use. */
  readonly dataDir: string;
  readonly startTraining: StartTraining;
  readonly log: Log;
  /** Default: all cores. */
  readonly threads?: number | undefined;
  /** Frames are trained at most this large, pixels. Default 131 072, such as 418×313. */
  readonly maxPixels?: number | undefined;
  /** Decoded frames take at most so much memory, bytes. Default: a share of what is available. */
  readonly frameBytes?: number | undefined;
  /** Settings of new sessions where they differ from the defaults; a restored session keeps its own. */
  readonly settings?: Partial<SceneSettings> | undefined;
  /** Default 2 decoded at once, 64 waiting. */
  readonly ingest?: IngestLimits | undefined;
  /** Where chunks go; default: they stay in the data folder. The scene closes it. */
  readonly bucket?: R2Bucket | undefined;
  /** How fast it is tried; the defaults are in `bucket-trouble.ts`. */
  readonly uploadPace?: Partial<UploadPace> | undefined;
}

const SCENE_NAME = "main";
const DEFAULT_MAX_PIXELS = 131_072;
const DEFAULT_INGEST: IngestLimits = { running: 2, waiting: 64 };

/** See the top of the file. Make one with `Scene.open`. */
export class Scene {
  readonly bootId = randomUUID();
  readonly name = SCENE_NAME;
  readonly live = new LiveEvents(() => this.status());
  readonly log: Log;
  readonly #options: SceneOptions;
  readonly #unlock: () => Promise<void>;
  readonly #changes = createSerial();
  /** As it was before anything was taken. */
  readonly #memory: MemoryBudget;
  readonly #earlyWarnings: string[] = [];
  #session: Session | null = null;
  #store: SessionStore | null = null;
  #uploads: BucketQueue | null = null;
  #closed: Promise<void> | null = null;

  private constructor(options: SceneOptions, unlock: () => Promise<void>) {
    this.#options = options;
    this.log = options.log;
    this.#memory = memoryBudget(options.frameBytes);
    this.#unlock = unlock;
  }

  /** Take the data folder and go on where it stands. Throws `bad_input` when another process has it. */
  static async open(options: SceneOptions): Promise<Scene> {
    const unlock = await lockFolder(options.dataDir);
    const scene = new Scene(options, unlock);
    try {
      scene.#uploads = await scene.#openUploads();
      await scene.#begin({ ...DEFAULT_SETTINGS, ...options.settings });
      return scene;
    } catch (error) {
      await scene.#uploads?.close();
      await unlock();
      throw error;
    }
  }

  /** The session that requests are for. Throws `unavailable` while there is none. */
  get session(): Session {
    if (this.#session !== null && this.#closed === null) return this.#session;
    throw refuse("unavailable", "the backend is starting or shutting down", { retryAfterS: 1 });
  }

  /** The session's id, also while it cannot be used; empty before the first. */
  get sessionId(): string {
    return this.#session?.id ?? "";
  }

  /** GET /status. */
  status(): Status {
    return { ...statusOf(this.session), boot_id: this.bootId };
  }

  /** Forget the session and begin another with the same settings and mask. */
  reset(): Promise<void> {
    return this.#changes(async () => {
      const old = this.session;
      await old.abandon();
      await this.#store?.discard();
      await this.#begin(old.settings);
      if (old.maskPng !== null) await this.session.setMask(old.maskPng);
      this.live.statusChanged();
    });
  }

  /** Save everything and give the data folder back. Calls after the first wait for the same end. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.live.close();
    await this.#changes(async () => {
      try {
        await this.#session?.close();
      } finally {
        await this.#uploads?.close();
        await this.#unlock();
      }
    });
  }

  async #openUploads(): Promise<BucketQueue | null> {
    const { dataDir, log, bucket, uploadPace } = this.#options;
    if (bucket === undefined) return null;
    return await BucketQueue.open({
      bucket,
      folder: join(dataDir, "bucket"),
      recordPath: join(dataDir, "state", "uploads.json"),
      log,
      warn: (message) => this.#warn(message),
      changed: () => this.live.statusChanged(),
      pace: uploadPace,
    });
  }

  async #begin(settings: SceneSettings): Promise<void> {
    const { dataDir, startTraining, log, threads, maxPixels, ingest } = this.#options;
    const store = await SessionStore.open(join(dataDir, "state", SCENE_NAME), (message) =>
      this.#warn(message),
    );
    const session = await openSession({
      store,
      bucketFolder: join(dataDir, "bucket"),
      uploads: this.#uploads,
      scene: SCENE_NAME,
      startTraining,
      settings,
      threads: threads ?? availableParallelism(),
      maxPixels: maxPixels ?? DEFAULT_MAX_PIXELS,
      memory: this.#memory,
      ingest: ingest ?? DEFAULT_INGEST,
      log,
      publish: (event) => this.live.publish(event),
      statusChanged: () => this.live.statusChanged(),
    });
    this.#store = store;
    this.#session = session;
    for (const message of this.#earlyWarnings.splice(0)) session.warnings.add(message);
  }

  /** What goes wrong while a session is opened is told once it is there to tell it. */
  #warn(message: string): void {
    if (this.#session === null) this.#earlyWarnings.push(message);
    else this.#session.warnings.add(message);
  }
}
