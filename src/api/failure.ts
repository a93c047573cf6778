/** What can go wrong between us and a backend, each as one SplatError that names the URL and says what to do. */
import { DEFAULT_PORT } from "./limits.ts";
import { SplatError, type Refusal } from "../errors.ts";
import { printable } from "../printable.ts";
import type { TokenOrigin } from "./client.ts";
import { ERROR_STATUS, errorSchema } from "./schema.ts";

/** Which request failed, as messages name it. */
export interface Asked {
  /** Base URL of the backend. */
  readonly url: string;
  readonly method: string;
  /** Path below the base URL, without the query. */
  readonly path: string;
  /** The scene asked for; undefined = the backend's main one. */
  readonly scene?: string | undefined;
  /** The variable that names the proxy it is asked through; undefined = it is asked itself. */
  readonly proxy?: string | undefined;
}

/** What a request carried to be let in. */
export interface Carried {
  readonly token: boolean;
  readonly tokenFrom?: TokenOrigin | undefined;
  readonly proxyAuth: boolean;
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
    hint: adviceFor(asked),
  });
}

/** `unreachable`: connected, but nothing was heard for `timeoutMs`. */
export function silent(asked: Asked, timeoutMs: number): SplatError {
  const text = `the backend at ${asked.url} said nothing for ${timeoutMs / 1000} s (${asked.method} ${asked.path})`;
  return new SplatError("unreachable", text, { hint: adviceFor(asked) });
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
 * `body` is the answer's text; one that is neither the contract's own nor Modal's is named as such and never quoted.
 */
export function refused(
  asked: Asked,
  response: Pick<Response, "status" | "headers">,
  body: string,
  carried: Carried,
): SplatError {
  const { status } = response;
  const said = printed(errorSchema.safeParse(parseJson(body)).data?.error);
  const refusal: Refusal = {
    status,
    code: said?.code ?? codeFor(status),
    retryAfterS: retryAfterS(response.headers.get("retry-after")),
    ...(said === undefined ? { isForeign: true } : {}),
  };
  const atModal = refusedByModal(asked, body, carried, refusal);
  if (atModal !== null) return atModal;
  const request = `${asked.method} ${asked.path}`;
  if (status === 401) {
    return new SplatError(
      "not_configured",
      carried.token
        ? `the backend at ${asked.url} refused the API token`
        : `the backend at ${asked.url} wants a token that it was not given`,
      { hint: TOKEN_HINTS[(carried.token ? carried.tokenFrom : null) ?? "unknown"], refusal },
    );
  }
  const code = status === 403 ? "not_configured" : "refused";
  if (said !== undefined) {
    if (said.code === "not_found" && asked.scene !== undefined) {
      const text = `the backend at ${asked.url} has no scene "${asked.scene}": ${said.message}`;
      return new SplatError(code, text, { hint: said.hint ?? NO_SCENE_HINT, refusal });
    }
    const text = `the backend at ${asked.url} refused ${request}: ${said.message}`;
    return new SplatError(code, text, { hint: said.hint, refusal });
  }
  if (status === 429) {
    const text = `too many requests reach ${asked.url}: it answered 429 to ${request}`;
    return new SplatError(code, text, { hint: "Try again in a moment.", refusal });
  }
  const kind = response.headers.get("content-type") ?? "no content type";
  const text = `${asked.url} answered ${status} to ${request}, not as a backend would (${kind})`;
  return new SplatError(code, text, { hint: hintForStranger(asked.url, response), refusal });
}

/** What a server says ends on a terminal. */
function printed<T extends { readonly message: string; readonly hint?: string | undefined }>(
  said: T | undefined,
): T | undefined {
  if (said === undefined) return undefined;
  const { message, hint } = said;
  return { ...said, message: printable(message), ...(hint === undefined ? {} : { hint: printable(hint) }) };
}

const SET_TOKEN = "Set SPLAT_API_TOKEN to the token that the backend was started with";
const TOKEN_HINTS = {
  environment: `SPLAT_API_TOKEN was sent. ${SET_TOKEN}, or unset it: then what splatctl deploy keeps for its own backend is sent.`,
  kept: `The one that splatctl deploy keeps was sent. ${SET_TOKEN}.`,
  unknown: `${SET_TOKEN}; splatctl deploy keeps that of its own.`,
} as const;

const NO_SCENE_HINT = "Leave out --scene and SPLAT_SCENE, or name a scene that it holds.";

/** How the edge of Modal begins what it says itself, in plain text. */
const MODAL_SAYS = /^modal-http: ([\x20-\x7e]{1,200})/;

/** What Modal says before a request comes to the backend; null when it did not. */
function refusedByModal(asked: Asked, body: string, carried: Carried, refusal: Refusal): SplatError | null {
  const words = MODAL_SAYS.exec(body.trim())?.[1].trim();
  if (words === undefined) return null;
  if (/proxy auth/i.test(words)) {
    const what = carried.proxyAuth ? "refused the proxy token that it was given" : "wants a proxy token";
    return new SplatError(
      "not_configured",
      `Modal, which stands before the backend at ${asked.url}, ${what}`,
      { hint: PROXY_HINT, refusal },
    );
  }
  if (/\bis stopped\b/i.test(words)) {
    return new SplatError("refused", `the backend at ${asked.url} was undeployed`, {
      hint: "`splatctl deploy` starts it.",
      refusal,
    });
  }
  const text = `Modal answered ${refusal.status} for the backend at ${asked.url}: ${words}`;
  const hint = refusal.status >= 500 || refusal.status === 408 || refusal.status === 429;
  return new SplatError("refused", text, {
    hint: hint
      ? "Try again in a moment; `splatctl logs --cloud` shows what the backend says."
      : "Check --url, and that the backend is deployed.",
    refusal,
  });
}

const PROXY_HINT =
  "Give the two parts of a proxy token (`modal workspace proxy-tokens create`) as SPLAT_PROXY_KEY and SPLAT_PROXY_SECRET.";

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

function adviceFor({ url, proxy }: Asked): string {
  if (proxy !== undefined) {
    return `It was asked through the proxy of ${proxy}: check that, or name this host in NO_PROXY. Else check the address, and that the backend is running.`;
  }
  const { hostname, port } = new URL(url);
  const call = port === String(DEFAULT_PORT) ? "splatctl serve" : `splatctl serve --port ${port || 80}`;
  return /^(127\.|\[::1\]|localhost$)/.test(hostname)
    ? `Start one with \`${call}\`, or point --url at yours.`
    : "Check the address, the network, and that the backend is deployed and running.";
}

/** fetch says only "fetch failed"; the reason is the innermost cause, or the first of several attempts. */
function rootOf(thrown: unknown): NodeJS.ErrnoException {
  if (!(thrown instanceof Error)) return new Error(String(thrown));
  const inner: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown.cause;
  return inner instanceof Error ? rootOf(inner) : thrown;
}
