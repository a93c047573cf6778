/** What lets a request in, and how it is kept out of what is printed. */
import { SplatError } from "../errors.ts";
import type { ClientOptions } from "./client.ts";
import type { Carried } from "./failure.ts";

/**
 * The headers that let a request in: the backend's token, and what Modal's proxy asks for, in headers of its own.
 * Throws `not_configured` for what no header can carry.
 */
export function credentialHeaders({
  token,
  proxyAuth,
}: Pick<ClientOptions, "token" | "proxyAuth">): Record<string, string> {
  requireSendable(token);
  if (proxyAuth !== undefined && !(isSendable(proxyAuth.key) && isSendable(proxyAuth.secret))) {
    throw new SplatError("not_configured", "the proxy token holds characters that no header can carry", {
      hint: "Set its two parts alone: no spaces, line ends or quotes.",
    });
  }
  return {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(proxyAuth === undefined ? {} : { "modal-key": proxyAuth.key, "modal-secret": proxyAuth.secret }),
  };
}

/** Throws `not_configured` for an API token that no header can carry: whoever asks for it keeps everybody out. */
export function requireSendable(token: string | undefined): void {
  if (token === undefined || isSendable(token)) return;
  throw new SplatError("not_configured", "the API token holds characters that no header can carry", {
    hint: "Set SPLAT_API_TOKEN to the token alone: no spaces, line ends or quotes.",
  });
}

function isSendable(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** What those headers hold, for whoever explains a refusal. */
export function carriedBy({
  token,
  tokenFrom,
  proxyAuth,
}: Pick<ClientOptions, "token" | "tokenFrom" | "proxyAuth">): Carried {
  return { token: token !== undefined, tokenFrom, proxyAuth: proxyAuth !== undefined };
}

/** A server that echoes what it was sent must not make us print its secrets. */
export function hide(secrets: readonly (string | undefined)[], text: string): string {
  return secrets.reduce<string>(
    (hidden, secret) => (secret === undefined ? hidden : hidden.replaceAll(secret, "[token]")),
    text,
  );
}
