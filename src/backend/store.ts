/** What a session leaves on disk, so that a restart goes on where it stood. */
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  cameraSchema,
  chunkSchema,
  jointAnglesSchema,
  poseSourceSchema,
  sceneSettingsSchema,
} from "../api/schema.ts";
import { messageOf } from "../errors.ts";
import type { Gaussians } from "../splat/gaussians.ts";
import { encodePly } from "../splat/ply.ts";
import { decodePly } from "../splat/ply-read.ts";
import { storageError, writeDurably } from "./durable.ts";
import type { AcceptedFrame } from "./frames.ts";

const savedSessionSchema = z.object({
  session_id: z.string(),
  settings: sceneSettingsSchema,
  /** `stopped` = intake has ended, finishing has not. */
  phase: z.enum(["open", "stopped", "complete"]),
  finish_seconds: z.number(),
  step: z.int().nonnegative(),
  chunk_step: z.int().nonnegative(),
  version_ceiling: z.int().nonnegative(),
  rejected_count: z.int().nonnegative(),
  psnr_train: z.number().nullable(),
  psnr_holdout: z.number().nullable(),
  chunks: z.array(chunkSchema),
});

/** A session apart from its frames, mask and Gaussians. */
export type SavedSession = z.infer<typeof savedSessionSchema>;

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
  joint_samples: z.array(z.tuple([z.number(), jointAnglesSchema])),
});

/** The folder of one session. Every write is whole or absent; what cannot be read is set aside, not fatal. */
export class SessionStore {
  readonly #folder: string;
  readonly #warn: (message: string) => void;

  private constructor(folder: string, warn: (message: string) => void) {
    this.#folder = folder;
    this.#warn = warn;
  }

  /** Open `folder`, creating it when missing. Throws `storage_full` when that is not possible. */
  static async open(folder: string, warn: (message: string) => void): Promise<SessionStore> {
    await mkdir(join(folder, "frames"), { recursive: true }).catch((error: unknown) => {
      throw storageError(error);
    });
    return new SessionStore(folder, warn);
  }

  /** The saved session; null when there is none. A damaged one is set aside with all it holds, and counts as none. */
  async readSession(): Promise<SavedSession | null> {
    const path = join(this.#folder, "session.json");
    const text = await readOrNull(path);
    if (text === null) return null;
    try {
      return savedSessionSchema.parse(JSON.parse(text.toString("utf8")));
    } catch (error) {
      await this.#setAside(this.#folder, error);
      await mkdir(join(this.#folder, "frames"), { recursive: true });
      return null;
    }
  }

  async writeSession(session: SavedSession): Promise<void> {
    await writeDurably(join(this.#folder, "session.json"), [jsonBytes(session)]);
  }

  /** Keep a frame. Throws `storage_full`, and then nothing of it is left. */
  async writeFrame(frame: AcceptedFrame, bytes: Uint8Array): Promise<void> {
    const image = this.#imagePath(frame);
    await writeDurably(image, [bytes]);
    try {
      await this.writeFrameRecord(frame);
    } catch (error) {
      await rm(image, { force: true });
      throw error;
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

  /** The kept frames in order; damaged records are set aside. */
  async readFrames(): Promise<AcceptedFrame[]> {
    const names = (await readdir(join(this.#folder, "frames"))).filter((name) => /^\d+\.json$/.test(name));
    const frames: AcceptedFrame[] = [];
    for (const name of names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))) {
      const path = join(this.#folder, "frames", name);
      try {
        const saved = savedFrameSchema.parse(JSON.parse(await readFile(path, "utf8")));
        frames.push(restoredFrame(saved));
      } catch (error) {
        await this.#setAside(path, error);
      }
    }
    return frames;
  }

  /** A kept frame whose image does not read or decode any more. */
  async setFrameAside(frame: AcceptedFrame, reason: unknown): Promise<void> {
    await this.#setAside(this.#imagePath(frame), reason);
    await rename(this.#recordPath(frame.index), `${this.#recordPath(frame.index)}.damaged`).catch(
      () => undefined,
    );
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

  async writeScene(gaussians: Gaussians): Promise<void> {
    await writeDurably(join(this.#folder, "scene.ply"), encodePly(gaussians));
  }

  /** The Gaussians saved last; null when there are none. Damaged ones are set aside. */
  async readScene(): Promise<Gaussians | null> {
    const path = join(this.#folder, "scene.ply");
    const bytes = await readOrNull(path);
    if (bytes === null) return null;
    try {
      const gaussians = decodePly(bytes);
      return gaussians.count === 0 ? null : gaussians;
    } catch (error) {
      await this.#setAside(path, error);
      return null;
    }
  }

  /** Forget the session: its folder goes out of the way in one step, then away. */
  async discard(): Promise<void> {
    const discarded = `${this.#folder}.discarded`;
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
    const aside = `${path}.damaged`;
    await rm(aside, { recursive: true, force: true });
    await rename(path, aside).catch(() => undefined);
    this.#warn(`${path} cannot be used (${messageOf(reason).split("\n")[0]}); set aside as ${aside}`);
  }
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
