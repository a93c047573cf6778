/** What a bucket's refusal means, and what to do about it. Codes: R2's S3 API documentation, "Error codes". */
import { messageOf, SplatError, toSplatError } from "../errors.ts";

/** The bucket that was asked, for people. */
export interface Asked {
  readonly bucket: string;
  readonly host: string;
}

/** An error of the SDK as far as it is read here. */
interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

interface Meaning {
  readonly says: string;
  readonly hint: string;
}

const KEYS =
  "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: they are those of an R2 API token for this account.";
const UNKNOWN_KEY: Meaning = { says: "does not know the access key", hint: KEYS };
const WRONG_SECRET: Meaning = {
  says: "refused the signature: the secret key is wrong",
  hint: `${KEYS} If they are right, check this machine's clock.`,
};
const EXPIRED: Meaning = { says: "refused the keys: they have expired", hint: `Make new ones. ${KEYS}` };
const CLOCK: Meaning = {
  says: "refused the time of the request: this machine's clock is wrong",
  hint: "Set the clock (turn on time synchronisation).",
};
const DENIED: Meaning = {
  says: "denied access",
  hint: "The token needs “Object Read & Write” for this bucket; a new one takes up to a minute to work.",
};
const NO_BUCKET: Meaning = {
  says: "has no such bucket",
  hint: "Create it, or check R2_BUCKET_NAME; a bucket in a jurisdiction has its own R2_ENDPOINT_URL (….eu.r2…).",
};
const WRONG_PLACE: Meaning = {
  says: "says the bucket lies elsewhere",
  hint: "Check R2_ENDPOINT_URL: it is the S3 endpoint that the bucket's settings show.",
};

/** What only the user can mend. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  Unauthorized: UNKNOWN_KEY,
  InvalidAccessKeyId: UNKNOWN_KEY,
  SignatureDoesNotMatch: WRONG_SECRET,
  ExpiredToken: EXPIRED,
  InvalidToken: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  RequestTimeTooSkewed: CLOCK,
  ExpiredRequest: CLOCK,
  AccessDenied: DENIED,
  NoSuchBucket: NO_BUCKET,
  NotEntitled: {
    says: "has R2 not turned on",
    hint: "Turn R2 on for the account in Cloudflare's dashboard.",
  },
  PermanentRedirect: WRONG_PLACE,
  AuthorizationHeaderMalformed: WRONG_PLACE,
};
/** Where an answer has no body (HEAD) or another server's body. */
const MEANINGS_BY_STATUS: Readonly<Record<number, Meaning>> = {
  401: UNKNOWN_KEY,
  403: DENIED,
  301: WRONG_PLACE,
};

/**
 * The error to throw for what the SDK threw: `not_configured` for what the user has to mend, `refused` with status and
 * `Retry-After` for other answers, `unreachable` when there was none, `interrupted` when the caller gave up; anything
 * else is a bug. What the server wrote is not passed on: some servers repeat keys and signatures.
 */
export function bucketError(thrown: unknown, { bucket, host }: Asked): SplatError {
  const error = (thrown ?? {}) as SdkError;
  const status = error.$metadata?.httpStatusCode;
  if (error.name === "AbortError") {
    return new SplatError("interrupted", `the request to ${host} was given up`);
  }
  if (status === undefined) return isNetwork(error) ? unreachable(thrown, host) : toSplatError(thrown);
  const code = error.name ?? "unknown";
  const refusal = { status, code, retryAfterS: retryAfterS(error) };
  const meaning = MEANINGS[code] ?? MEANINGS_BY_STATUS[status];
  if (meaning !== undefined) {
    const text = `bucket "${bucket}": ${host} ${meaning.says} (${code}, HTTP ${status})`;
    return new SplatError("not_configured", text, { hint: meaning.hint, refusal });
  }
  const text = `bucket "${bucket}": ${host} answered ${code} (HTTP ${status})`;
  return new SplatError("refused", text, { refusal });
}

/** The status of an answer that the SDK threw, if there was one. */
export function statusOf(thrown: unknown): number | undefined {
  return ((thrown ?? {}) as SdkError).$metadata?.httpStatusCode;
}

/** Node's network errors have a code; the SDK's own time limits this name. */
function isNetwork({ name, code }: SdkError): boolean {
  return typeof code === "string" || name === "TimeoutError";
}

function unreachable(thrown: unknown, host: string): SplatError {
  const { name, code } = thrown as SdkError;
  const hint = `Check ${code === "ENOTFOUND" ? "R2_ENDPOINT_URL, and " : ""}whether this machine is online.`;
  // The SDK calls cut connections so too, but those have a code.
  const isIdle = name === "TimeoutError" && code === undefined;
  const reason = isIdle ? "nothing moved on the connection" : messageOf(thrown).split("\n")[0] || code;
  return new SplatError("unreachable", `no answer from the bucket's server at ${host}: ${reason}`, { hint });
}

function retryAfterS({ $response }: SdkError): number | undefined {
  const text = $response?.headers?.["retry-after"];
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
