/** What a bucket needs to be reached, and the mistakes people make when they copy it from a dashboard. */
import { SplatError } from "../errors.ts";

/** As the user gave it. */
export interface BucketSettings {
  /** The account's S3 endpoint, without the bucket. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
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
  /** Servers on this machine have no name for each bucket. */
  readonly pathStyle: boolean;
  /** No trailing slash. */
  readonly publicUrl: string | null;
}

const R2_HOST = /(^|\.)r2\.cloudflarestorage\.com$/;
const PUBLIC_HOST = /\.r2\.dev$/;
const ENDPOINT_EXAMPLE = "It looks like https://ACCOUNT.r2.cloudflarestorage.com, without the bucket.";
/** R2 takes lower case, digits and dashes; other servers dots too. */
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** Check the settings. Throws `not_configured` naming the setting and what is wrong with it. */
export function parseBucketAddress({ endpoint, bucket, publicUrl }: BucketSettings): BucketAddress {
  if (!BUCKET_NAME.test(bucket)) {
    throw wrong(
      "R2_BUCKET_NAME",
      `"${bucket}" cannot be a bucket's name`,
      "Give the name alone, no URL and no path.",
    );
  }
  const url = parseEndpoint(endpoint, bucket);
  return {
    endpoint: `${url.origin}${url.pathname}`.replace(/\/+$/, ""),
    host: url.host,
    bucket,
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
  if (R2_HOST.test(hostname) && path.length > 0) {
    throw wrong("R2_ENDPOINT_URL", `it has a path (${url.pathname})`, ENDPOINT_EXAMPLE);
  }
  if (R2_HOST.test(hostname) && protocol !== "https:") {
    throw wrong("R2_ENDPOINT_URL", "R2 answers over https only", ENDPOINT_EXAMPLE);
  }
  return url;
}

function parsePublicUrl(text: string): string {
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
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw wrong(setting, "it is no http or https URL", hint);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw wrong(setting, "it holds more than an address (user, ? or #)", hint);
  }
  return url;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

function wrong(setting: string, why: string, hint: string): SplatError {
  return new SplatError("not_configured", `${setting} cannot be used: ${why}`, { hint });
}
