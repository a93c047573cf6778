/** What every server of ours answers when it cannot serve: the contract's error body. */
import type { Context, Hono } from "hono";
import { ERROR_STATUS } from "../api/schema.ts";
import { messageOf, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import { refuse } from "./refuse.ts";

/** Who answers. */
export interface Answerer {
  /** Such as `this backend`. */
  readonly name: string;
  readonly log: Log;
  /** What every answer carries, such as `session_id`. */
  readonly identity: object;
}

/** The contract's error body. What nobody foresaw is logged in full and sent as `internal`, without detail. */
export function errorResponse(context: Context, error: unknown, { name, log, identity }: Answerer): Response {
  const refusal = error instanceof SplatError ? error.refusal : undefined;
  if (refusal === undefined) {
    log.warn(
      `a request failed: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`,
    );
  }
  if (refusal?.retryAfterS !== undefined) context.header("Retry-After", String(refusal.retryAfterS));
  const code = refusal?.code ?? "internal";
  const message = refusal === undefined ? `${name} met a bug; its log says more` : messageOf(error);
  const hint = error instanceof SplatError ? error.hint : undefined;
  return context.json(
    { success: false, error: { code, message, ...(hint === undefined ? {} : { hint }) }, ...identity },
    (refusal?.status ?? ERROR_STATUS.internal) as 500,
  );
}

/** What no route so far took: a known path with another method is 405, anything else 404. To be called last. */
export function addRefusals(app: Hono): void {
  const methods = new Map<string, string[]>();
  for (const { path, method } of app.routes) {
    if (method !== "ALL") methods.set(path, [...(methods.get(path) ?? []), method]);
  }
  for (const [path, allowed] of methods) {
    app.all(path, (context) => {
      context.header("Allow", allowed.join(", "));
      throw refuse("method_not_allowed", `${path} does not take ${context.req.method}`);
    });
  }
  app.all("*", (context) => {
    throw refuse("not_found", `there is nothing at ${context.req.path}`);
  });
}
