/**
 * What is asked of a bucket to set it up and to find out what its token may do: single calls of S3, none of which a token
 * for one bucket alone is not entitled to make (no ListBuckets, no HeadBucket).
 */
import { createHash } from "node:crypto";
import type * as Sdk from "@aws-sdk/client-s3";
import { SplatError } from "../errors.ts";
import { createClient } from "./r2.ts";
import type { CorsRule } from "./r2-cors.ts";
import { bucketError, statusOf } from "./r2-errors.ts";
import { NOT_S3 } from "./r2-meanings.ts";
import { parseBucketAddress, type BucketAddress, type BucketSettings } from "./r2-settings.ts";

/** A probe must not wait for ever. */
const IDLE_TIMEOUT_MS = 15_000;

/**
 * Open a bucket; nothing is asked of it yet. Throws `not_configured` when the settings cannot be right.
 * The SDK is loaded here, because most commands need no bucket.
 */
export async function openAdmin(settings: BucketSettings): Promise<BucketAdmin> {
  const address = parseBucketAddress(settings);
  const sdk = await import("@aws-sdk/client-s3");
  const s3 = createClient(sdk, settings, address, { idleTimeoutMs: IDLE_TIMEOUT_MS });
  signWithMd5(s3);
  return new BucketAdmin(sdk, s3, address);
}

/** See the top of the file; `openAdmin` makes one. Every method throws what `bucketError` says. */
export class BucketAdmin {
  readonly address: BucketAddress;
  readonly #sdk: typeof Sdk;
  readonly #s3: Sdk.S3Client;

  constructor(sdk: typeof Sdk, s3: Sdk.S3Client, address: BucketAddress) {
    this.#sdk = sdk;
    this.#s3 = s3;
    this.address = address;
  }

  /** For people: name and host. */
  get name(): string {
    return `"${this.address.bucket}" at ${this.address.host}`;
  }

  /** The first key that a listing names; null when the bucket is empty. Throws `not_configured` when it is no listing. */
  async firstKey(signal: AbortSignal): Promise<string | null> {
    const command = new this.#sdk.ListObjectsV2Command({ Bucket: this.address.bucket, MaxKeys: 1 });
    const sent = this.#s3.send(command, { abortSignal: signal });
    const { Contents, IsTruncated } = await sent.catch((error: unknown) => {
      throw statusOf(error) === 200 ? notS3(this.address) : bucketError(error, this.address);
    });
    // Every listing says so, and the SDK takes an answer without a body, or of other XML, for a listing of nothing.
    if (IsTruncated === undefined) throw notS3(this.address);
    return Contents?.[0]?.Key ?? null;
  }

  /** The first byte of an object, or nothing of an empty one; null when there is no such object. */
  async readByte(key: string, signal: AbortSignal): Promise<Buffer | null> {
    return await this.readStart(key, 1, signal);
  }

  /** The first bytes of an object, `mostBytes` of them or all that there are; null when there is no such object. */
  async readStart(key: string, mostBytes: number, signal: AbortSignal): Promise<Buffer | null> {
    const command = new this.#sdk.GetObjectCommand({
      ...this.#object(key),
      Range: `bytes=0-${mostBytes - 1}`,
    });
    try {
      const { Body } = await this.#s3.send(command, { abortSignal: signal });
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return null;
      if (statusOf(error) === 416) return Buffer.alloc(0);
      throw bucketError(error, this.address);
    }
  }

  /** Store a small object. `exists` when one lies there and only a new one was to be made. */
  async write(
    key: string,
    bytes: Buffer,
    { isNew }: { readonly isNew: boolean },
    signal: AbortSignal,
  ): Promise<"written" | "exists"> {
    const command = new this.#sdk.PutObjectCommand({
      ...this.#object(key),
      Body: bytes,
      ContentType: "text/plain",
      CacheControl: "no-store",
      ...(isNew ? { IfNoneMatch: "*" } : {}),
    });
    try {
      await this.#s3.send(command, { abortSignal: signal });
      return "written";
    } catch (error) {
      if (isNew && statusOf(error) === 412) return "exists";
      throw bucketError(error, this.address);
    }
  }

  /** Remove an object, there or not. */
  async remove(key: string, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.DeleteObjectCommand(this.#object(key));
    await this.#ask(this.#s3.send(command, { abortSignal: signal }));
  }

  /** The rules for web pages, none when there are none. Needs a token that administers. */
  async readCors(signal: AbortSignal): Promise<readonly CorsRule[]> {
    const command = new this.#sdk.GetBucketCorsCommand({ Bucket: this.address.bucket });
    try {
      const { CORSRules = [] } = await this.#s3.send(command, { abortSignal: signal });
      return CORSRules.map(({ AllowedOrigins = [], AllowedMethods = [], ...rule }) => ({
        ...rule,
        AllowedOrigins,
        AllowedMethods,
      }));
    } catch (error) {
      if ((error as Error).name === "NoSuchCORSConfiguration") return [];
      throw bucketError(error, this.address);
    }
  }

  /** Put these rules in place of all that are there. S3 has no way to do so only if nobody else does meanwhile. */
  async writeCors(rules: readonly CorsRule[], signal: AbortSignal): Promise<void> {
    const Bucket = this.address.bucket;
    if (rules.length === 0) {
      const command = new this.#sdk.DeleteBucketCorsCommand({ Bucket });
      await this.#ask(this.#s3.send(command, { abortSignal: signal }));
      return;
    }
    const CORSRules = rules.map((rule) => ({
      ...rule,
      AllowedOrigins: [...rule.AllowedOrigins],
      AllowedMethods: [...rule.AllowedMethods],
      AllowedHeaders: rule.AllowedHeaders && [...rule.AllowedHeaders],
      ExposeHeaders: rule.ExposeHeaders && [...rule.ExposeHeaders],
    }));
    const command = new this.#sdk.PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } });
    await this.#ask(this.#s3.send(command, { abortSignal: signal }));
  }

  /** Make the bucket; `exists` when it is there already and ours. Needs a token that administers. */
  async create(signal: AbortSignal): Promise<"created" | "exists"> {
    const command = new this.#sdk.CreateBucketCommand({ Bucket: this.address.bucket });
    try {
      await this.#s3.send(command, { abortSignal: signal });
      return "created";
    } catch (error) {
      if ((error as Error).name === "BucketAlreadyOwnedByYou") return "exists";
      throw bucketError(error, this.address);
    }
  }

  /** Let the connections go. */
  close(): void {
    this.#s3.destroy();
  }

  #object(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.address.bucket, Key: key };
  }

  async #ask<T>(answer: Promise<T>): Promise<T> {
    return await answer.catch((error: unknown) => {
      throw bucketError(error, this.address);
    });
  }
}

function notS3({ bucket, host }: BucketAddress): SplatError {
  return new SplatError("not_configured", `bucket "${bucket}": ${host} ${NOT_S3.says}`, {
    hint: NOT_S3.hint,
  });
}

/**
 * Where S3 wants a checksum of a request, give Content-MD5, which every server takes, instead of the SDK's CRC32: R2's list
 * of what it implements says of PutBucketCors that it knows no `x-amz-sdk-checksum-algorithm`.
 */
function signWithMd5(s3: Sdk.S3Client): void {
  s3.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as { headers: Record<string, string>; body?: unknown };
      const checksums = Object.keys(request.headers).filter((name) =>
        /^x-amz-(?:sdk-)?checksum-/i.test(name),
      );
      if (checksums.length === 0) return await next(args);
      for (const name of checksums) delete request.headers[name];
      const body = typeof request.body === "string" ? request.body : Buffer.from(request.body as Uint8Array);
      request.headers["content-md5"] = createHash("md5").update(body).digest("base64");
      return await next(args);
    },
    // Behind the SDK's own checksum, before the signature.
    { name: "contentMd5", step: "build", priority: "low" },
  );
}
