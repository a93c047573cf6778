/** Answers as a backend gives them, for servers that play one. */
import type { ServerResponse } from "node:http";
import type { Chunk, Status } from "../../src/api/schema.ts";

export const IDENTITY = { session_id: "session-1", boot_id: "boot-1" };

export const STATUS: Status = {
  ...IDENTITY,
  state: "training",
  frame_count: 1234,
  rejected_count: 2,
  gaussian_count: 56_789,
  step: 900,
  steps_per_second: 12.34,
  progress: 0.999,
  psnr_train: 24.31,
  psnr_holdout: null,
  latency_ms: { accepted: { p50: 40, p95: 80 }, trained: { p50: null, p95: null } },
  durable_through: 1200,
  chunks_uploaded: 1,
  chunks: [],
  joint_angles: [0, 0, 0, 0, 0, 0],
  joints_age_s: null,
  version: 7,
  engine: { name: "embedded", device: "cpu", threads: 2 },
  memory_bytes: 1e6,
  warnings: ["no pose: every frame is placed at the same spot"],
  last_error: null,
  updated_at: 1_700_000_000,
};

export const CHUNK: Chunk = {
  name: "chunk_0001.ply",
  index: 1,
  first_frame: 1,
  last_frame: 50,
  gaussian_count: 5000,
  bytes: 1_240_000,
  sha256: "00",
  key: "scenes/main/session-1/chunk_0001.ply",
  url: null,
  created_at: 1_700_000_000,
};

/** End a response with JSON. */
export function answer(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** The body of an error. */
export function no(code: string, message = "no", hint?: string): object {
  return { success: false, session_id: "s", error: { code, message, hint } };
}
