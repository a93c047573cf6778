/** Whether the public address of a bucket serves what the bucket holds, and lets web pages of others read it. */
import { request } from "undici";
import { messageOf } from "../errors.ts";
import type { CheckLine } from "./r2-check-line.ts";
import { exampleOrigin, type CorsRule } from "./r2-cors.ts";
import { publicUrlOf } from "./r2-key.ts";

const TIMEOUT_MS = 10_000;
/** More than any probe. */
const MOST_BYTES = 1024;
/** Reserved: nobody's page (RFC 2606). */
const ANY_ORIGIN = "https://viewer.example";

/** What is known to lie in the bucket. */
export interface Sample {
  readonly key: string;
  /** Its first bytes, all of them when it is small. */
  readonly bytes: Buffer;
}

const HINT =
  "Compare it with the bucket's Settings, Public access; leave R2_PUBLIC_URL out where the bucket is not public.";

/**
 * Read a sample there as a web page would. `rules` are those of the bucket, null when they are not known.
 * Throws the signal's reason, and nothing else.
 */
export async function checkPublic(
  publicUrl: string,
  sample: Sample,
  rules: readonly CorsRule[] | null,
  signal: AbortSignal,
): Promise<CheckLine[]> {
  const { host } = new URL(publicUrl);
  const origin = exampleOrigin(rules ?? []) ?? ANY_ORIGIN;
  const line = (state: CheckLine["state"], says: string, hint?: string): CheckLine => ({
    name: "public-address",
    state,
    says: `${host} ${says}`,
    hint,
  });
  const url = publicUrlOf(publicUrl, sample.key);
  if (url === null) return [line("unknown", "cannot be asked for the object that was looked at")];
  try {
    const { status, bytes } = await get(url, sample, {}, signal);
    if (status >= 300 && status < 400) return [line("no", "sends elsewhere", HINT)];
    if (status === 401 || status === 403) return [line("no", `lets nobody in (HTTP ${status})`, HINT)];
    if (status === 404) return [line("no", "knows nothing of what the bucket holds", HINT)];
    if (status === 429 || status >= 500)
      return [line("unknown", `is busy (HTTP ${status})`, "Try again later.")];
    const isSame = bytes.subarray(0, sample.bytes.length).equals(sample.bytes);
    if ((status !== 200 && status !== 206) || !isSame) {
      return [line("no", `answers with something else (HTTP ${status})`, HINT)];
    }
    // A request by itself, because some servers refuse pages altogether.
    const { allowed } = await get(url, sample, { origin }, signal);
    return [line("ok", "serves what the bucket holds"), browserLine(allowed, origin, rules)];
  } catch (error) {
    signal.throwIfAborted();
    const reason =
      messageOf(error).split("\n")[0] || ((error as NodeJS.ErrnoException).code ?? "no reason given");
    return [line("no", `does not answer: ${reason}`, HINT)];
  }
}

interface Got {
  readonly status: number;
  readonly bytes: Buffer;
  /** `Access-Control-Allow-Origin`. */
  readonly allowed: string | null;
}

async function get(
  url: string,
  { bytes }: Sample,
  more: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Got> {
  const { statusCode, headers, body } = await request(url, {
    headers: { ...more, range: `bytes=0-${Math.max(bytes.length, 1) - 1}` },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    signal,
  });
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length > MOST_BYTES) break;
  }
  const allowed = headers["access-control-allow-origin"];
  return {
    status: statusCode,
    bytes: Buffer.concat(pieces),
    allowed: typeof allowed === "string" ? allowed : null,
  };
}

function browserLine(allowed: string | null, origin: string, rules: readonly CorsRule[] | null): CheckLine {
  const name = "browser";
  const hint = "`splatctl bucket cors --origin URL` lets the pages of an origin read it.";
  if (allowed === "*") return { name, state: "ok", says: "every web page may read it" };
  if (allowed === origin) return { name, state: "ok", says: `web pages of ${origin} may read it` };
  if (rules?.length === 0)
    return { name, state: "no", says: "no web page of another origin may read it", hint };
  if (origin !== ANY_ORIGIN) {
    const says = `web pages of ${origin} may not read it, though a rule lets them: a new rule takes up to 30 s`;
    return { name, state: "no", says, hint: "Try again in a moment." };
  }
  return {
    name,
    state: "unknown",
    says: "not every web page may read it; which may is in its CORS rules",
    hint,
  };
}
