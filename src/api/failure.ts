/** What can go wrong between us and a backend, each as one SplatError that names the URL and says what to do. */
import { SplatError } from "../errors.ts";
import { ERROR_STATUS, errorSchema } from "./schema.ts";

/** Which request failed, as messages name it. */
export interface Asked {
  /** Base URL of the backend. */
  readonly url: string;
  readonly method: string;
  /** Path below the base URL, without the query. */
  readonly path: string;
}

/** Why nothing came back, in words, by the system's or undici's error code. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host's name cannot be resolved now",
  ECONNRESET: "the connection broke",
  EPIPE: "the connection broke",
  ETIMEDOUT: "no answer",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no network",
  UND_ERR_SOCKET: "the connection broke",
  UND_ERR_CONNECT_TIMEOUT: "no answer",
};

/** `unreachable`: no answer at all, or one that broke off. `thrown` is what fetch or the body's reader threw. */
export function unreachable(asked: Asked, thrown: unknown): SplatError {
  const root = rootOf(thrown);
  const reason = REASONS[root.code ?? ""] ?? root.message;
  return new SplatError("unreachable", `no answer from the backend at ${asked.url}: ${reason}`, {
    cause: root,
    hint: adviceFor(asked.url),
  });
}

/** `unreachable`: connected, but nothing was heard for `timeoutMs`. */
export function silent(asked: Asked, timeoutMs: number): SplatError {
  const text = `the backend at ${asked.url} said nothing for ${timeoutMs / 1000} s (${asked.method} ${asked.path})`;
  return new SplatError("unreachable", text, { hint: adviceFor(asked.url) });
}

/** `refused`, without a refusal: the answer is not what the contract promises. `why` completes the sentence. */
export function breach(asked: Asked, why: string, cause?: unknown): SplatError {
  return new SplatError("refused", `${asked.url} answered ${asked.method} ${asked.path} with ${why}`, {
    cause,
    hint: "Is a splatctl backend at this address, with no proxy in between, and of this version?",
  });
}

/**
 * `not_configured` for 401 and 403, `refused` for any other no.
 * `body` is the answer's text; one that is not the contract's own is named as such and never quoted.
 */
export function refused(
  asked: Asked,
  response: Pick<Response, "status" | "headers">,
  body: string,
  hadToken: boolean,
): SplatError {
  const { status } = response;
  const said = errorSchema.safeParse(parseJson(body)).data?.error;
  const refusal = {
    status,
    code: said?.code ?? codeFor(status),
    retryAfterS: retryAfterS(response.headers.get("retry-after")),
  };
  const request = `${asked.method} ${asked.path}`;
  if (status === 401) {
    return new SplatError(
      "not_configured",
      hadToken
        ? `the backend at ${asked.url} refused the token in SPLAT_API_TOKEN`
        : `the backend at ${asked.url} wants a token that it was not given`,
      {
        hint: "Set SPLAT_API_TOKEN to the token that the backend was started with.",
        refusal,
      },
    );
  }
  const code = status === 403 ? "not_configured" : "refused";
  if (said !== undefined) {
    const text = `the backend at ${asked.url} refused ${request}: ${said.message}`;
    return new SplatError(code, text, { hint: said.hint, refusal });
  }
  const kind = response.headers.get("content-type") ?? "no content type";
  const text = `${asked.url} answered ${status} to ${request}, not as a backend would (${kind})`;
  return new SplatError(code, text, { hint: hintForStranger(asked.url, response), refusal });
}

function hintForStranger(url: string, response: Pick<Response, "status" | "headers">): string {
  const to = response.headers.get("location");
  if (to !== null && URL.canParse(to, url)) {
    return `It redirects to ${new URL(to, url).origin}; point --url there.`;
  }
  return response.status >= 500
    ? "A proxy in front of the backend seems to have answered; try again in a moment."
    : "Something else seems to live at this address; check --url.";
}

/** Seconds to wait from a `Retry-After` header, given as a number or as a date; undefined when there is none. */
function retryAfterS(header: string | null): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, (atMs - Date.now()) / 1000);
}

/** The value of a JSON text, or undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function codeFor(status: number): string {
  const known = Object.entries(ERROR_STATUS).filter(([, value]) => value === status);
  return known.length === 1 ? known[0][0] : "unknown";
}

function adviceFor(url: string): string {
  return /^(127\.|\[::1\]|localhost$)/.test(new URL(url).hostname)
    ? "Start one with `splatctl serve`, or point --url at yours."
    : "Check the address, the network, and that the backend is deployed and running.";
}

/** fetch says only "fetch failed"; the reason is the innermost cause, or the first of several attempts. */
function rootOf(thrown: unknown): NodeJS.ErrnoException {
  if (!(thrown instanceof Error)) return new Error(String(thrown));
  const inner: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown.cause;
  return inner instanceof Error ? rootOf(inner) : thrown;
}
