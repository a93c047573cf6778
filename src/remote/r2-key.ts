/** Keys in URLs. */
import { SplatError } from "../errors.ts";

/**
 * `key` as a URL's path holds it: every byte encoded but letters, digits and `-_.~`, as signatures want it
 * (AWS Signature Version 4, "UriEncode"); slashes stay. Throws `bad_input` for what no URL can carry.
 */
export function encodeKey(key: string): string {
  const parts = key.split("/");
  // Whoever reads a URL takes them for steps in a tree, and so for another object or another bucket.
  if (key === "" || parts.some((part) => part === "." || part === "..")) {
    throw unusable(key, 'is empty or has a part "." or ".."');
  }
  return parts.map(encodePart).join("/");
}

/** Where anybody reads an object of a bucket with that public address; null without one, or when no URL can carry the key. */
export function publicUrlOf(publicUrl: string | null, key: string): string | null {
  try {
    return publicUrl === null ? null : `${publicUrl.replace(/\/+$/, "")}/${encodeKey(key)}`;
  } catch {
    return null;
  }
}

/** Text as a query's value holds it. Throws `bad_input` for what no URL can carry. */
export function encodeQuery(values: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(values).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [`${name}=${encodePart(value)}`];
  });
  return pairs.join("&");
}

function encodePart(part: string): string {
  let encoded: string;
  try {
    encoded = encodeURIComponent(part);
  } catch {
    throw unusable(part, "is no Unicode text");
  }
  return encoded.replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

function unusable(key: string, why: string): SplatError {
  return new SplatError("bad_input", `the bucket cannot be asked for ${JSON.stringify(key)}: it ${why}`);
}
