/** A backend that takes uploads over loopback and answers each as a test says. */
import { DEFAULT_SETTINGS } from "../../src/backend/settings.ts";
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { onTestFinished } from "vitest";
import { IDENTITY, STATUS, answer } from "../api/answers.ts";
import { serveHttp, type Loopback } from "./loopback.ts";

export interface Received {
  readonly name: string;
  readonly bytes: Buffer;
  readonly meta: Record<string, unknown>;
}

export interface UploadBackend extends Loopback {
  /** Uploads answered with 200, in order. */
  readonly accepted: Received[];
  /** Every upload that arrived, in order. */
  readonly attempts: Received[];
  /** Bodies of PUT /scene. */
  readonly scenes: Record<string, unknown>[];
  readonly stops: number[];
  /** What it has, and who it says it is: for tests to change. */
  readonly memory: Memory;
}

export interface Memory {
  sessionId: string;
  bootId: string;
  /** Frames that GET /frames lists, by id, in order; an upload is a duplicate when it is among them. */
  readonly held: Map<string, { readonly index: number; readonly sha256: string }>;
  /** Null: all that it has. */
  durableThrough: number | null;
  /** How often GET /frames was asked. */
  looks: number;
}

/** Return true when the response has been dealt with; otherwise the upload is accepted. */
export type Script = (
  received: Received,
  response: ServerResponse,
  attempt: number,
) => boolean | Promise<boolean>;

/** Start one; it closes when the test ends. */
export async function uploadBackend(script: Script = () => false, status = STATUS): Promise<UploadBackend> {
  const accepted: Received[] = [];
  const attempts: Received[] = [];
  const scenes: Record<string, unknown>[] = [];
  const stops: number[] = [];
  const memory: Memory = {
    sessionId: status.session_id,
    bootId: status.boot_id,
    held: new Map(),
    durableThrough: null,
    looks: 0,
  };
  const identity = () => ({ session_id: memory.sessionId, boot_id: memory.bootId });
  const lastIndex = (): number => Math.max(0, ...[...memory.held.values()].map(({ index }) => index));
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    if (request.url === "/status") {
      const durable_through = memory.durableThrough ?? lastIndex();
      return answer(response, 200, { ...status, ...identity(), durable_through });
    }
    if (request.url === "/frames") {
      memory.looks++;
      const frames = [...memory.held].map(([frame_id, { index }]) => ({ ...RECORD, frame_id, index }));
      return answer(response, 200, { ...identity(), frames });
    }
    if (request.url === "/stop-training") {
      stops.push(accepted.length);
      return answer(response, 200, { ...IDENTITY, success: true, chunks: [], complete: false });
    }
    if (request.url === "/scene") {
      if (request.method === "PUT") scenes.push(JSON.parse(body.toString()) as Record<string, unknown>);
      return answer(response, 200, sceneAnswer);
    }
    const received = await parse(request, body);
    attempts.push(received);
    if (await script(received, response, attempts.length)) return;
    const id = received.meta["frame_id"] as string;
    const duplicate = memory.held.has(id);
    const sha256 = createHash("sha256").update(received.bytes).digest("hex");
    if (!duplicate) memory.held.set(id, { index: lastIndex() + 1, sha256 });
    accepted.push(received);
    answer(response, 200, {
      ...identity(),
      success: true,
      frame_count: memory.held.size,
      chunks_uploaded: 0,
      frame_id: id,
      duplicate,
      pose_source: "default",
    });
  };
  const server = await serveHttp(
    (request, response) => void handle(request, response).catch(() => response.destroy()),
  );
  onTestFinished(() => server.close());
  return { ...server, accepted, attempts, scenes, stops, memory };
}

const RECORD = {
  captured_at: 1,
  pose_source: "default",
  camera_to_world: null,
  psnr: null,
  holdout: false,
  accepted: true,
  reason: null,
};

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function parse(request: IncomingMessage, body: Buffer): Promise<Received> {
  const headers = { "content-type": request.headers["content-type"] ?? "" };
  const form = await new Response(new Uint8Array(body), { headers }).formData();
  const file = form.get("file") as File;
  const meta = JSON.parse(form.get("meta") as string) as Record<string, unknown>;
  return { name: file.name, bytes: Buffer.from(await file.arrayBuffer()), meta };
}

const sceneAnswer = {
  ...IDENTITY,
  success: true,
  ...DEFAULT_SETTINGS,
  refined: { camera: null, camera_mount: null, joint_zero_offsets_rad: null, clock_offset_s: null },
};
