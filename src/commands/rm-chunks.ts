/** What `splatctl chunks rm` does: show what would go, ask, remove it, and say what is left of it. */
import { planRemoval, type DoomedSession, type Removal } from "../chunks/plan-removal.ts";
import { printable } from "../printable.ts";
import { removeChunks, requireNoneLive, type Removed } from "../chunks/remove.ts";
import { EXIT_CODES, explainShort, SplatError } from "../errors.ts";
import { hiddenProgressLine, openProgressLine } from "../tui/progress-line.ts";
import { confirm } from "./confirm.ts";
import { bytes, count } from "../quantities.ts";
import type { BackendFlags } from "./flags.ts";
import { openReader, type OpenBucket } from "./open-reader.ts";
import { openWriter, requireWritable } from "./open-writer.ts";
import { printResult } from "./terminal.ts";

export interface RmFlags extends BackendFlags {
  readonly session?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly yes?: boolean;
}

/** Keys of a session that are shown before the rest is only counted. */
const MOST_SHOWN = 10;

/**
 * Remove what `wanted` names, or all of it. Prints the result; the exit code says when something could not be removed.
 * Throws `usage` when nothing is named and what `planRemoval` and `removeChunks` throw.
 */
export async function rmChunks(
  wanted: readonly string[],
  flags: RmFlags,
  signal: AbortSignal,
): Promise<void> {
  const choice = choiceOf(wanted, flags);
  const open = await openReader(flags, { hasPublic: false });
  try {
    if (flags.dryRun !== true) requireWritable(open);
    const removal = await planRemoval(open.reader, open, choice, signal);
    if (flags.force !== true) requireNoneLive(removal);
    if (flags.dryRun === true) return printResult(flags, planJson(open, removal), describePlan(removal));
    if (removal.sessions.length > 0 && flags.yes !== true) {
      process.stderr.write(`${describePlan(removal)}\n`);
      await confirm("Remove them for good?", signal);
    }
    const removed = await remove(open, removal, flags, signal);
    printResult(flags, removedJson(open, removal, removed), describeRemoved(removed));
    if (removed.failed.length > 0) process.exitCode = EXIT_CODES.partial;
  } finally {
    await open.reader.close();
  }
}

function choiceOf(wanted: readonly string[], { all = false }: RmFlags): readonly string[] | "all" {
  if (all !== wanted.length > 0) return all ? "all" : wanted;
  throw new SplatError("usage", all ? "names and --all contradict one another" : "nothing is named", {
    hint: "Name chunks (`splatctl chunks ls` shows them), or give --all for everything in the session.",
  });
}

async function remove(
  open: OpenBucket,
  removal: Removal,
  { force = false, quiet }: RmFlags,
  signal: AbortSignal,
): Promise<Removed> {
  const progress = quiet === true ? hiddenProgressLine() : await openProgressLine();
  const writer = await openWriter(open, progress, signal);
  const total = removal.sessions.reduce((sum, { doomed }) => sum + doomed.length, 0);
  try {
    return await removeChunks(writer, open.reader, removal, {
      isForced: force,
      onProgress: (removedCount) => progress.update(`removed ${count(removedCount)} of ${count(total)}`),
    });
  } finally {
    progress.end();
    writer.bucket.close();
  }
}

function describePlan({ scene, sessions }: Removal): string {
  if (sessions.length === 0) return `nothing of scene ${scene} to remove`;
  const doomed = sessions.flatMap((session) => session.doomed);
  const sizeBytes = doomed.reduce((sum, each) => sum + each.sizeBytes, 0);
  const from = sessions.length === 1 ? "a session" : `${count(sessions.length)} sessions`;
  const sum = `${objects(doomed.length)}, ${bytes(sizeBytes)}, of ${from} would go:`;
  return [sum, ...sessions.flatMap(describeSession)].join("\n");
}

function describeSession({ place, doomed, isWhole }: DoomedSession): string[] {
  const shown = doomed
    .slice(0, MOST_SHOWN)
    .map(({ key, sizeBytes }) => `  ${printable(key)}  ${bytes(sizeBytes)}`);
  const more = doomed.length - shown.length;
  return [
    ...shown,
    ...(more > 0 ? [`  and ${objects(more)} more`] : []),
    ...(isWhole ? [`  ${printable(place)}/status.json: nothing of that session is left`] : []),
  ];
}

function describeRemoved({ keys, failed, sessions, newest }: Removed): string {
  const whole =
    sessions.length === 0
      ? ""
      : `, ${sessions.length === 1 ? "a session" : `${count(sessions.length)} sessions`} whole`;
  return [
    keys.length + failed.length === 0 ? "nothing to remove" : `removed ${objects(keys.length)}${whole}`,
    ...failed.map(({ key, error }) => `  still there: ${printable(key)}: ${explainShort(error)}`),
    ...(newest === undefined || newest === null ? [] : [`the scene shows session ${printable(newest)} now`]),
  ].join("\n");
}

function objects(number: number): string {
  return number === 1 ? "1 object" : `${count(number)} objects`;
}

function planJson({ bucket }: OpenBucket, { scene, sessions }: Removal): object {
  return { success: true, dry_run: true, bucket, scene, sessions: sessions.map(sessionJson) };
}

function removedJson(
  { bucket }: OpenBucket,
  { scene, sessions }: Removal,
  { keys, failed, sessions: whole, newest }: Removed,
): object {
  return {
    success: failed.length === 0,
    dry_run: false,
    bucket,
    scene,
    sessions: sessions.map(sessionJson),
    removed: keys,
    removed_sessions: whole,
    newest_session: newest,
    failed: failed.map(({ key, error: { code, message, hint } }) => ({
      key,
      error: { code, message, hint },
    })),
  };
}

function sessionJson({ sessionId, isWhole, doomed }: DoomedSession): object {
  const named = doomed.map(({ key, sizeBytes }) => ({ key, bytes: sizeBytes }));
  return { session_id: sessionId, whole: isWhole, objects: named };
}
