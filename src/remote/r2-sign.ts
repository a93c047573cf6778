/** Requests signed with a bucket's keys, and addresses that open an object without them (AWS Signature Version 4). */
import aws4 from "aws4";
import { SplatError } from "../errors.ts";
import { encodeKey, encodeQuery } from "./r2-key.ts";
import { parseBucketAddress, type BucketSettings } from "./r2-settings.ts";

/** Where a bucket's objects lie, with the bucket in the path. */
export interface SignedPlace {
  /** Scheme, host and port. */
  readonly origin: string;
  /** As the Host header says it. */
  readonly host: string;
  /** Of the bucket, encoded, no slash at its end. */
  readonly path: string;
}

/** R2's only region. */
const REGION = "auto";
/** R2 takes addresses for a week at most. */
const LONGEST_S = 604_800;

/**
 * The bucket is named in the path: R2 takes both styles, and this one needs one host name, one TLS certificate and one
 * set of connections, whatever the bucket is called. Throws `not_configured` as `parseBucketAddress`.
 */
export function signedPlace(settings: BucketSettings): SignedPlace {
  const { endpoint, bucket } = parseBucketAddress(settings);
  const { origin, host, pathname } = new URL(endpoint);
  return { origin, host, path: `${pathname.replace(/\/+$/, "")}/${bucket}` };
}

/** The headers of a GET of `path` (encoded, with its query), which sign it and what `headers` say. */
export function signGet(
  { host }: SignedPlace,
  settings: BucketSettings,
  path: string,
  headers: Readonly<Record<string, string>>,
): Record<string, string> {
  const request = { service: "s3", region: REGION, host, method: "GET", path, headers: { ...headers, host } };
  return aws4.sign(request, keysOf(settings)).headers as Record<string, string>;
}

/**
 * An address that opens the object at `key` for whoever has it, for `expiresS` seconds (1 to 604 800). It shows the
 * account and the bucket's name. Throws `usage` for another time, `bad_input` for a key that no URL can carry.
 */
export function presign(settings: BucketSettings, key: string, expiresS: number): string {
  if (!Number.isInteger(expiresS) || expiresS < 1 || expiresS > LONGEST_S) {
    throw new SplatError("usage", `an address cannot be good for ${expiresS} s`, {
      hint: "R2 makes them for 1 second to 7 days (604800 s).",
    });
  }
  const { origin, host, path } = signedPlace(settings);
  const asked = `${path}/${encodeKey(key)}?${encodeQuery({ "X-Amz-Expires": String(expiresS) })}`;
  const request = {
    service: "s3",
    region: REGION,
    host,
    method: "GET",
    path: asked,
    signQuery: true,
    headers: { host },
  };
  return origin + aws4.sign(request, keysOf(settings)).path;
}

function keysOf({ accessKeyId, secretAccessKey, sessionToken }: BucketSettings): aws4.Credentials {
  return { accessKeyId, secretAccessKey, ...(typeof sessionToken === "string" ? { sessionToken } : {}) };
}
