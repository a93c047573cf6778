/** A change of the rules for web pages: what is read, said and written. */
import { isDeepStrictEqual } from "node:util";
import { SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { BucketAdmin } from "../remote/r2-admin.ts";
import {
  dashboardRules,
  describeRules,
  oursOf,
  PROPAGATION_S,
  withOurs,
  withoutOurs,
  type CorsRule,
} from "../remote/r2-cors.ts";
import type { CorsFlags } from "./bucket-cors.ts";
import { printResult } from "./terminal.ts";

export interface CorsChange {
  /** Origins that may read; undefined changes nothing. */
  readonly change: readonly string[] | "remove" | undefined;
  readonly isDry: boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface CorsOutcome {
  readonly before: readonly CorsRule[];
  /** As they are now, or would be. */
  readonly after: readonly CorsRule[];
  /** False too when there was nothing to change. */
  readonly isWritten: boolean;
}

/**
 * Read the rules, and write ours among them. Throws `not_configured` with the JSON for Cloudflare's dashboard when the
 * token may not, and what `bucketError` says.
 */
export async function changeCors(
  admin: BucketAdmin,
  { change, isDry, log, signal }: CorsChange,
): Promise<CorsOutcome> {
  const wanted = change === undefined || change === "remove" ? null : change;
  if (wanted?.includes("*") === true) {
    log.warn("* lets every web page read what the bucket shows to the public; name origins where you can");
  }
  try {
    const before = await admin.readCors(signal);
    const after =
      change === "remove" ? withoutOurs(before) : wanted === null ? before : withOurs(before, wanted);
    const isWritten = !isDry && !isDeepStrictEqual(after, before);
    if (isWritten) await admin.writeCors(after, signal);
    return { before, after, isWritten };
  } catch (error) {
    throw isDenied(error) ? notAllowed(admin.name, wanted) : error;
  }
}

/** Print what they are, or have become. */
export function printCors(flags: CorsFlags, log: Log, { before, after, isWritten }: CorsOutcome): void {
  const isChange = flags.origin !== undefined || flags.remove === true;
  if (isChange) log.info(sayChange(before, after, { isWritten, isDry: flags.dryRun === true }));
  const rules = { rules: after, dashboard: dashboardRules(after) };
  printResult(
    flags,
    { success: true, changed: isWritten, dry_run: flags.dryRun === true, ...rules },
    describeRules(after),
  );
}

function sayChange(
  before: readonly CorsRule[],
  after: readonly CorsRule[],
  { isWritten, isDry }: { readonly isWritten: boolean; readonly isDry: boolean },
): string {
  if (isDry) return "nothing is changed (--dry-run); the rules would be:";
  if (!isWritten) return "nothing is to be changed; the rules are:";
  const others = withoutOurs(after).length;
  const kept = others === 0 ? "" : ` (${others} of others ${others === 1 ? "stays" : "stay"})`;
  const what = oursOf(after) === undefined ? "removed" : oursOf(before) === undefined ? "added" : "replaced";
  return `our rule is ${what}${kept}; it takes up to ${PROPAGATION_S} s to be in force everywhere`;
}

function isDenied(error: unknown): boolean {
  return (
    error instanceof SplatError && error.refusal?.status === 403 && error.refusal.code === "AccessDenied"
  );
}

function notAllowed(name: string, origins: readonly string[] | null): SplatError {
  const what = `the token may not see or change which web pages may read bucket ${name} (AccessDenied)`;
  const token = "Use a token with “Admin Read & Write” for a minute, and keep none";
  if (origins === null) {
    return new SplatError("not_configured", what, {
      hint: `${token}; or look in Cloudflare's dashboard: the bucket, Settings, CORS Policy.`,
    });
  }
  const rules = dashboardRules(withOurs([], origins));
  return new SplatError("not_configured", what, {
    hint: `${token}; or add this in Cloudflare's dashboard (the bucket, Settings, CORS Policy, JSON), beside what is there:\n${JSON.stringify(rules, null, 2)}`,
    findings: { dashboard: rules },
  });
}
