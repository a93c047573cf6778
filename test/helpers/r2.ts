/** Cloudflare's own R2 simulator on a loopback port, and a plain S3 client that looks at it independently. */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Miniflare, NoOpLog } from "miniflare";
import type { BucketSettings } from "../../src/remote/r2-settings.ts";

export interface LocalR2 {
  /** Scheme, host and port, for a proxy in front. */
  readonly origin: string;
  /** To reach it directly, or through `origin` of a proxy. */
  settings(origin?: string): BucketSettings;
  /** Store an object, over what lies there. */
  put(key: string, bytes: Uint8Array, metadata?: Readonly<Record<string, string>>): Promise<void>;
  remove(key: string): Promise<void>;
  /** Bytes of an object; null when there is none. */
  get(key: string): Promise<Buffer | null>;
  /** Keys of everything in the bucket, or of what they begin with; up to a thousand. */
  keys(prefix?: string): Promise<string[]>;
  /** SHA-256 (hex) by key, of the same. */
  sums(prefix?: string): Promise<Map<string, string>>;
  close(): Promise<void>;
}

const BUCKET = "splats";
const KEYS = { accessKeyId: "test-key", secretAccessKey: "test-secret" };
const S3_PATH = "/cdn-cgi/local/r2/s3";
const PUBLIC_PATH = "/cdn-cgi/local/r2/public";

/** Start one with an empty bucket, in memory. */
export async function startR2(): Promise<LocalR2> {
  const simulator = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    // It tells of every connection that a proxy cuts.
    log: new NoOpLog(),
    handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
      stdout.resume();
      stderr.resume();
    },
    // Without it the network is asked where this machine is.
    cf: false,
    modules: true,
    script: "export default { fetch() { return new Response(); } }",
    compatibilityDate: "2026-07-01",
    r2Buckets: { CHUNKS: { id: BUCKET, s3Credentials: KEYS } },
    r2Persist: false,
  });
  const { origin } = await simulator.ready;
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
  const s3 = new S3Client({
    region: "auto",
    endpoint: origin + S3_PATH,
    credentials: KEYS,
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
  });
  delete process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"];
  const get = async (key: string): Promise<Buffer | null> => {
    try {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return null;
      throw error;
    }
  };
  const keys = async (prefix = ""): Promise<string[]> => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix }));
    return Contents.map(({ Key = "" }) => Key);
  };
  return {
    origin,
    keys,
    settings: (through = origin) => ({
      ...KEYS,
      endpoint: through + S3_PATH,
      bucket: BUCKET,
      publicUrl: `${origin}${PUBLIC_PATH}/${BUCKET}`,
    }),
    async put(key, bytes, metadata) {
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: bytes, Metadata: metadata }));
    },
    async remove(key) {
      await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
    },
    get,
    async sums(prefix) {
      const found = new Map<string, string>();
      for (const key of await keys(prefix)) {
        const bytes = (await get(key)) ?? Buffer.alloc(0);
        found.set(key, createHash("sha256").update(bytes).digest("hex"));
      }
      return found;
    },
    async close() {
      s3.destroy();
      await simulator.dispose();
    },
  };
}
