/** End a capture and see it through. */
import { SplatError } from "../errors.ts";
import { sleep } from "../time.ts";
import type { Client } from "./client.ts";
import type { Chunk, Status } from "./schema.ts";

const POLL_MS = 500;
/** Each question to a cloud is paid for. */
const CLOUD_POLL_MS = 2000;
/** A GPU may be taken away while it finishes; another one takes its place, and so many questions in a row may fail. */
const MOST_FAILURES = 5;

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
  // Wake it first: the answer to a stop takes its time, and is not to be taken for a start.
  if (client.isCloud) await client.status(signal);
  const { session_id, complete, chunks } = await client.stop({ finishSeconds }, signal);
  if (complete || !wait) return { session_id, complete, chunks };
  for (let failures = 0; ;) {
    const status = await client.status(signal).catch((thrown: unknown) => {
      const mayPass = client.isCloud && !(signal?.aborted === true) && isOutage(thrown);
      if (!mayPass || ++failures >= MOST_FAILURES) throw thrown;
      return null;
    });
    if (status === null) {
      await sleep(CLOUD_POLL_MS, signal);
      continue;
    }
    failures = 0;
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
    await sleep(client.isCloud ? CLOUD_POLL_MS : POLL_MS, signal);
  }
}

function isOutage(thrown: unknown): boolean {
  if (!(thrown instanceof SplatError)) return false;
  return thrown.code === "unreachable" || (thrown.refusal?.status ?? 0) >= 500;
}
