/** End a capture and see it through. */
import { SplatError } from "../errors.ts";
import { sleep } from "../time.ts";
import type { Client } from "./client.ts";
import type { Chunk, Status } from "./schema.ts";

const POLL_MS = 500;

export interface StopOptions {
  /** Time for finishing, seconds; default: the scene's own setting. */
  readonly finishSeconds?: number | undefined;
  /** Wait until finishing is complete; default true. */
  readonly wait?: boolean | undefined;
  /** Called with each status while waiting. */
  readonly onStatus?: ((status: Status) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Stopped {
  readonly session_id: string;
  readonly complete: boolean;
  readonly chunks: readonly Chunk[];
}

/**
 * Stop intake, and wait until the scene is complete. Safe to repeat: a backend that was stopped before answers the same.
 * Throws `partial` when training failed or the scene was reset meanwhile, and whatever the client throws.
 */
export async function stopAndWait(client: Client, options: StopOptions = {}): Promise<Stopped> {
  const { finishSeconds, wait = true, onStatus, signal } = options;
  const { session_id, complete, chunks } = await client.stop({ finishSeconds }, signal);
  if (complete || !wait) return { session_id, complete, chunks };
  for (;;) {
    const status = await client.status(signal);
    if (status.session_id !== session_id) {
      throw new SplatError("partial", `the scene at ${client.url} was reset while it was finishing`);
    }
    if (status.state === "failed") {
      throw new SplatError("partial", `training failed: ${status.last_error ?? "no reason given"}`, {
        hint: "Frames and finished chunks are kept; the backend's own output says more.",
      });
    }
    if (status.state === "complete") return { session_id, complete: true, chunks: status.chunks };
    onStatus?.(status);
    await sleep(POLL_MS, signal);
  }
}
