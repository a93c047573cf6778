/** `splatctl logs`: what a detached daemon, or a backend in the cloud, prints. */
import { InvalidArgumentError, type Command } from "commander";
import { withExamples } from "./examples.ts";
import { resolveConfig } from "../config.ts";
import { SplatError } from "../errors.ts";
import { environmentName } from "./deploy-flags.ts";
import { sceneOf, wholeNumber, type BackendFlags } from "./flags.ts";
import { daemonName } from "./run-as-daemon.ts";
import { interruptSignal } from "./terminal.ts";

interface LogsFlags extends BackendFlags {
  readonly follow?: boolean;
  readonly lines?: number;
  readonly cloud?: boolean;
  readonly since?: string;
  readonly env?: string;
}

const DEFAULT_LINES = 50;

/** Add the command. */
export function registerLogs(program: Command): void {
  withExamples(program.command("logs"), [
    ["splatctl logs -f", "follow the daemon of the scene until Ctrl-C"],
    ["splatctl logs left-arm -n 200", "the last 200 lines of another one"],
    ["splatctl logs --cloud --since 2h", "what the deployed backend has printed since"],
  ])
    .description("show what a detached daemon, or with --cloud the deployed backend, has printed")
    .argument("[name]", "which one (default: the scene's: SPLAT_SCENE, else main)", daemonName)
    .option("-f, --follow", "go on with what it prints from now on, until Ctrl-C")
    .option(
      "-n, --lines <n>",
      `how many lines (default: ${DEFAULT_LINES}; with --cloud: 100)`,
      wholeNumber(0),
    )
    .option("--cloud", "of the backend that splatctl deploy has put on Modal")
    .option("--since <time>", "with --cloud: from then on, such as 2h or 2026-01-31T12:00", startTime)
    .option(
      "--env <name>",
      "with --cloud: environment on Modal (default: where it was deployed)",
      environmentName,
    )
    .action(async (name: string | undefined, _options, command: Command) =>
      show(name, command.optsWithGlobals<LogsFlags>()),
    );
}

async function show(named: string | undefined, flags: LogsFlags): Promise<void> {
  const config = await resolveConfig(flags);
  const { follow = false, lines, since, env } = flags;
  if (flags.cloud === true) {
    const { showCloudLogs } = await import("./cloud-logs.ts");
    await showCloudLogs(config, { environment: env, follow, since, lines });
    return;
  }
  if (since !== undefined || env !== undefined) {
    throw new SplatError("usage", "--since and --env are for the deployed backend", { hint: "Add --cloud." });
  }
  const { runDir, logDir } = config;
  const name = named ?? sceneOf(config);
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
  const end = await lastLines(path, lines ?? DEFAULT_LINES);
  if (end === null) {
    throw new SplatError("bad_input", `there is no log of a daemon "${name}"`, {
      hint: "See splatctl ps for those that run.",
    });
  }
  process.stdout.write(end.text);
  if (!follow) return;
  // Whoever reads us may stop reading.
  const unread = new AbortController();
  process.stdout.once("error", () => unread.abort());
  const signal = AbortSignal.any([interruptSignal(), unread.signal]);
  for await (const piece of followLog(path, end.sizeBytes, signal)) process.stdout.write(piece);
}

function startTime(text: string): string {
  if (/^\d/.test(text)) return text;
  throw new InvalidArgumentError("It must be a time such as 2h, 30m or 2026-01-31T12:00.");
}
