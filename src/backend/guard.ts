/** Who may call: origins, hosts and the token. Nothing of a request's body has been read yet. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { refuse } from "./refuse.ts";

export interface GuardOptions {
  /** Bearer token asked for on every route but GET /health; undefined = none. */
  readonly token?: string | undefined;
  /** Browser origins that may call, such as `https://example.org`. */
  readonly corsOrigins: readonly string[];
  /** Whether it listens on loopback only: then a foreign `Host` is a DNS-rebinding page, not a client. */
  readonly isLoopback: boolean;
}

const CORS_METHODS = "GET, POST, PUT, DELETE";
const CORS_HEADERS = "Authorization, Content-Type, If-None-Match";
const CORS_EXPOSED = "ETag, Retry-After, X-Splat-Version, X-Splat-Count";
const PREFLIGHT_SECONDS = "600";

/** Hosts and origins: throws `forbidden_origin`; answers OPTIONS; lets listed origins read the answer. */
export function guardOrigin({ corsOrigins, isLoopback }: GuardOptions): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header("host");
    if (isLoopback && host !== undefined && !isLoopbackHost(host)) {
      throw refuse("forbidden_origin", `this backend does not answer as "${host}"`, {
        hint: "It listens on this machine only: call it as 127.0.0.1 or localhost.",
      });
    }
    const origin = context.req.header("origin");
    if (origin !== undefined) checkOrigin(origin, host, corsOrigins, context);
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
export function guardToken({ token }: GuardOptions): MiddlewareHandler {
  return async (context, next) => {
    const isOpen = context.req.path === "/health" && ["GET", "HEAD"].includes(context.req.method);
    if (token !== undefined && !isOpen && !isToken(context.req.header("authorization"), token)) {
      throw refuse("unauthorized", "a bearer token is needed, and none or a wrong one came", {
        hint: "Set SPLAT_API_TOKEN to the token this backend was started with.",
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

function checkOrigin(
  origin: string,
  host: string | undefined,
  listed: readonly string[],
  context: Context,
): void {
  context.header("Vary", "Origin");
  // A page that this server itself sent needs no listing, and no CORS header either.
  if (host !== undefined && origin.replace(/^https?:\/\//, "") === host) return;
  if (!listed.includes(origin)) {
    throw refuse("forbidden_origin", `the origin ${origin} is not allowed to call this backend`, {
      hint: "Add it to SPLAT_CORS_ORIGINS and start the backend again.",
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
