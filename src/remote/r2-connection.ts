/** Why no answer came from a bucket's server, in words. Codes: Node (system, OpenSSL), undici. */
import { messageOf, SplatError } from "../errors.ts";

/** The server that was asked, for people. */
export interface Place {
  /** With its port. */
  readonly host: string;
  /** The setting that names the host. Default `R2_ENDPOINT_URL`. */
  readonly setting?: string | undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host's name cannot be resolved now",
  ECONNRESET: "the connection broke",
  EPIPE: "the connection broke",
  ETIMEDOUT: "no answer to the attempt to connect",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no network",
  ERR_STALLED: "nothing moved on the connection",
  UND_ERR_SOCKET: "the connection broke",
  UND_ERR_CONNECT_TIMEOUT: "no answer to the attempt to connect",
  UND_ERR_HEADERS_TIMEOUT: "nothing moved on the connection",
  UND_ERR_BODY_TIMEOUT: "nothing moved on the connection",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the connection broke",
};

/** How OpenSSL and Node call a certificate that they do not trust (OpenSSL, "verify", diagnostics). */
const UNTRUSTED = /^(?:CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|INVALID_CA|ERR_TLS_CERT_)/;
const UNTIMELY = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);

interface CodedError {
  readonly name?: string;
  readonly code?: string;
}

/** Whether it tells of a connection: Node's errors have a code, the SDK's own time limits a name. */
export function isConnectionError(thrown: unknown): boolean {
  const { name, code } = (thrown ?? {}) as CodedError;
  return typeof code === "string" || name === "TimeoutError";
}

/**
 * The error for a connection that failed: `unreachable`, or `not_configured` where waiting cannot help (certificates,
 * no TLS). Of what was thrown only the code and known words are told.
 */
export function connectionError(thrown: unknown, { host, setting = "R2_ENDPOINT_URL" }: Place): SplatError {
  const { name, code = "" } = (thrown ?? {}) as CodedError;
  const text = messageOf(thrown).split("\n")[0];
  if (UNTRUSTED.test(code)) return untrusted(code, host, setting);
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) return noTls(text, host, setting);
  // The SDK calls cut connections so too, but those have a code.
  const isIdle = name === "TimeoutError" && code === "";
  const reason = isIdle ? "nothing moved on the connection" : (REASONS[code] ?? (text || code));
  const isOfAddress = code === "ENOTFOUND" || code === "ECONNREFUSED";
  const hint = `Check ${isOfAddress ? `${setting}, and ` : ""}whether this machine is online.`;
  return new SplatError("unreachable", `no answer from the bucket's server at ${host}: ${reason}`, { hint });
}

function untrusted(code: string, host: string, setting: string): SplatError {
  const text = `the certificate of the bucket's server at ${host} is not trusted (${code})`;
  const hint = UNTIMELY.has(code)
    ? "Check this machine's clock; or else a proxy in between shows an old certificate."
    : code === "ERR_TLS_CERT_ALTNAME_INVALID"
      ? `It is another host's: check ${setting}, and whether a proxy or a sign-in page stands before this network.`
      : "A company's proxy or a virus scanner may open the connection: name its certificate's file in NODE_EXTRA_CA_CERTS.";
  return new SplatError("not_configured", text, { hint });
}

/** R2 ends the handshake for an account that does not exist. */
function noTls(text: string, host: string, setting: string): SplatError {
  const isRefused = /handshake failure|unrecognized name|internal error/i.test(text);
  const why = isRefused ? "the server ended the TLS handshake" : "the server does not speak TLS";
  const hint = isRefused
    ? `Check ${setting}: R2 answers so when no account has the id in it.`
    : `Check ${setting}: its scheme (http or https) and its port.`;
  return new SplatError("not_configured", `no connection to the bucket's server at ${host}: ${why}`, {
    hint,
  });
}
