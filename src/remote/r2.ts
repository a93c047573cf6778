/**
 * A bucket of Cloudflare R2, or of another server that speaks S3, with the settings that R2 needs.
 * Documents: R2's S3 API compatibility pages; AWS SDK for JavaScript v3.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type * as Sdk from "@aws-sdk/client-s3";
import { bucketError, statusOf } from "./r2-errors.ts";
import { parseBucketAddress, type BucketAddress, type BucketSettings } from "./r2-settings.ts";

export type { BucketSettings } from "./r2-settings.ts";

export interface BucketOptions {
  /** A connection on which nothing moves for this long is given up. Default 30 000. */
  readonly idleTimeoutMs?: number | undefined;
}

/** What is to be stored for good. */
export interface NewObject {
  readonly bytes: Uint8Array;
  /** Of the bytes, hex; kept with the object. */
  readonly sha256: string;
  readonly contentType: string;
}

/** What a HEAD says of an object. */
export interface ObjectFacts {
  readonly sizeBytes: number;
  /** As `create` kept it, hex; null when another program wrote the object. */
  readonly sha256: string | null;
}

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 30_000;
/** A body is handed over in slices, so that sending a large one holds nobody else up. */
const SLICE_BYTES = 1 << 20;
/** The SDK would write its notes on stderr. */
const NO_LOG = Object.fromEntries(
  (["debug", "info", "warn", "error"] as const).map((level) => [level, () => undefined]),
) as Record<"debug" | "info" | "warn" | "error", () => void>;

/**
 * Open a bucket; nothing is asked of it yet. Throws `not_configured` when the settings cannot be right.
 * The SDK is loaded here, because most commands need no bucket.
 */
export async function openBucket(settings: BucketSettings, options: BucketOptions = {}): Promise<R2Bucket> {
  const address = parseBucketAddress(settings);
  const sdk = await import("@aws-sdk/client-s3");
  return new R2Bucket(sdk, createClient(sdk, settings, address, options), address);
}

/**
 * See the top of the file; `openBucket` makes one. Every method throws what `bucketError` says.
 * Not named `Bucket`: in a class of that name tsc 7.0.2 writes `_a:` for the SDK's key `Bucket:`.
 */
export class R2Bucket {
  readonly #sdk: typeof Sdk;
  readonly #s3: Sdk.S3Client;
  readonly #address: BucketAddress;

  constructor(sdk: typeof Sdk, s3: Sdk.S3Client, address: BucketAddress) {
    this.#sdk = sdk;
    this.#s3 = s3;
    this.#address = address;
  }

  /** For people: name and host. */
  get name(): string {
    return `"${this.#address.bucket}" at ${this.#address.host}`;
  }

  /** Tells this bucket from any other. */
  get id(): string {
    return `${this.#address.endpoint}/${this.#address.bucket}`;
  }

  /** Where a browser reads `key`; null when the bucket is not public. */
  urlOf(key: string): string | null {
    const { publicUrl } = this.#address;
    return publicUrl === null ? null : `${publicUrl}/${key.split("/").map(encodeURIComponent).join("/")}`;
  }

  /** Store an object that never changes; `exists` when something lies there already, which is left as it is. */
  async create(key: string, object: NewObject, signal: AbortSignal): Promise<"created" | "exists"> {
    try {
      await this.#put(key, object.bytes, signal, {
        ContentType: object.contentType,
        Metadata: { sha256: object.sha256 },
        IfNoneMatch: "*",
      });
      return "created";
    } catch (error) {
      if (statusOf(error) === 412) return "exists";
      throw bucketError(error, this.#address);
    }
  }

  /** Store an object that is read again and again while it changes: nobody may keep an old one. */
  async replace(key: string, bytes: Uint8Array, contentType: string, signal: AbortSignal): Promise<void> {
    await this.#put(key, bytes, signal, { ContentType: contentType, CacheControl: "no-store" }).catch(
      (error: unknown) => {
        throw bucketError(error, this.#address);
      },
    );
  }

  /** What lies at `key`; null when nothing does. A missing bucket looks the same: `check` tells it. */
  async head(key: string, signal: AbortSignal): Promise<ObjectFacts | null> {
    const command = new this.#sdk.HeadObjectCommand({ Bucket: this.#address.bucket, Key: key });
    try {
      const { ContentLength, Metadata } = await this.#s3.send(command, { abortSignal: signal });
      return { sizeBytes: ContentLength ?? 0, sha256: Metadata?.["sha256"] ?? null };
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw bucketError(error, this.#address);
    }
  }

  /** Whether the bucket is there and lets us in, asked by reading one byte: only such a call says what is wrong. */
  async check(signal: AbortSignal): Promise<void> {
    const input = { Bucket: this.#address.bucket, Key: "status.json", Range: "bytes=0-0" };
    try {
      const { Body } = await this.#s3.send(new this.#sdk.GetObjectCommand(input), { abortSignal: signal });
      await Body?.transformToByteArray();
    } catch (error) {
      if ((error as Error).name !== "NoSuchKey") throw bucketError(error, this.#address);
    }
  }

  /** Let the connections go. */
  close(): void {
    this.#s3.destroy();
  }

  async #put(
    key: string,
    bytes: Uint8Array,
    signal: AbortSignal,
    input: Omit<Sdk.PutObjectCommandInput, "Bucket" | "Key">,
  ): Promise<void> {
    const command = new this.#sdk.PutObjectCommand({
      Bucket: this.#address.bucket,
      Key: key,
      Body: Readable.from(slicesOf(bytes), { objectMode: false, highWaterMark: SLICE_BYTES }),
      ContentLength: bytes.length,
      // The signature does not cover a streamed body; this makes the server refuse one that was changed on its way.
      ContentMD5: await md5Of(bytes),
      ...input,
    });
    await this.#s3.send(command, { abortSignal: signal });
  }
}

function createClient(
  { S3Client }: typeof Sdk,
  { accessKeyId, secretAccessKey }: BucketSettings,
  { endpoint, pathStyle }: BucketAddress,
  { idleTimeoutMs = IDLE_TIMEOUT_MS }: BucketOptions,
): Sdk.S3Client {
  return withoutSupportWarning(
    () =>
      new S3Client({
        region: "auto",
        endpoint,
        credentials: { accessKeyId, secretAccessKey },
        forcePathStyle: pathStyle,
        // R2 refused the checksums that the SDK began to add by itself, and they need trailers that few servers take.
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
        // R2 does not answer `Expect: 100-continue`; the SDK would wait six seconds for that before each large body.
        expectContinueHeader: false,
        // Whoever calls decides when to try again.
        maxAttempts: 1,
        requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: idleTimeoutMs },
        logger: NO_LOG,
      }),
  );
}

/** The SDK says on Node 20 that versions to come will not run on it; our lockfile holds one that does. */
function withoutSupportWarning<T>(make: () => T): T {
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = (warning: string | Error, ...rest: never[]): void => {
    if (!String(warning).includes("NodeVersionSupportWarning")) emitWarning(warning, ...rest);
  };
  try {
    return make();
  } finally {
    process.emitWarning = emitWarning;
  }
}

function* slicesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}

async function md5Of(bytes: Uint8Array): Promise<string> {
  const hash = createHash("md5");
  for (const slice of slicesOf(bytes)) {
    hash.update(slice);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return hash.digest("base64");
}
