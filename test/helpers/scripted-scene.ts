/** One scene of a scripted cloud: takes frames and joints, and holds as many for good as a test says. */
import { DEFAULT_SETTINGS } from "../../src/backend/settings.ts";
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Status } from "../../src/api/schema.ts";
import { no } from "../api/answers.ts";

/** An answer. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class ScriptedScene {
  readonly sessionId = randomUUID();
  bootId = randomUUID();
  /** Ids of the frames that it has, in order: the first has index 1. */
  readonly frames: string[] = [];
  /** Ids of all uploads that it answered, in order. */
  readonly uploads: string[] = [];
  readonly joints: number[][] = [];
  /** Newest index that is safe; what comes later is lost with the container. */
  durableThrough = 0;
  state: Status["state"] = "training";
  /** How many times GET /status says after a stop that the scene is not finished yet. */
  finishing = 0;
  readonly #status: Status;

  constructor(status: Status) {
    this.#status = status;
  }

  /** Another container holds what was safe, or the first `keep` frames when those are fewer. */
  restore(keep: number): void {
    this.bootId = randomUUID();
    this.frames.length = Math.min(this.frames.length, keep);
    this.durableThrough = Math.min(this.durableThrough, keep);
  }

  /** Null for a route that it does not have. */
  async answer(request: IncomingMessage, body: Buffer, path: string): Promise<Reply | null> {
    const identity = { session_id: this.sessionId, boot_id: this.bootId };
    if (path === "/health") return json({ ...identity, status: "ok", trainer_ready: true });
    if (path === "/status") {
      if (this.state === "finishing" && this.finishing-- <= 0) this.state = "complete";
      const { durableThrough: durable_through, state } = this;
      return json({ ...this.#status, ...identity, durable_through, state, frame_count: this.frames.length });
    }
    if (path === "/frames") {
      const frames = this.frames.map((frame_id, i) => ({ ...RECORD, frame_id, index: i + 1 }));
      return json({ ...identity, frames });
    }
    if (path === "/scene") return json({ ...SCENE, ...identity });
    if (path === "/stop-training") {
      this.state = this.finishing > 0 ? "finishing" : "complete";
      return json({ ...identity, success: true, chunks: [], complete: this.state === "complete" });
    }
    if (path === "/update-joint-angles") {
      const { joint_angles } = JSON.parse(body.toString()) as { joint_angles: number[] };
      this.joints.push(joint_angles);
      return json({ ...identity, success: true, joint_angles });
    }
    return path === "/upload-frame" ? json({ ...identity, ...(await this.#take(request, body)) }) : null;
  }

  async #take(request: IncomingMessage, body: Buffer): Promise<object> {
    const headers = { "content-type": request.headers["content-type"] ?? "" };
    const form = await new Response(new Uint8Array(body), { headers }).formData();
    const { frame_id } = JSON.parse(form.get("meta") as string) as { frame_id: string };
    const duplicate = this.frames.includes(frame_id);
    if (!duplicate) this.frames.push(frame_id);
    this.uploads.push(frame_id);
    const counts = { frame_count: this.frames.length, chunks_uploaded: 0 };
    return { success: true, ...counts, frame_id, duplicate, pose_source: "samples" };
  }
}

/** What an unknown scene or route is answered. */
export function notFound(isScene: boolean): Reply {
  const message = isScene ? "this backend holds the scenes main and table" : "no such route";
  return json(no("not_found", message), 404);
}

function json(value: object, status = 200): Reply {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

const RECORD = {
  captured_at: 1,
  pose_source: "samples",
  camera_to_world: null,
  psnr: null,
  holdout: false,
  accepted: true,
  reason: null,
};

const SCENE = {
  success: true,
  ...DEFAULT_SETTINGS,
  refined: { camera: null, camera_mount: null, joint_zero_offsets_rad: null, clock_offset_s: null },
};
