/** A login as HTTP and RTSP cameras ask for it: Basic (RFC 7617) and Digest (RFC 7616). */
import { createHash, randomBytes } from "node:crypto";

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** The login in an address; null when there is none. */
export function loginOf({ username, password }: URL): Login | null {
  if (username === "" && password === "") return null;
  return { user: decoded(username), password: decoded(password) };
}

/**
 * The `Authorization` header for a request that was refused: `challenge` is what `WWW-Authenticate` said. Null when what
 * is asked for is neither. Nothing is sent unasked: Basic shows the password to whoever listens.
 */
export function authorizationFor(
  { user, password }: Login,
  challenge: string,
  { method, uri }: { readonly method: string; readonly uri: string },
): string | null {
  const digest = /\bdigest\s+(.*)/is.exec(challenge);
  if (digest === null) {
    return /\bbasic\b/i.test(challenge)
      ? `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
      : null;
  }
  const said = parameters(digest[1]);
  const { realm = "", nonce = "", opaque, algorithm = "MD5" } = said;
  const hash = /^sha-256/i.test(algorithm) ? "sha256" : "md5";
  const of = (text: string): string => createHash(hash).update(text).digest("hex");
  const isAuth = (said["qop"] ?? "").split(/[\s,]+/).includes("auth");
  const cnonce = randomBytes(8).toString("hex");
  const plain = of(`${user}:${realm}:${password}`);
  const secret = /-sess$/i.test(algorithm) ? of(`${plain}:${nonce}:${cnonce}`) : plain;
  const request = of(`${method}:${uri}`);
  const middle = isAuth ? `${nonce}:00000001:${cnonce}:auth` : nonce;
  const quoted = {
    username: user,
    realm,
    nonce,
    uri,
    response: of(`${secret}:${middle}:${request}`),
    ...(opaque === undefined ? {} : { opaque }),
    ...(isAuth || /-sess$/i.test(algorithm) ? { cnonce } : {}),
  };
  const parts = Object.entries(quoted).map(
    ([key, value]) => `${key}="${value.replaceAll(/["\\]/g, "\\$&")}"`,
  );
  if (said["algorithm"] !== undefined) parts.push(`algorithm=${algorithm}`);
  if (isAuth) parts.push("qop=auth", "nc=00000001");
  return `Digest ${parts.join(", ")}`;
}

function parameters(text: string): Readonly<Record<string, string | undefined>> {
  const found: Record<string, string> = {};
  for (const [, key, quoted, bare] of text.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)) {
    // Of two challenges in one line the first counts.
    found[key.toLowerCase()] ??= quoted?.replaceAll(/\\(.)/g, "$1") ?? bare;
  }
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
