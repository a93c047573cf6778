/**
 * What a bucket's refusal means, and what to do about it; the one mapping for what the SDK throws and for what comes
 * over the wire (`r2-wire.ts`). Codes: R2's S3 API documentation, "Error codes".
 */
import { SplatError, toSplatError, type Refusal } from "../errors.ts";
import { connectionError, isConnectionError, type Place } from "./r2-connection.ts";
import {
  CODE_MEANINGS,
  ILL,
  noBucketHint,
  PAGE,
  STATUS_MEANINGS,
  WANTS,
  WRONG_TOKEN,
  type Meaning,
} from "./r2-meanings.ts";

/** The bucket that was asked, for people. */
export interface Asked extends Place {
  readonly bucket: string;
  /** The keys go with a session token. Default false. */
  readonly hasSessionToken?: boolean | undefined;
  /** What for: which permission a token needs. Default `write`. */
  readonly wants?: keyof typeof WANTS | undefined;
}

/** An answer that is a no, as far as it is read here. */
export interface RefusedAnswer {
  readonly status: number;
  /** S3's code; null when the answer names none: no body, or somebody else's. */
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** An error of the SDK as far as it is read here. */
interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** S3's codes: words. What else stands in their place is somebody's, and may be meant for a terminal. */
const CODE = /^[A-Za-z0-9.]{1,64}$/;

/** What a session token of a wrong shape is answered with. */
const TOKEN_CODES = new Set<string | null>(["InvalidArgument", "InvalidToken"]);

/** What the SDK calls an answer that names no code of S3's. */
const NAMELESS = /^(?:Unknown(?:Error)?|[A-Z]\w*Exception|(?:Syntax|Type|Range)?Error|\d+)$/;

/**
 * The error to throw for what the SDK threw: `not_configured` for what the user has to mend, `refused` with status and
 * `Retry-After` for other answers, `unreachable` when there was none, `interrupted` when the caller gave up; anything
 * else is a bug. What the server wrote is not passed on: some servers repeat keys and signatures.
 */
export function bucketError(thrown: unknown, asked: Asked): SplatError {
  const error = (thrown ?? {}) as SdkError;
  const status = error.$metadata?.httpStatusCode;
  if (error.name === "AbortError") {
    return new SplatError("interrupted", `the request to ${asked.host} was given up`);
  }
  if (status === undefined) {
    return isConnectionError(thrown) ? connectionError(thrown, asked) : toSplatError(thrown);
  }
  const { name = "" } = error;
  const code = CODE.test(name) && !NAMELESS.test(name) ? name : null;
  return refusalError({ status, code, headers: error.$response?.headers ?? {} }, asked);
}

/** The error for an answer that is a no: `not_configured` for what the user has to mend, else `refused`. */
export function refusalError({ status, code, headers }: RefusedAnswer, asked: Asked): SplatError {
  const refusal: Refusal = {
    status,
    code: code ?? "unknown",
    retryAfterS: retryAfterS(oneOf(headers["retry-after"])),
    ...(code === null ? { isForeign: true } : {}),
  };
  const subject = `bucket "${asked.bucket}": ${asked.host}`;
  const which = code === null ? `HTTP ${status}` : `${code}, HTTP ${status}`;
  const meaning = meaningOf(status, code, headers, asked);
  if (meaning === undefined) {
    const text = `${subject} answered ${code === null ? "" : `${code} `}(HTTP ${status})`;
    return new SplatError("refused", text, { refusal });
  }
  const { says, hint, forUser = false } = meaning;
  return new SplatError(forUser ? "not_configured" : "refused", `${subject} ${says} (${which})`, {
    hint,
    refusal,
  });
}

/** The status of an answer that the SDK threw, if there was one. */
export function statusOf(thrown: unknown): number | undefined {
  return ((thrown ?? {}) as SdkError).$metadata?.httpStatusCode;
}

/** The S3 code in the body of an answer; null when it is no body of S3's. */
export function codeOf(body: string): string | null {
  const [, code = ""] =
    /^(?:\s|\uFEFF|<\?[^>]*>)*<Error\b[^>]*>[\s\S]*?<Code>\s*([^<\s]+)\s*<\/Code>/.exec(body) ?? [];
  return CODE.test(code) ? code : null;
}

/** Seconds to wait by a `Retry-After` header, a number or a date; undefined when there is none. */
export function retryAfterS(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** The only value of a header, or its first. */
export function oneOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" || value === undefined ? value : value[0];
}

function meaningOf(
  status: number,
  code: string | null,
  headers: RefusedAnswer["headers"],
  asked: Asked,
): Meaning | undefined {
  const to = oneOf(headers["location"]);
  if (code === null && status >= 300 && status < 400 && to !== undefined) return redirected(to, asked.host);
  const meaning = tokenMeaning(status, code, asked) ?? knownMeaning(status, code);
  if (code === "RequestTimeTooSkewed" && meaning !== undefined) return skewed(meaning, headers);
  if (code === "NoSuchBucket" && meaning !== undefined) return { ...meaning, hint: noBucketHint(asked.host) };
  if (meaning?.wantsToken === true) {
    const hint = `The token needs “${WANTS[asked.wants ?? "write"]}” for this bucket; a new one takes up to a minute to work.`;
    return { ...meaning, hint };
  }
  if (meaning !== undefined) return meaning;
  if (code === null && /html/i.test(oneOf(headers["content-type"]) ?? "")) return PAGE;
  return status >= 500 ? ILL : undefined;
}

function knownMeaning(status: number, code: string | null): Meaning | undefined {
  return (code === null ? undefined : CODE_MEANINGS[code]) ?? STATUS_MEANINGS[status];
}

function tokenMeaning(status: number, code: string | null, { hasSessionToken }: Asked): Meaning | undefined {
  return hasSessionToken === true && status === 400 && TOKEN_CODES.has(code) ? WRONG_TOKEN : undefined;
}

function redirected(to: string, host: string): Meaning {
  const where = URL.canParse(to, `https://${host}`) ? new URL(to, `https://${host}`).host : "another address";
  return {
    says: `wants to send the request on to ${where}, which is not done with signed requests`,
    hint: "Check R2_ENDPOINT_URL: it is the S3 endpoint that the bucket's settings show.",
    forUser: true,
  };
}

/** How wrong the clock is: the answer tells the server's time. */
function skewed(meaning: Meaning, headers: RefusedAnswer["headers"]): Meaning {
  const serverMs = Date.parse(oneOf(headers["date"]) ?? "");
  const skewS = Math.round((Date.now() - serverMs) / 1000);
  if (Number.isNaN(skewS) || Math.abs(skewS) < 60) return meaning;
  const span =
    Math.abs(skewS) < 7200
      ? `${Math.round(Math.abs(skewS) / 60)} min`
      : `${Math.round(Math.abs(skewS) / 3600)} h`;
  return { ...meaning, says: `${meaning.says}, ${span} ${skewS > 0 ? "ahead" : "behind"}` };
}
