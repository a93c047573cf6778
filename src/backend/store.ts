/** What a session leaves on disk, so that a restart goes on where it stood. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { cameraSchema, jointAnglesSchema, poseSourceSchema } from "../api/schema.ts";
import { messageOf } from "../errors.ts";
import { CheckpointFiles } from "./checkpoint-files.ts";
import { storageError, writeAside, writeDurably } from "./durable.ts";
import type { AcceptedFrame } from "./frames.ts";
import { savedSessionSchema, type SavedSession } from "./saved-session.ts";

const savedFrameSchema = z.object({
  frame_id: z.string(),
  index: z.int().positive(),
  sha256: z.string(),
  type: z.enum(["jpeg", "png"]),
  captured_at: z.number(),
  camera: cameraSchema.nullable(),
  holdout: z.boolean(),
  trainable: z.boolean(),
  pose_source: poseSourceSchema,
  camera_to_world: z.array(z.number()).length(16),
  joint_angles: jointAnglesSchema.nullable(),
  /** Records of before it was kept have none. */
  joints_age_s: z.number().nullable().default(null),
  joint_samples: z.array(z.tuple([z.number(), jointAnglesSchema])),
});

/** An image on disk that belongs to no frame yet. */
export interface StagedImage {
  readonly path: string;
  /** It never will. */
  discard(): Promise<void>;
}

/** The folder of one session. Every write is whole or absent; what cannot be read is set aside, not fatal. */
export class SessionStore {
  readonly checkpoints: CheckpointFiles;
  readonly #folder: string;
  readonly #warn: (message: string) => void;

  private constructor(folder: string, checkpoints: CheckpointFiles, warn: (message: string) => void) {
    this.#folder = folder;
    this.checkpoints = checkpoints;
    this.#warn = warn;
  }

  /** Open `folder`, creating it when missing. Throws `storage_full` when that is not possible. */
  static async open(folder: string, warn: (message: string) => void): Promise<SessionStore> {
    await rm(discardedPath(folder), { recursive: true, force: true });
    await mkdir(join(folder, "frames"), { recursive: true }).catch((error: unknown) => {
      throw storageError(error);
    });
    return new SessionStore(folder, await CheckpointFiles.open(join(folder, "checkpoints"), warn), warn);
  }

  /**
   * The saved session; null when there is none. In place of a damaged one `instead` counts; without it everything is
   * set aside, because nothing says what the frames belong to.
   */
  async readSession(instead: SavedSession | null): Promise<SavedSession | null> {
    const path = join(this.#folder, "session.json");
    const text = await readOrNull(path);
    if (text === null) return instead;
    try {
      return savedSessionSchema.parse(JSON.parse(text.toString("utf8")));
    } catch (error) {
      await this.#setAside(instead === null ? this.#folder : path, error);
      await mkdir(join(this.#folder, "frames"), { recursive: true });
      await mkdir(join(this.#folder, "checkpoints"), { recursive: true });
      return instead;
    }
  }

  async writeSession(session: SavedSession): Promise<void> {
    await writeDurably(join(this.#folder, "session.json"), [jsonBytes(session)]);
  }

  /** Put an image on disk before anyone knows its place among the frames. Throws `storage_full`. */
  async stageImage(bytes: Uint8Array): Promise<StagedImage> {
    const path = join(this.#folder, "frames", `${randomUUID()}.part`);
    await writeAside(path, bytes);
    return { path, discard: () => rm(path, { force: true }) };
  }

  /** Keep a frame with its staged image. Throws `storage_full`, and then nothing of it is left. */
  async writeFrame(frame: AcceptedFrame, staged: StagedImage): Promise<void> {
    const image = this.#imagePath(frame);
    try {
      await rename(staged.path, image);
      // Syncs the folder too, and with it the image's new name.
      await this.writeFrameRecord(frame);
    } catch (error) {
      await rm(image, { force: true });
      throw storageError(error);
    }
  }

  /** Keep what changed about a frame (its pose came late). */
  async writeFrameRecord(frame: AcceptedFrame): Promise<void> {
    await writeDurably(this.#recordPath(frame.index), [jsonBytes(savedFrame(frame))]);
  }

  /** Bytes of a kept frame as they were sent. */
  async readFrameBytes(frame: AcceptedFrame): Promise<Uint8Array> {
    return await readFile(this.#imagePath(frame));
  }

  /**
   * The kept frames in order. What a killed process left of a frame that it never accepted is removed; a damaged record,
   * or one without its image, is set aside.
   */
  async readFrames(): Promise<AcceptedFrame[]> {
    const names = new Set(await readdir(join(this.#folder, "frames")));
    await this.#removeUnfinished(names);
    const frames: AcceptedFrame[] = [];
    const records = [...names].filter((name) => /^\d+\.json$/.test(name));
    for (const name of records.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))) {
      const path = join(this.#folder, "frames", name);
      try {
        const frame = restoredFrame(savedFrameSchema.parse(JSON.parse(await readFile(path, "utf8"))));
        if (!names.has(basename(this.#imagePath(frame)))) throw new Error("its image is missing");
        frames.push(frame);
      } catch (error) {
        await this.#setAside(path, error);
        for (const image of imagesOf(name, names)) await setAsideQuietly(join(this.#folder, "frames", image));
      }
    }
    return frames;
  }

  /** The record comes last, so an image without one was never accepted: whoever sent it still has it. */
  async #removeUnfinished(names: Set<string>): Promise<void> {
    for (const name of names) {
      const isLone = /^\d+\.(?:jpg|png)$/.test(name) && !names.has(`${name.slice(0, -4)}.json`);
      if (!isLone && !name.endsWith(".part")) continue;
      await rm(join(this.#folder, "frames", name), { force: true });
      names.delete(name);
    }
  }

  /** A kept frame whose image does not read or decode any more. */
  async setFrameAside(frame: AcceptedFrame, reason: unknown): Promise<void> {
    await this.#setAside(this.#imagePath(frame), reason);
    await setAsideQuietly(this.#recordPath(frame.index));
  }

  /** PNG bytes of the mask in force; null when there is none. */
  async readMask(): Promise<Uint8Array | null> {
    return await readOrNull(join(this.#folder, "mask.png"));
  }

  /** Null removes it. */
  async writeMask(png: Uint8Array | null): Promise<void> {
    const path = join(this.#folder, "mask.png");
    if (png === null) await rm(path, { force: true });
    else await writeDurably(path, [png]);
  }

  async setMaskAside(reason: unknown): Promise<void> {
    await this.#setAside(join(this.#folder, "mask.png"), reason);
  }

  /** Forget the session: its folder goes out of the way in one step, then away. */
  async discard(): Promise<void> {
    const discarded = discardedPath(this.#folder);
    await rm(discarded, { recursive: true, force: true });
    await rename(this.#folder, discarded);
    await rm(discarded, { recursive: true, force: true });
  }

  #imagePath({ index, type }: AcceptedFrame): string {
    return join(this.#folder, "frames", `${padded(index)}.${type === "jpeg" ? "jpg" : "png"}`);
  }

  #recordPath(index: number): string {
    return join(this.#folder, "frames", `${padded(index)}.json`);
  }

  async #setAside(path: string, reason: unknown): Promise<void> {
    const aside = await setAsideQuietly(path);
    this.#warn(`${path} cannot be used (${messageOf(reason).split("\n")[0]}); set aside as ${aside}`);
  }
}

/** Where a session lies that is being forgotten; a kill may leave some of it. */
function discardedPath(folder: string): string {
  return `${folder}.discarded`;
}

/** @returns where it lies now. */
async function setAsideQuietly(path: string): Promise<string> {
  const aside = `${path}.damaged`;
  await rm(aside, { recursive: true, force: true });
  await rename(path, aside).catch(() => undefined);
  return aside;
}

/** The image beside a record, of which it is not known what type it has. */
function imagesOf(record: string, names: ReadonlySet<string>): string[] {
  const stem = record.slice(0, -".json".length);
  return [`${stem}.jpg`, `${stem}.png`].filter((name) => names.has(name));
}

function savedFrame(frame: AcceptedFrame): z.infer<typeof savedFrameSchema> {
  return {
    frame_id: frame.frameId,
    index: frame.index,
    sha256: frame.sha256,
    type: frame.type,
    captured_at: frame.capturedAtS,
    camera: frame.camera,
    holdout: frame.holdout,
    trainable: frame.trainable,
    pose_source: frame.poseSource,
    camera_to_world: [...frame.cameraToWorld],
    joint_angles: frame.anglesRad === null ? null : [...frame.anglesRad],
    joints_age_s: frame.jointsAgeS,
    joint_samples: frame.samples.map(({ timeS, anglesRad }) => [timeS, [...anglesRad]]),
  };
}

function restoredFrame(saved: z.infer<typeof savedFrameSchema>): AcceptedFrame {
  return {
    frameId: saved.frame_id,
    index: saved.index,
    sha256: saved.sha256,
    type: saved.type,
    isRestored: true,
    capturedAtS: saved.captured_at,
    camera: saved.camera,
    holdout: saved.holdout,
    trainable: saved.trainable,
    // Nobody will send the reading it waited for any more; it was stored with the latest of then.
    poseSource: saved.pose_source === "pending" ? "latest" : saved.pose_source,
    cameraToWorld: saved.camera_to_world,
    anglesRad: saved.joint_angles,
    jointsAgeS: saved.joints_age_s,
    samples: saved.joint_samples.map(([timeS, anglesRad]) => ({ timeS, anglesRad })),
    intrinsics: null,
    acceptedAtStep: 0,
    stepped: false,
    psnr: null,
  };
}

function padded(index: number): string {
  return String(index).padStart(6, "0");
}

function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
}

async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
