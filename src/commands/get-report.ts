/** What became of a download, in words and as JSON. */
import type { DownloadResult } from "../chunks/download.ts";
import { printable } from "../printable.ts";
import { explain, SplatError } from "../errors.ts";
import { sizeOf } from "./chunks-ls-text.ts";
import { bytes, duration } from "../quantities.ts";
import type { BackendFlags } from "./flags.ts";
import { printResult } from "./terminal.ts";

type Failure = Pick<DownloadResult, "entry" | "error">;

/** Failures whose reasons are printed; the others are counted. */
const MOST_TOLD = 20;

/** What became of each file, as `--json` prints it. */
export function resultJson(results: readonly DownloadResult[]): object {
  const of = (outcome: DownloadResult["outcome"]): DownloadResult[] =>
    results.filter((result) => result.outcome === outcome);
  const [downloaded, already, failed] = [of("downloaded"), of("already"), of("failed")];
  return {
    success: failed.length === 0,
    downloaded: downloaded.length,
    already: already.length,
    failed: failed.map(failureJson),
    bytes: sizeOf(downloaded),
    files: [...downloaded, ...already].map((result) => ({
      path: result.path,
      key: result.entry.key,
      bytes: result.sizeBytes,
      sha256: result.sha256,
      outcome: result.outcome,
      resumed_bytes: result.resumedBytes,
    })),
  };
}

/** A failure as `--json` prints it. */
export function failureJson({ entry, error }: Failure): object {
  return {
    key: entry.key,
    error: { code: error?.code, message: error?.message, hint: error?.hint },
  };
}

/** Print the object for scripts, or the paths, one a line, for people and pipes. */
export function printPaths(
  flags: BackendFlags,
  value: object,
  files: readonly { readonly path: string }[],
): void {
  if (flags.json !== true && files.length === 0) return;
  printResult(flags, value, files.map(({ path }) => printable(path)).join("\n"));
}

/** What came, and how fast, in one line. */
export function summary(results: readonly DownloadResult[], folder: string, tookMs: number): string {
  const downloaded = results.filter(({ outcome }) => outcome === "downloaded");
  const already = results.filter(({ outcome }) => outcome === "already").length;
  const resumedBytes = downloaded.reduce((total, result) => total + result.resumedBytes, 0);
  const took = tookMs < 10_000 ? `${(tookMs / 1000).toFixed(1)} s` : duration(tookMs / 1000);
  if (already === results.length)
    return `nothing had to come: ${filesWords(already)} there already, and whole`;
  const facts = [
    `downloaded ${filesWords(downloaded.length)}, ${bytes(sizeOf(downloaded))}, into ${folder} in ${took}`,
    ...(resumedBytes > 0 ? [`${bytes(resumedBytes)} of that came in an earlier run`] : []),
    ...(already > 0 ? [`${filesWords(already)} there already`] : []),
  ];
  return facts.join("; ");
}

/** Throw for files of which none came: where they share a reason, that is the error, and so the exit code. */
export function throwCommon(failed: readonly Failure[]): never {
  const errors = failed.flatMap(({ error }) => (error === null ? [] : [error]));
  const [first] = errors;
  if (errors.length === 1) throw first;
  const isCommon = errors.every(({ code }) => code === first.code);
  if (!isCommon) sayFailures(failed);
  throw new SplatError(
    isCommon ? first.code : "partial",
    `none of ${errors.length} files came: ${first.message}`,
    {
      hint: first.hint,
      cause: first.cause,
      refusal: first.refusal,
    },
  );
}

/** Print on stderr what did not come, and why. */
export function sayFailures(failed: readonly Failure[]): void {
  for (const { entry, error } of failed.slice(0, MOST_TOLD)) {
    if (error !== null) process.stderr.write(`${named(entry.key, explain(error))}\n`);
  }
  const more = failed.length - MOST_TOLD;
  process.stderr.write(
    `${filesWords(failed.length)} failed${more > 0 ? `, of which ${more} are not shown` : ""}; the same command again goes on\n`,
  );
}

/** `text` about an object, with its key in front unless it is named in there. */
export function named(key: string, text: string): string {
  const shown = printable(key);
  return text.includes(shown.replace(/^scenes\//, "")) ? text : `${shown}: ${text}`;
}

/** A number of files in words. */
export function filesWords(files: number): string {
  return `${files} file${files === 1 ? "" : "s"}`;
}
