/** What `splatctl chunks verify` prints. */
import { printable } from "../printable.ts";
import type { CheckedFile, VerifyReport } from "../chunks/verify.ts";

/** For scripts. */
export function verifyJson(
  { files, lists, strangeLines }: VerifyReport,
  wrong: readonly CheckedFile[],
): object {
  const of = (state: CheckedFile["state"]): string[] =>
    files.filter((file) => file.state === state).map(({ path }) => path);
  return {
    success: wrong.length === 0,
    lists,
    ok: of("ok").length,
    bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    missing: of("missing"),
    damaged: of("damaged"),
    unreadable: of("unreadable"),
    half: of("half"),
    unlisted: of("unlisted"),
    strange_lines: strangeLines,
  };
}

/** For people: what is not whole, and one line about all. */
export function verifyText(
  { files, lists, strangeLines }: VerifyReport,
  wrong: readonly CheckedFile[],
): string {
  const told = files.filter(({ state }) => state !== "ok");
  const okFiles = files.length - told.length;
  const megabytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e6;
  const rows = told.map(({ state, path }) => `${state.padEnd(10)}  ${printable(path)}`);
  if (strangeLines > 0)
    rows.push(`${strangeLines} lines of SHA256SUMS cannot be used: mend them, or take them out`);
  const all = `${okFiles} files are whole (${megabytes.toFixed(1)} MB, ${lists} ${lists === 1 ? "list" : "lists"})`;
  const end =
    wrong.length === 0 ? all : `${all}, ${wrong.length} are not: run splatctl chunks get again to mend them`;
  return [...rows, end].join("\n");
}
