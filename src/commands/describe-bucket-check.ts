/** What a check of a bucket found, in words and for scripts. */
import type { BucketReport, CheckLine } from "../remote/r2-check.ts";

const TITLES: Readonly<Record<CheckLine["name"], string>> = {
  endpoint: "endpoint",
  clock: "clock",
  keys: "keys",
  bucket: "bucket",
  list: "list",
  read: "read",
  write: "write",
  "conditional-write": "write if new",
  delete: "delete",
  "public-address": "public address",
  browser: "web pages",
  cors: "CORS rules",
};
const TITLE_WIDTH = Math.max(...Object.values(TITLES).map(({ length }) => length));
const STATE_WIDTH = "unknown".length;

/** One line, and below it what mends it. */
export function describeCheckLine({ name, state, says, hint }: CheckLine): string {
  const indent = " ".repeat(STATE_WIDTH + TITLE_WIDTH + 4);
  const first = `${state.padEnd(STATE_WIDTH)}  ${TITLES[name].padEnd(TITLE_WIDTH)}  ${says}`;
  return hint === undefined ? first : `${first}\n${indent}${hint}`;
}

/** What all of it comes to. */
export function describeAccess({ mayWrite, administers }: BucketReport): string {
  if (mayWrite === null) return "reads: enough for ls, get and watch; whether it writes was not found out";
  if (!mayWrite) return "read only: enough for ls, get and watch; serve needs write";
  if (administers) return "reads, writes and administers: enough for every command";
  return "reads and writes: enough for every command but bucket cors and making a bucket, for which a token that administers is needed";
}

/** The same for scripts. */
export function checkFindings({ lines, mayWrite, administers, failure }: BucketReport): object {
  const checks = lines.map(({ name, state, says, hint }) => ({ name, state, message: says, hint }));
  return { checks, may_read: failure === null, may_write: mayWrite, administers };
}
