/**
 * A bucket of Cloudflare R2, or of another server that speaks S3, with the settings that R2 needs.
 * Documents: R2's S3 API compatibility pages; AWS SDK for JavaScript v3.
 */
import type { Readable } from "node:stream";
import type * as Sdk from "@aws-sdk/client-s3";
import { SplatError } from "../errors.ts";
import { bytesBody, collect, fileBody, md5Of, type FileBody } from "./r2-body.ts";
import { bucketError, statusOf } from "./r2-errors.ts";
import { publicUrlOf } from "./r2-key.ts";
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

/** A file to be stored for good, as it was looked at before. */
export interface NewFile extends FileBody {
  /** Of its bytes, hex; kept with the object. */
  readonly sha256: string;
  readonly contentType: string;
}

/** What has to be there for a write to count: the object of this ETag (quotes included), or nothing. */
export type WriteCondition = { readonly etag: string } | "absent";

/** A small object, whole. */
export interface SmallObject {
  /** null when there are more than were wanted. */
  readonly bytes: Uint8Array | null;
  /** Quotes included. */
  readonly etag: string;
}

/** Largest file that one request may store (R2: platform limits, "under 5 GiB"). */
const MOST_PUT_BYTES = 5 * 2 ** 30 - 1;

/** What a HEAD says of an object. */
export interface ObjectFacts {
  readonly sizeBytes: number;
  /** As `create` kept it, hex; null when another program wrote the object. */
  readonly sha256: string | null;
}

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 30_000;
/** The SDK would write its notes on stderr. */
const NO_LOG = Object.fromEntries(
  (["debug", "info", "warn", "error"] as const).map((level) => [level, () => undefined]),
) as Record<"debug" | "info" | "warn" | "error", () => void>;

/** Throws `bad_input` when a file is too large to be stored by one request. */
export function requirePutSize(path: string, sizeBytes: number): void {
  if (sizeBytes <= MOST_PUT_BYTES) return;
  throw new SplatError("bad_input", `${path} is too large: one request stores less than 5 GiB`, {
    hint: "Train it with fewer Gaussians, or store it with a tool that uploads in parts, such as rclone.",
  });
}

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

  /** Where a browser reads `key`; null when the bucket is not public, or no URL can carry the key. */
  urlOf(key: string): string | null {
    const { publicUrl } = this.#address;
    return publicUrlOf(publicUrl, key);
  }

  /** Store an object that never changes; `exists` when something lies there already, which is left as it is. */
  async create(key: string, object: NewObject, signal: AbortSignal): Promise<"created" | "exists"> {
    const input = {
      ContentType: object.contentType,
      Metadata: { sha256: object.sha256 },
      IfNoneMatch: "*",
    };
    return (await this.#putIf(key, object.bytes, signal, input)) ? "created" : "exists";
  }

  /**
   * As `create`, straight from a file, which is never held in memory. `onProgress` gets the bytes so far. Throws
   * `bad_input` too when the file is too large for one request or is not any more what it was.
   */
  async createFromFile(
    key: string,
    file: NewFile,
    signal: AbortSignal,
    onProgress?: (sentBytes: number) => void,
  ): Promise<"created" | "exists"> {
    requirePutSize(file.path, file.sizeBytes);
    const failed = new AbortController();
    const body = fileBody(file, onProgress);
    // The SDK does not listen: it would wait for the rest, and the error would end the process.
    body.on("error", (error) => failed.abort(error));
    const command = new this.#sdk.PutObjectCommand({
      Bucket: this.#address.bucket,
      Key: key,
      Body: body,
      ContentLength: file.sizeBytes,
      ContentMD5: Buffer.from(file.md5, "hex").toString("base64"),
      ContentType: file.contentType,
      Metadata: { sha256: file.sha256 },
      IfNoneMatch: "*",
    });
    try {
      await this.#s3.send(command, { abortSignal: AbortSignal.any([signal, failed.signal]) });
      return "created";
    } catch (error) {
      if (failed.signal.aborted) throw failed.signal.reason as Error;
      if (statusOf(error) === 412) return "exists";
      // The file was what it had been, so the way changed it: the next try may well succeed.
      if ((error as Error).name === "BadDigest") throw changedOnItsWay(this.#address);
      throw bucketError(error, this.#address);
    } finally {
      body.destroy();
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

  /** As `replace`, unless somebody else was faster: then it is `changed`, and read again before the next try. */
  async replaceIf(
    key: string,
    object: { readonly bytes: Uint8Array; readonly contentType: string },
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<"written" | "changed"> {
    const input = {
      ContentType: object.contentType,
      CacheControl: "no-store",
      ...(condition === "absent" ? { IfNoneMatch: "*" } : { IfMatch: condition.etag }),
    };
    return (await this.#putIf(key, object.bytes, signal, input)) ? "written" : "changed";
  }

  /** A small object and what tells this version of it from any other; null when there is none. */
  async read(key: string, mostBytes: number, signal: AbortSignal): Promise<SmallObject | null> {
    const command = new this.#sdk.GetObjectCommand({ Bucket: this.#address.bucket, Key: key });
    try {
      const { Body, ETag = "" } = await this.#s3.send(command, { abortSignal: signal });
      return { bytes: await collect(Body as Readable, mostBytes), etag: ETag };
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return null;
      throw bucketError(error, this.#address);
    }
  }

  /** Remove an object for good; one that is not there is as good. */
  async remove(key: string, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.DeleteObjectCommand({ Bucket: this.#address.bucket, Key: key });
    try {
      await this.#s3.send(command, { abortSignal: signal });
    } catch (error) {
      if ((error as Error).name !== "NoSuchKey") throw bucketError(error, this.#address);
    }
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

  /** @returns whether it was stored: not when what lies there is not what the input asks for. */
  async #putIf(key: string, bytes: Uint8Array, signal: AbortSignal, input: PutInput): Promise<boolean> {
    try {
      await this.#put(key, bytes, signal, input);
      return true;
    } catch (error) {
      const isGone = input.IfMatch !== undefined && (error as Error).name === "NoSuchKey";
      if (statusOf(error) === 412 || isGone) return false;
      throw bucketError(error, this.#address);
    }
  }

  async #put(key: string, bytes: Uint8Array, signal: AbortSignal, input: PutInput): Promise<void> {
    const command = new this.#sdk.PutObjectCommand({
      Bucket: this.#address.bucket,
      Key: key,
      Body: bytesBody(bytes),
      ContentLength: bytes.length,
      // The signature does not cover a streamed body; this makes the server refuse one that was changed on its way.
      ContentMD5: await md5Of(bytes),
      ...input,
    });
    await this.#s3.send(command, { abortSignal: signal });
  }
}

type PutInput = Omit<Sdk.PutObjectCommandInput, "Bucket" | "Key">;

/** An S3 client with the settings that R2 needs; it makes one attempt at each request. */
export function createClient(
  { S3Client }: typeof Sdk,
  { accessKeyId, secretAccessKey, sessionToken }: BucketSettings,
  { endpoint, pathStyle }: BucketAddress,
  { idleTimeoutMs = IDLE_TIMEOUT_MS }: BucketOptions,
): Sdk.S3Client {
  return withoutSupportWarning(
    () =>
      new S3Client({
        region: "auto",
        endpoint,
        credentials: {
          accessKeyId,
          secretAccessKey,
          ...(sessionToken === undefined ? {} : { sessionToken }),
        },
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

function changedOnItsWay({ host }: BucketAddress): SplatError {
  return new SplatError("unreachable", `${host} got other bytes than were sent, and stored nothing`, {
    hint: "Something between this machine and the bucket changes them; try again, or another network.",
  });
}
