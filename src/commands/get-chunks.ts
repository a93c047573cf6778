/** What `splatctl chunks get` does: choose, download, and tell what became of each file. */
import { downloadEntries } from "../chunks/download.ts";
import type { Entry, Session } from "../chunks/entry.ts";
import { localPath } from "../chunks/local-path.ts";
import { printable } from "../printable.ts";
import { selectEntries, type Choice } from "../chunks/select.ts";
import { EXIT_CODES, toSplatError, type SplatError } from "../errors.ts";
import { steadyMs } from "../time.ts";
import { openTransferLine } from "../tui/transfer-line.ts";
import type { ChoiceFlags } from "./chunk-choice.ts";
import { sizeOf } from "./chunks-ls-text.ts";
import { bytes, duration } from "../quantities.ts";
import {
  failureJson,
  printPaths,
  resultJson,
  sayFailures,
  summary,
  throwCommon,
  filesWords,
  named,
} from "./get-report.ts";
import type { BucketFlags, FoundSessions, OpenBucket } from "./open-reader.ts";

export interface GetFlags extends BucketFlags, ChoiceFlags {
  readonly output: string;
  readonly parallel: number;
  readonly dryRun?: boolean;
}

/** Download what is meant into `flags.output`, and print the result. Throws when nothing came. */
export async function getChunks(
  { open, sessions }: FoundSessions,
  choice: Choice,
  flags: GetFlags,
  signal: AbortSignal,
): Promise<void> {
  const entries = selectEntries(sessions, choice);
  if (entries.length === 0) return sayNothing(flags, open, sessions);
  sayDefault(open, sessions, choice, entries);
  if (flags.dryRun === true) sayPlan(flags, entries);
  else await download(open, entries, flags, signal);
}

async function download(
  { reader, log }: OpenBucket,
  entries: readonly Entry[],
  flags: GetFlags,
  signal: AbortSignal,
): Promise<void> {
  const { output: folder, parallel } = flags;
  const line = await openTransferLine({
    files: entries.length,
    sizeBytes: sizeOf(entries),
    level: log.level,
    words: { bytes, duration, named },
  });
  const startMs = steadyMs();
  const results = await downloadEntries(
    reader,
    entries,
    { folder, parallel, onEvent: (event) => line.tell(event) },
    signal,
  ).finally(() => line.end());
  const failed = results.filter(({ outcome }) => outcome === "failed");
  if (failed.length === results.length) throwCommon(failed);
  printPaths(
    flags,
    resultJson(results),
    results.filter(({ outcome }) => outcome !== "failed"),
  );
  log.info(summary(results, folder, steadyMs() - startMs));
  if (failed.length === 0) return;
  sayFailures(failed);
  process.exitCode = EXIT_CODES.partial;
}

function sayNothing(flags: GetFlags, { scene, log }: OpenBucket, sessions: readonly Session[]): void {
  const isEmpty = sessions.every(({ entries }) => entries.length === 0);
  log.info(isEmpty ? `there are no chunks of scene ${scene} yet` : "nothing passes --include and --exclude");
  printPaths(flags, resultJson([]), []);
}

/** Whoever named nothing should know what they get, and what else there is. */
function sayDefault(
  { log }: OpenBucket,
  sessions: readonly Session[],
  { wanted, all }: Choice,
  [newest]: readonly Entry[],
): void {
  const more = sessions.reduce((total, { entries }) => total + entries.length, 0) - 1;
  if (wanted.length > 0 || all || more === 0) return;
  log.info(
    `${printable(newest.name)} is the newest and the whole scene; --all brings the ${more} before it too`,
  );
}

function sayPlan(flags: GetFlags, entries: readonly Entry[]): void {
  const planned = entries.map((entry) => ({ entry, ...planOf(flags.output, entry) }));
  const coming = planned.flatMap(({ entry, path }) =>
    path === null ? [] : [{ path, key: entry.key, bytes: entry.sizeBytes }],
  );
  const sizeBytes = coming.reduce((total, file) => total + file.bytes, 0);
  const refused = planned.filter(({ error }) => error !== null);
  if (coming.length === 0) throwCommon(refused);
  const value = {
    success: refused.length === 0,
    dry_run: true,
    count: coming.length,
    bytes: sizeBytes,
    files: coming,
    failed: refused.map(failureJson),
  };
  printPaths(flags, value, coming);
  process.stderr.write(
    `would download ${filesWords(coming.length)}, ${bytes(sizeBytes)}, into ${flags.output}; what is there and whole stays\n`,
  );
  if (refused.length === 0) return;
  sayFailures(refused);
  process.exitCode = EXIT_CODES.partial;
}

function planOf(folder: string, entry: Entry): { path: string | null; error: SplatError | null } {
  try {
    return { path: localPath(folder, entry), error: null };
  } catch (thrown) {
    return { path: null, error: toSplatError(thrown) };
  }
}
