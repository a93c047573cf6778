/** A bucket behind a faulty network, the program that changes it, and somebody who looks at it directly. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { bucketStatusSchema, type BucketStatus } from "../../src/api/schema.ts";
import type { BucketWriter } from "../../src/chunks/status-file.ts";
import { openBucket } from "../../src/remote/r2.ts";
import { retrying } from "../../src/remote/r2-pace.ts";
import type { BucketReader } from "../../src/remote/r2-read.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { bucketScenes, type BucketScenes } from "./bucket-scenes.ts";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
import { startR2, type LocalR2 } from "./r2.ts";
import { runCli } from "./run-cli.ts";

export interface ProxiedBucket {
  /** For files of the test; gone with `close`. */
  readonly folder: string;
  readonly r2: LocalR2;
  readonly proxy: FaultProxy;
  /** Past the proxy. */
  readonly scenes: BucketScenes;
  /** What the program finds the bucket by, through the proxy. */
  readonly env: Readonly<Record<string, string>>;
  cli(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** The one JSON object that the program prints. */
  json(...args: readonly string[]): Promise<Record<string, unknown>>;
  /** A status.json, by the place that it lies in; null when there is none. */
  status(place: string): Promise<BucketStatus | null>;
  /** What commands change it with, through the proxy; waits are short. */
  readonly writer: BucketWriter;
  readonly reader: BucketReader;
  /** What is wrong with a scene's and its sessions' status.json, in words. */
  broken(scene: string): Promise<string[]>;
  close(): Promise<void>;
}

const PACE = { firstWaitMs: 5, longestWaitMs: 20, longestUserWaitMs: 20 };

/** One for a file's tests, there while they run; no fault is left over from the test before. */
export function proxiedBucket(): ProxiedBucket {
  const shared = {} as ProxiedBucket;
  beforeAll(async () => void Object.assign(shared, await startProxiedBucket()));
  beforeEach(() => {
    shared.proxy.plan = () => null;
  });
  afterAll(() => shared.close());
  return shared;
}

/** Start one that is empty. */
async function startProxiedBucket(): Promise<ProxiedBucket> {
  const r2 = await startR2();
  const proxy = await startFaultProxy(r2.origin);
  const scenes = await bucketScenes(r2.settings());
  const { endpoint, bucket, accessKeyId, secretAccessKey, publicUrl } = r2.settings(proxy.url);
  const folder = await mkdtemp(join(tmpdir(), "splatctl-bucket-"));
  const env = {
    SPLAT_CONFIG_DIR: join(folder, "config"),
    R2_ENDPOINT_URL: endpoint,
    R2_BUCKET_NAME: bucket,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    R2_PUBLIC_URL: publicUrl ?? "",
  };
  const { signal } = new AbortController();
  const reader = openSignedReader(r2.settings(proxy.url));
  const writer = {
    bucket: await openBucket(r2.settings(proxy.url)),
    persist: <T>(request: () => Promise<T>): Promise<T> => retrying(request, { signal, pace: PACE }),
    sameKeyEveryMs: 0,
    signal,
  };
  const cli: ProxiedBucket["cli"] = async (...args) => {
    const { code, stdout, stderr } = await runCli(args, { env });
    return { code, stdout: stdout.toString(), stderr };
  };
  const status: ProxiedBucket["status"] = async (place) => {
    const bytes = await r2.get(`${place}/status.json`);
    return bytes === null ? null : bucketStatusSchema.parse(JSON.parse(bytes.toString()));
  };
  return {
    folder,
    r2,
    proxy,
    scenes,
    env,
    cli,
    async json(...args) {
      const { stdout, stderr } = await cli(...args, "--json");
      if (stdout === "") throw new Error(stderr);
      return JSON.parse(stdout) as Record<string, unknown>;
    },
    status,
    writer,
    reader,
    async broken(scene) {
      const place = `scenes/${scene}`;
      const newest = await status(place);
      if (newest === null) return [];
      const own = await r2.get(`${place}/${newest.session_id}/status.json`);
      const shown = await r2.get(`${place}/status.json`);
      const wrong = await Promise.all(
        newest.chunks.map(async ({ key, sha256, bytes }) => {
          const there = await r2.get(key);
          const isRight =
            there?.length === bytes && createHash("sha256").update(there).digest("hex") === sha256;
          return isRight ? [] : [`${key} is not what status.json says`];
        }),
      );
      return [
        ...(own !== null && shown?.equals(own) === true
          ? []
          : ["the scene's status.json is another than its session's"]),
        ...wrong.flat(),
      ];
    },
    async close() {
      scenes.close();
      writer.bucket.close();
      await reader.close();
      await proxy.close();
      await r2.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
