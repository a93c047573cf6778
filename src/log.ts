/** Log lines for people: to stderr, never to stdout, which is for results only. No secret gets into one. */
import { paint } from "./colour.ts";
import { redact } from "./redact.ts";

export type LogLevel = "quiet" | "normal" | "verbose";

export interface Log {
  readonly level: LogLevel;
  /** Progress and notes; hidden by --quiet. */
  info(line: string): void;
  /** Something the user should know; always shown. */
  warn(line: string): void;
  /** Detail for debugging; shown by --verbose. */
  debug(line: string): void;
}

/** A logger writing to `write` (stderr by default). */
export function createLog(
  level: LogLevel,
  write = (line: string): unknown => process.stderr.write(line),
): Log {
  const say = (line: string): unknown => write(`${redact(line)}\n`);
  return {
    level,
    info: (line) => level !== "quiet" && say(line),
    warn: (line) => say(`${paint("warning", "warning:", "stderr")} ${line}`),
    debug: (line) => level === "verbose" && say(line),
  };
}

/** A logger that says nothing, for tests and libraries. */
export const silentLog: Log = createLog("quiet", () => undefined);
