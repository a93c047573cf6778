/** Runs checks side by side, each within its time, and hands on what they find in their order. */
import { messageOf, SplatError } from "../errors.ts";
import { GROUPS, type Check, type Finding, type Reported } from "./check.ts";
import type { DoctorContext } from "./context.ts";

const LIMIT_MS = 5000;

/** Checks under way. */
export interface RunningChecks {
  /** What they find, as soon as all before it is known. Throws the signal's reason. */
  readonly findings: AsyncIterable<Reported>;
  /** Titles of the groups that are not done, in order. */
  readonly pending: () => readonly string[];
}

/** Start all of them at once. A check that hangs is a failure of its own and holds nobody up. */
export function startChecks(
  checks: readonly Check[],
  context: DoctorContext,
  signal: AbortSignal,
): RunningChecks {
  const open = new Set(checks);
  const running = checks.map(async (check) => {
    try {
      return await runCheck(check, context, signal);
    } finally {
      open.delete(check);
    }
  });
  // Ctrl-C is told by the first that is waited for; the others end in the same way, and nobody asks them.
  for (const one of running) one.catch(() => undefined);
  return {
    findings: inOrder(running),
    pending: () => [...new Set([...open].map(({ group }) => GROUPS[group]))],
  };
}

async function* inOrder(running: readonly Promise<readonly Reported[]>[]): AsyncGenerator<Reported> {
  for (const found of running) yield* await found;
}

async function runCheck(check: Check, context: DoctorContext, signal: AbortSignal): Promise<Reported[]> {
  const { id, group, limitMs = LIMIT_MS } = check;
  const report = (found: readonly Finding[]): Reported[] =>
    found.map((one) => ({ ...one, id: one.id ?? id, group, fix: one.fix?.replace(/\.$/, "") }));
  const limit = new AbortController();
  const ending = AbortSignal.any([signal, limit.signal]);
  const timer = setTimeout(() => limit.abort(), limitMs);
  const over = new Promise<never>((_resolve, reject) => {
    ending.addEventListener("abort", () => reject(ending.reason as Error), { once: true });
  });
  try {
    signal.throwIfAborted();
    return report(await Promise.race([check.run(context, ending), over]));
  } catch (error) {
    signal.throwIfAborted();
    return report([limit.signal.aborted ? tooLate(check, limitMs) : failure(error)]);
  } finally {
    clearTimeout(timer);
    over.catch(() => undefined);
    // Whatever it has not waited for is not wanted any more.
    limit.abort();
  }
}

function tooLate({ id, group }: Check, limitMs: number): Finding {
  return {
    state: "failed",
    message: `the look at "${id}" did not come to an end within ${limitMs / 1000} s`,
    fix: `Something it asks hangs. Try again: \`splatctl doctor ${group}\``,
    facts: { timed_out: true },
  };
}

/** What a check threw. */
export function failure(error: unknown): Finding {
  if (error instanceof SplatError && error.code !== "internal") {
    return { state: "failed", message: error.message, fix: error.hint };
  }
  const fix = "This looks like a bug in splatctl: report it with this line.";
  return { state: "failed", message: `the check itself went wrong: ${messageOf(error)}`, fix };
}
