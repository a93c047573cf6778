/**
 * The settings of a bucket: the environment over what `splatctl bucket init` has kept. Names may come from either; keys
 * that are kept are for one bucket alone and go with no other.
 */
import { existsSync } from "node:fs";
import type { Found } from "./config-lookup.ts";
import { SplatError } from "./errors.ts";
import { keepSecret } from "./redact.ts";
import type { BucketKeys } from "./secrets-file.ts";
import type { KeptBucket, UserConfig } from "./user-config.ts";

/** Where a setting of the bucket came from. */
export type BucketOrigin = "environment" | "user settings";

/** The bucket that chunks go to and come from; `remote/r2-settings.ts` says whether it can be one. */
export interface BucketConfig {
  readonly endpoint: string;
  readonly bucket: string;
  /** Never printed, like the secrets. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Goes with keys that hold for some hours only. */
  readonly sessionToken?: string | undefined;
  /** Where browsers read the bucket; null when they cannot. */
  readonly publicUrl: string | null;
  /** Of endpoint and name: the environment when it gives one of them. */
  readonly namesFrom: BucketOrigin;
  readonly keysFrom: BucketOrigin;
  /** False when the keys are kept ones that were found to read only. */
  readonly mayWrite: boolean;
}

/** What the environment gives of a bucket. */
export interface BucketParts {
  readonly endpoint: string | undefined;
  readonly bucket: string | undefined;
  readonly publicUrl: string | undefined;
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
  readonly sessionToken: string | undefined;
}

/** Tells a bucket from every other: its endpoint as a URL parser writes it, without a slash at its end, and its name. */
export function bucketId(endpoint: string, bucket: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const place = url === undefined ? endpoint : `${url.origin}${url.pathname}`;
  return `${place.replace(/\/+$/, "")}/${bucket}`;
}

/** What is to be done where no bucket is set. */
export const NO_BUCKET_HINT =
  "Set R2_ENDPOINT_URL, R2_BUCKET_NAME, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or keep them with `splatctl bucket init`.";

/** What the environment gives; what is blank counts as not set. */
export function givenParts(env: NodeJS.ProcessEnv): BucketParts {
  const given = (name: string): string | undefined => env[name]?.trim() || undefined;
  keepSecret(given("AWS_ACCESS_KEY_ID"), given("AWS_SECRET_ACCESS_KEY"), given("AWS_SESSION_TOKEN"));
  return {
    endpoint: given("R2_ENDPOINT_URL"),
    bucket: given("R2_BUCKET_NAME"),
    publicUrl: given("R2_PUBLIC_URL"),
    accessKeyId: given("AWS_ACCESS_KEY_ID"),
    secretAccessKey: given("AWS_SECRET_ACCESS_KEY"),
    sessionToken: given("AWS_SESSION_TOKEN"),
  };
}

/** Of a bucket, what is given or kept, by the name of its setting, and where. */
export type BucketFound = Readonly<
  Record<"endpoint" | "name" | "public_url" | keyof BucketKeysFound, Found<string> | undefined>
>;

type BucketKeysFound = Readonly<
  Record<"access_key_id" | "secret_access_key" | "session_token", Found<string> | undefined>
>;

interface BucketFiles {
  readonly user: UserConfig;
  readonly userFile: string;
  readonly secretsFile: string;
}

/**
 * What there is of a bucket's settings, enough or not. Where the environment names no bucket, keys kept for the one kept
 * win over those of the environment: whoever uses AWS has such set, and they are nothing for another server to see.
 * Throws `bad_input` when the file of secrets cannot be read.
 */
export async function findBucket(env: NodeJS.ProcessEnv, files: BucketFiles): Promise<BucketFound> {
  const given = givenParts(env);
  const { bucket: own } = files.user;
  const isNamed = given.endpoint !== undefined || given.bucket !== undefined;
  const endpoint = first(given.endpoint, "R2_ENDPOINT_URL", own?.endpoint, files.userFile);
  const name = first(given.bucket, "R2_BUCKET_NAME", own?.name, files.userFile);
  const kept =
    isNamed && hasKey(given) ? undefined : await keptKeys(files.secretsFile, endpoint?.value, name?.value);
  const isKept = kept !== undefined;
  const key = (value: string | undefined, variable: string, ours?: string): Found<string> | undefined =>
    first(isKept ? undefined : value, variable, ours, files.secretsFile);
  return {
    endpoint,
    name,
    public_url: first(given.publicUrl, "R2_PUBLIC_URL", publicUrlOf(env, own), files.userFile),
    access_key_id: key(given.accessKeyId, "AWS_ACCESS_KEY_ID", kept?.accessKeyId),
    secret_access_key: key(given.secretAccessKey, "AWS_SECRET_ACCESS_KEY", kept?.secretAccessKey),
    session_token: key(given.sessionToken, "AWS_SESSION_TOKEN"),
  };
}

function first(
  given: string | undefined,
  variable: string,
  kept: string | undefined,
  file: string,
): Found<string> | undefined {
  if (given !== undefined) return { value: given, origin: "environment", source: variable };
  return kept === undefined ? undefined : { value: kept, origin: "user settings", source: file };
}

/** As `resolveBucket` of `config.ts`. */
export async function bucketOf(
  env: NodeJS.ProcessEnv,
  files: BucketFiles,
): Promise<BucketConfig | undefined> {
  const given = givenParts(env);
  const { bucket: own } = files.user;
  const isNamed = given.endpoint !== undefined || given.bucket !== undefined;
  if (!isNamed && own === undefined) return undefined;
  const found = await findBucket(env, files);
  const [endpoint, bucket] = [found.endpoint?.value, found.name?.value];
  const [id, secret] = [found.access_key_id, found.secret_access_key];
  if (endpoint === undefined || bucket === undefined || id === undefined || secret === undefined) {
    throw incomplete({ ...given, endpoint, bucket }, isNamed ? undefined : own);
  }
  const keysFrom = id.origin === "environment" ? "environment" : "user settings";
  const { session_token: session } = found;
  return Object.freeze({
    endpoint,
    bucket,
    accessKeyId: id.value,
    secretAccessKey: secret.value,
    ...(session === undefined ? {} : { sessionToken: session.value }),
    publicUrl: found.public_url?.value ?? null,
    namesFrom: isNamed ? "environment" : "user settings",
    keysFrom,
    mayWrite: keysFrom === "environment" || !isReadOnly(own, endpoint, bucket),
  });
}

function hasKey({ accessKeyId, secretAccessKey }: BucketParts): boolean {
  return accessKeyId !== undefined || secretAccessKey !== undefined;
}

/** Whether the keys kept for this bucket are known to read only. */
function isReadOnly(kept: KeptBucket | undefined, endpoint: string, bucket: string): boolean {
  return kept?.mayWrite === false && isSame(kept, endpoint, bucket);
}

/** As `resolvePublicUrl` of `config.ts`. The address kept is that of the bucket kept, and of no other. */
export function publicUrlOf(env: NodeJS.ProcessEnv, kept: KeptBucket | undefined): string | undefined {
  const given = givenParts(env);
  if (given.publicUrl !== undefined || kept === undefined || kept.publicUrl === null) {
    return given.publicUrl;
  }
  const { endpoint = kept.endpoint, bucket = kept.name } = given;
  return isSame(kept, endpoint, bucket) ? kept.publicUrl : undefined;
}

function isSame(kept: KeptBucket, endpoint: string, bucket: string): boolean {
  return bucketId(kept.endpoint, kept.name) === bucketId(endpoint, bucket);
}

/** The variables by which another program knows the bucket; without one, none names one. */
export function bucketVariables(bucket: BucketConfig | undefined): NodeJS.ProcessEnv {
  const names = {
    R2_ENDPOINT_URL: bucket?.endpoint,
    R2_BUCKET_NAME: bucket?.bucket,
    R2_PUBLIC_URL: bucket?.publicUrl ?? undefined,
  };
  if (bucket === undefined) return names;
  const { accessKeyId, secretAccessKey, sessionToken } = bucket;
  return {
    ...names,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  };
}

/** Names of the variables that stand for what is missing of a bucket's settings. */
export function missingVariables(
  parts: Pick<BucketParts, "endpoint" | "bucket" | "accessKeyId" | "secretAccessKey">,
): readonly string[] {
  const needed = {
    R2_ENDPOINT_URL: parts.endpoint,
    R2_BUCKET_NAME: parts.bucket,
    AWS_ACCESS_KEY_ID: parts.accessKeyId,
    AWS_SECRET_ACCESS_KEY: parts.secretAccessKey,
  };
  return Object.entries(needed).flatMap(([name, value]) => (value === undefined ? [name] : []));
}

async function keptKeys(
  secretsFile: string,
  endpoint: string | undefined,
  bucket: string | undefined,
): Promise<BucketKeys | undefined> {
  if (endpoint === undefined || bucket === undefined || !existsSync(secretsFile)) return undefined;
  const { readBucketKeys } = await import("./secrets-file.ts");
  return await readBucketKeys(secretsFile, bucketId(endpoint, bucket));
}

/** `kept`: the bucket that is meant, where only what is kept names one. */
function incomplete(parts: BucketParts, kept: KeptBucket | undefined): SplatError {
  const missing = missingVariables(parts).join(", ");
  if (kept === undefined) {
    return new SplatError("not_configured", `the settings of the bucket are incomplete: no ${missing}`, {
      hint: "Set what is missing, or run `splatctl bucket init`, which keeps it; to use no bucket, unset every R2_ variable.",
    });
  }
  return new SplatError(
    "not_configured",
    `bucket "${kept.name}" is kept, and its keys are not: no ${missing}`,
    {
      hint: "`splatctl bucket init` takes them anew, `splatctl bucket init --forget` forgets the bucket; serve and deploy go without one with --no-bucket.",
    },
  );
}
