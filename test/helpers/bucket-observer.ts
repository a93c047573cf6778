/** Watches a bucket as a browser would, with a client of its own, and notes every promise that is broken. */
import { setTimeout as sleep } from "node:timers/promises";
import { bucketStatusSchema, type BucketStatus } from "../../src/api/schema.ts";
import type { LocalR2 } from "./r2.ts";
import { createHash } from "node:crypto";

export interface BucketObserver {
  /** What was wrong, in words; empty when nothing was. */
  readonly broken: readonly string[];
  /** Looks at status.json that found one. */
  readonly looks: number;
  /** Newest status of a scene. */
  status(scene?: string): Promise<BucketStatus | null>;
  close(): Promise<void>;
}

/** Look every `everyMs` at the scene's status.json and at each chunk that it names for the first time. */
export function observeBucket(r2: LocalR2, scene = "main", everyMs = 30): BucketObserver {
  const broken: string[] = [];
  const checked = new Map<string, string>();
  const ended = new AbortController();
  let looks = 0;
  const read = async (name = scene): Promise<BucketStatus | null> => {
    const text = await r2.get(`scenes/${name}/status.json`);
    return text === null ? null : bucketStatusSchema.parse(JSON.parse(text.toString()));
  };
  const look = async (): Promise<void> => {
    const status = await read();
    if (status === null) return;
    looks++;
    for (const { key, bytes, sha256 } of status.chunks) {
      if (checked.get(key) === sha256) continue;
      const there = await r2.get(key);
      if (there === null) broken.push(`status.json names ${key}, which is not there`);
      else if (there.length !== bytes || digest(there) !== sha256)
        broken.push(`${key} is not what status.json says`);
      if (checked.has(key)) broken.push(`${key} changed`);
      checked.set(key, sha256);
    }
    const last = status.chunks.at(-1);
    if (status.complete && (last?.last_frame ?? 0) < status.frame_count) {
      broken.push("status.json says complete before the last chunk is there");
    }
  };
  const watching = (async () => {
    while (!ended.signal.aborted) {
      await look().catch((error: unknown) => broken.push(String(error)));
      await sleep(everyMs, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  })();
  return {
    broken,
    get looks() {
      return looks;
    },
    status: read,
    async close() {
      ended.abort();
      await watching;
    },
  };
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
