/** Whether a bucket's server answers at all, how soon, and what time it has. */
import { request as requestPlain, type IncomingMessage } from "node:http";
import { request as requestSecure } from "node:https";
import type { TLSSocket } from "node:tls";
import { messageOf, SplatError } from "../errors.ts";

const TIMEOUT_MS = 10_000;

/** An answer, whatever it says: the request is not signed. */
export interface Reached {
  /** Name look-up, connection and answer together. */
  readonly latencyMs: number;
  /** Version of TLS; null without. */
  readonly tls: string | null;
  /** How far this machine's clock is ahead of the server's, whole seconds; null when the server tells no time. */
  readonly clockAheadS: number | null;
}

/** Ask a server anything. Throws `unreachable` when there is no answer, and the signal's reason. */
export async function reach(endpoint: string, signal: AbortSignal): Promise<Reached> {
  const { host, protocol } = new URL(endpoint);
  const beganMs = performance.now();
  try {
    const answer = await ask(endpoint, protocol === "https:", signal);
    const latencyMs = performance.now() - beganMs;
    const tls = protocol === "https:" ? (answer.socket as TLSSocket).getProtocol() : null;
    const dateMs = Date.parse(answer.headers.date ?? "");
    answer.destroy();
    // A Date header is cut to whole seconds, half a second ago on average, and half the latency old.
    const clockAheadS = Math.round((Date.now() - latencyMs / 2 - (dateMs + 500)) / 1000);
    return { latencyMs, tls, clockAheadS: Number.isNaN(dateMs) ? null : clockAheadS };
  } catch (error) {
    signal.throwIfAborted();
    throw noAnswer(host, error);
  }
}

function ask(endpoint: string, isSecure: boolean, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const request = isSecure ? requestSecure : requestPlain;
    request(endpoint, { agent: false, signal: limit }, resolve).on("error", reject).end();
  });
}

const HINTS: readonly (readonly [codes: RegExp, hint: string])[] = [
  [/^(ENOTFOUND|EAI_)/, "Check the endpoint for a slip of the pen, and whether this machine is online."],
  [
    /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    "Check this machine's clock; if it is right, the server's certificate is not.",
  ],
  [
    /EPROTO|SSL|TLS_ALERT/,
    "R2 ends the handshake so for an account that there is not: check the account's id in the endpoint.",
  ],
  [
    /CERT|SELF_SIGNED|UNABLE_TO/,
    "Something stands between here and the server, or the endpoint is another's.",
  ],
];

function noAnswer(host: string, error: unknown): SplatError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const isLate = (error as Error).name === "AbortError" || (error as Error).name === "TimeoutError";
  const reason = isLate ? `nothing within ${TIMEOUT_MS / 1000} s` : messageOf(error).split("\n")[0] || code;
  const known = HINTS.find(([codes]) => codes.test(code))?.[1];
  const hint = known ?? "Check whether this machine is online, and whether a firewall stands in the way.";
  return new SplatError("unreachable", `no answer from ${host}: ${reason}`, { hint });
}
