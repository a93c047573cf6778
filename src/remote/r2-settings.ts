/** What a bucket needs to be reached, and the mistakes people make when they copy it from a dashboard. */
import { SplatError } from "../errors.ts";

/** As the user gave it. */
export interface BucketSettings {
  /** The account's S3 endpoint, without the bucket. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Goes with keys that hold for some hours only. */
  readonly sessionToken?: string | undefined;
  /** Where browsers read the bucket; null when they cannot. */
  readonly publicUrl: string | null;
}

/** As the S3 client needs it. */
export interface BucketAddress {
  /** No trailing slash. */
  readonly endpoint: string;
  /** Host and port, for people. */
  readonly host: string;
  readonly bucket: string;
  /** The keys hold for some hours only. */
  readonly hasSessionToken: boolean;
  /** Servers on this machine have no name for each bucket. */
  readonly pathStyle: boolean;
  /** No trailing slash. */
  readonly publicUrl: string | null;
}

const R2_HOST = /(^|\.)r2\.cloudflarestorage\.com$/;
const PUBLIC_HOST = /\.r2\.dev$/;
const CLOUDFLARE_HOST = /(^|\.)cloudflare\.com$/;
const ACCOUNT_ID = /^[0-9a-f]{32}$/i;
const KEY_ID = /^[0-9a-f]{32}$/i;
const SECRET_KEY = /^[0-9a-f]{64}$/i;
const ENDPOINT_EXAMPLE = "It looks like https://ACCOUNT.r2.cloudflarestorage.com, without the bucket.";
/** R2 takes lower case, digits and dashes; other servers dots too. */
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** Check the settings. Throws `not_configured` naming the setting and what is wrong with it. */
export function parseBucketAddress(settings: BucketSettings): BucketAddress {
  const { endpoint, bucket, publicUrl } = settings;
  for (const [setting, value] of [
    ["R2_BUCKET_NAME", bucket],
    ["AWS_ACCESS_KEY_ID", settings.accessKeyId],
    ["AWS_SECRET_ACCESS_KEY", settings.secretAccessKey],
    ["AWS_SESSION_TOKEN", settings.sessionToken ?? ""],
  ]) {
    checkBare(setting, value);
  }
  if (!BUCKET_NAME.test(bucket)) {
    throw wrong(
      "R2_BUCKET_NAME",
      `"${bucket}" cannot be a bucket's name`,
      "Give the name alone, no URL and no path.",
    );
  }
  const url = parseEndpoint(endpoint, bucket);
  checkKeys(settings, url);
  return {
    endpoint: `${url.origin}${url.pathname}`.replace(/\/+$/, ""),
    host: url.host,
    bucket,
    hasSessionToken: settings.sessionToken !== undefined,
    pathStyle: isLoopback(url.hostname),
    publicUrl: publicUrl === null ? null : parsePublicUrl(publicUrl),
  };
}

function parseEndpoint(text: string, bucket: string): URL {
  const url = parseUrl("R2_ENDPOINT_URL", text, ENDPOINT_EXAMPLE);
  const { hostname, protocol } = url;
  if (PUBLIC_HOST.test(hostname)) {
    throw wrong(
      "R2_ENDPOINT_URL",
      `${hostname} is the public address`,
      `Set it as R2_PUBLIC_URL. ${ENDPOINT_EXAMPLE}`,
    );
  }
  const path = url.pathname.split("/").filter((part) => part !== "");
  if (path.at(-1) === bucket || hostname.startsWith(`${bucket}.`)) {
    throw wrong(
      "R2_ENDPOINT_URL",
      `it names the bucket "${bucket}", which R2_BUCKET_NAME does`,
      ENDPOINT_EXAMPLE,
    );
  }
  if (hostname === "r2.cloudflarestorage.com") {
    throw wrong("R2_ENDPOINT_URL", "the account's id is missing in it", ENDPOINT_EXAMPLE);
  }
  if (R2_HOST.test(hostname) && path.length > 0) {
    throw wrong("R2_ENDPOINT_URL", `it has a path (${url.pathname})`, ENDPOINT_EXAMPLE);
  }
  if (R2_HOST.test(hostname) && protocol !== "https:") {
    throw wrong("R2_ENDPOINT_URL", "R2 answers over https only", ENDPOINT_EXAMPLE);
  }
  return url;
}

/** The public address without a slash at its end. Throws `not_configured` when it cannot be one. */
export function parsePublicUrl(text: string): string {
  const example =
    "It looks like https://pub-….r2.dev or a domain of your own; leave it out if there is none.";
  const url = parseUrl("R2_PUBLIC_URL", text, example);
  if (R2_HOST.test(url.hostname)) {
    throw wrong("R2_PUBLIC_URL", "this is the S3 endpoint, which answers nobody without keys", example);
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

/** The text itself is not repeated: what people paste by mistake may be a key. */
function parseUrl(setting: string, text: string, hint: string): URL {
  checkBare(setting, text);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw wrong(setting, "it is no http or https URL", `${adviceFor(text)}${hint}`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw wrong(setting, "it holds more than an address (user, ? or #)", hint);
  }
  if (CLOUDFLARE_HOST.test(url.hostname)) {
    throw wrong(
      setting,
      `${url.hostname} is Cloudflare's own, and no bucket is there`,
      `The bucket's settings in the dashboard show it. ${hint}`,
    );
  }
  return url;
}

/** What people give where a URL is wanted. */
function adviceFor(text: string): string {
  if (ACCOUNT_ID.test(text)) {
    return "An account's id alone is not enough: write it between https:// and .r2.cloudflarestorage.com. ";
  }
  if (/^localhost(:|\/|$)|^\d+(\.\d+){3}(:|\/|$)/.test(text)) return "Put http:// in front of it. ";
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?(\/|$)/i.test(text)) return "Put https:// in front of it. ";
  return /[<>{}]/.test(text) ? "Put your account's id in the place of what is in brackets. " : "";
}

/** Shells take quotes away; files of settings, and what is pasted into forms, may keep them. */
function checkBare(setting: string, value: string): void {
  if (/^["'`\s\u200b\ufeff]|["'`\s\u200b\ufeff]$/.test(value)) {
    throw wrong(setting, "it has quotes or blanks around it", "Give the value alone.");
  }
}

/** Keys as no header can carry them, and those of R2 in each other's place. */
function checkKeys({ accessKeyId, secretAccessKey, sessionToken }: BucketSettings, { hostname }: URL): void {
  for (const [setting, value] of [
    ["AWS_ACCESS_KEY_ID", accessKeyId],
    ["AWS_SECRET_ACCESS_KEY", secretAccessKey],
    ["AWS_SESSION_TOKEN", sessionToken ?? ""],
  ]) {
    if (!/^[\x21-\x7e]*$/.test(value)) {
      throw wrong(setting, "it holds a blank, a line's end or a sign that no key has", "Copy it again.");
    }
  }
  if (!R2_HOST.test(hostname)) return;
  if (SECRET_KEY.test(accessKeyId)) {
    throw wrong(
      "AWS_ACCESS_KEY_ID",
      KEY_ID.test(secretAccessKey)
        ? "it and AWS_SECRET_ACCESS_KEY are in each other's place"
        : "it is as long as a secret key",
      "In R2 the access key's id has 32 digits and the secret key 64.",
    );
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

function wrong(setting: string, why: string, hint: string): SplatError {
  return new SplatError("not_configured", `${setting} cannot be used: ${why}`, { hint });
}
