/**
 * The one error class of the project, its exit codes, and how it is printed: without secrets, whoever put one in.
 */
import { paint } from "./colour.ts";
import { redact, redactValue } from "./redact.ts";

/** What went wrong, in the terms a script can act on. Each maps to one exit code. */
export type ErrorCode =
  | "internal" // a bug of ours
  | "usage" // wrong flags or arguments
  | "bad_input" // a file or folder given by the user cannot be used
  | "not_configured" // a setting or credential is missing or refused
  | "unreachable" // the backend does not answer
  | "refused" // the backend answered no
  | "partial" // some of the work is done, the rest is kept
  | "interrupted"; // Ctrl-C

/** Exit code of the process for each error code (architecture: 0 done, 1 bug, 2 usage, 3, 4, 5, 130). */
export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  internal: 1,
  usage: 2,
  bad_input: 2,
  not_configured: 3,
  unreachable: 4,
  refused: 4,
  partial: 5,
  interrupted: 130,
};

/** What a backend answered when it refused: HTTP status, the contract's code, and when to come back. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  /** From `Retry-After`, seconds. */
  readonly retryAfterS?: number | undefined;
  /** Said by something that stands before the backend, not by itself. */
  readonly isForeign?: boolean | undefined;
}

export interface SplatErrorOptions {
  /** What the user can do next, one sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  readonly refusal?: Refusal | undefined;
  /** What was found out before; with --json it is printed beside the error. */
  readonly findings?: object | undefined;
}

/** An error meant for a person: what happened, what to do next, and why. */
export class SplatError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Set when a backend answered no. */
  readonly refusal: Refusal | undefined;
  /** What was found out before, for --json. */
  readonly findings: object | undefined;

  constructor(code: ErrorCode, message: string, options: SplatErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SplatError";
    this.code = code;
    this.hint = options.hint;
    this.refusal = options.refusal;
    this.findings = options.findings;
  }
}

/** Turn anything thrown into a SplatError; what we did not foresee is `internal`. */
export function toSplatError(thrown: unknown): SplatError {
  if (thrown instanceof SplatError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SplatError("internal", message, {
    cause: thrown,
    hint: "This looks like a bug in splatctl. Run again with --verbose and report what it prints.",
  });
}

/** The message of anything thrown, for a line of log. */
export function messageOf(thrown: unknown): string {
  return redact(thrown instanceof Error ? thrown.message : String(thrown));
}

/** What was thrown and what to do about it, in one line. */
export function explainShort(thrown: unknown): string {
  const hint = thrown instanceof SplatError ? thrown.hint : undefined;
  return hint === undefined ? messageOf(thrown) : `${messageOf(thrown)}. ${redact(hint)}`;
}

/**
 * Print form: text for people, one JSON object for scripts. Causes are named, stacks only when verbose.
 */
export function explain(
  error: SplatError,
  { json, verbose }: { readonly json?: boolean; readonly verbose?: boolean } = {},
): string {
  if (json === true) {
    const { code, message, hint } = error;
    // The code is one of ours, whatever a secret may be.
    const told = { code, message: redact(message), hint: hint === undefined ? undefined : redact(hint) };
    const findings = JSON.parse(JSON.stringify({ ...error.findings }, redactValue)) as object;
    return JSON.stringify({ success: false, error: told, ...findings });
  }
  const lines = [`${paint("error", "error:", "stderr")} ${error.message}`];
  if (error.cause instanceof Error && !error.message.includes(error.cause.message)) {
    lines.push(`  because: ${error.cause.message}`);
  }
  if (error.hint !== undefined) lines.push(`  ${error.hint}`);
  if (verbose === true) {
    const stack = error.cause instanceof Error ? error.cause.stack : error.stack;
    if (stack !== undefined) lines.push(stack);
  }
  return redact(lines.join("\n"));
}
