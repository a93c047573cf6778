/** Who may call: origins, hosts and the token. Nothing of a request's body has been read yet. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { refuse } from "./refuse.ts";

/** What the server is called in what it answers, and what helps whoever is turned away. */
export interface ServerWords {
  /** Such as `this backend`. */
  readonly name: string;
  /** How an origin comes to be allowed; undefined where none ever is. */
  readonly originHint?: string | undefined;
}

export interface OriginRules {
  /** Browser origins that may call, such as `https://example.org`. */
  readonly corsOrigins: readonly string[];
  /** Whether it listens on loopback only: then a foreign `Host` is a DNS-rebinding page, not a client. */
  readonly isLoopback: boolean;
}

export interface GuardOptions extends OriginRules {
  /** Bearer token asked for on every route but GET /health; undefined = none. */
  readonly token?: string | undefined;
}

const CORS_METHODS = "GET, POST, PUT, DELETE";
const CORS_HEADERS = "Authorization, Content-Type, If-None-Match";
const CORS_EXPOSED = "ETag, Retry-After, X-Splat-Version, X-Splat-Count";
const PREFLIGHT_SECONDS = "600";

/** Hosts and origins: throws `forbidden_origin`; answers OPTIONS; lets listed origins read the answer. */
export function guardOrigin(rules: OriginRules, words: ServerWords): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header("host");
    if (rules.isLoopback && host !== undefined && !isLoopbackHost(host)) {
      throw refuse("forbidden_origin", `${words.name} does not answer as "${host}"`, {
        hint: "It listens on this machine only: call it as 127.0.0.1 or localhost.",
      });
    }
    const origin = context.req.header("origin");
    if (origin !== undefined) allowOrigin(origin, host, { rules, words, context });
    if (context.req.method === "OPTIONS") {
      context.header("Access-Control-Allow-Methods", CORS_METHODS);
      context.header("Access-Control-Allow-Headers", CORS_HEADERS);
      context.header("Access-Control-Max-Age", PREFLIGHT_SECONDS);
      return context.body(null, 204);
    }
    await next();
    return undefined;
  };
}

/** The token: throws `unauthorized`. */
export function guardToken(token: string | undefined, { name }: ServerWords): MiddlewareHandler {
  return async (context, next) => {
    const isOpen = context.req.path === "/health" && ["GET", "HEAD"].includes(context.req.method);
    if (token !== undefined && !isOpen && !isToken(context.req.header("authorization"), token)) {
      throw refuse("unauthorized", "a bearer token is needed, and none or a wrong one came", {
        hint: `Set SPLAT_API_TOKEN to the token ${name} was started with.`,
      });
    }
    await next();
  };
}

/** Whether a host name (with or without a port) can only mean this machine. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}

function allowOrigin(
  origin: string,
  host: string | undefined,
  { rules, words, context }: { rules: OriginRules; words: ServerWords; context: Context },
): void {
  context.header("Vary", "Origin");
  // A page that this server itself sent needs no listing, and no CORS header either.
  if (host !== undefined && origin.replace(/^https?:\/\//, "") === host) return;
  if (!rules.corsOrigins.includes(origin)) {
    throw refuse("forbidden_origin", `the origin ${origin} is not allowed to call ${words.name}`, {
      hint: words.originHint,
    });
  }
  context.header("Access-Control-Allow-Origin", origin);
  context.header("Access-Control-Expose-Headers", CORS_EXPOSED);
}

/** Compared as digests, in the same time whatever was sent. */
function isToken(header: string | undefined, token: string): boolean {
  const [, sent] = /^Bearer +(.+)$/i.exec(header ?? "") ?? [];
  return timingSafeEqual(digest(sent ?? ""), digest(token)) && sent !== undefined;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
