/** `splatctl logs`: what a detached daemon prints. */
import type { Command } from "commander";
import { resolveConfig } from "../config.ts";
import { SplatError } from "../errors.ts";
import { wholeNumber, type BackendFlags } from "./flags.ts";
import { daemonName, DEFAULT_DAEMON } from "./run-as-daemon.ts";
import { interruptSignal } from "./terminal.ts";

interface LogsFlags extends BackendFlags {
  readonly follow?: boolean;
  readonly lines: number;
}

const DEFAULT_LINES = 50;

/** Add the command. */
export function registerLogs(program: Command): void {
  program
    .command("logs")
    .description("show what a detached daemon has printed")
    .argument("[name]", "which one", daemonName, DEFAULT_DAEMON)
    .option("-f, --follow", "go on with what it prints from now on, until Ctrl-C")
    .option("-n, --lines <n>", "how many lines", wholeNumber(0), DEFAULT_LINES)
    .action(async (name: string, _options, command: Command) =>
      show(name, command.optsWithGlobals<LogsFlags>()),
    );
}

async function show(name: string, flags: LogsFlags): Promise<void> {
  const { runDir, logDir } = await resolveConfig(flags);
  const { findDaemon, notHere } = await import("../daemon/run-file.ts");
  const { followLog, lastLines, logPath } = await import("../daemon/log-file.ts");
  const daemon = await findDaemon(runDir, name);
  if (daemon?.state === "elsewhere") throw notHere(runDir, daemon);
  if (daemon?.log === null) {
    throw new SplatError("bad_input", `the daemon "${name}" was not detached: it has no log`, {
      hint: `Process ${daemon.pid} prints to the terminal that it was started in.`,
    });
  }
  const path = daemon?.log ?? logPath(logDir, name);
  const end = await lastLines(path, flags.lines);
  if (end === null) {
    throw new SplatError("bad_input", `there is no log of a daemon "${name}"`, {
      hint: "See splatctl ps for those that run.",
    });
  }
  process.stdout.write(end.text);
  if (flags.follow !== true) return;
  // Whoever reads us may stop reading.
  const unread = new AbortController();
  process.stdout.once("error", () => unread.abort());
  const signal = AbortSignal.any([interruptSignal(), unread.signal]);
  for await (const piece of followLog(path, end.sizeBytes, signal)) process.stdout.write(piece);
}
