/** What commands that may run on in the background have in common. */
import { InvalidArgumentError, type Command } from "commander";
import { detachedEnvironment, type Config } from "../config.ts";
import { DAEMON_NAME } from "../daemon/daemon-name.ts";
import type { DaemonContext } from "../daemon/run-daemon.ts";
import { createLog, type Log } from "../log.ts";
import type { HeldLines } from "../tui/held-lines.ts";
import type { ProgressLine } from "../tui/progress-line.ts";
import { logFor, sceneOf, type BackendFlags } from "./flags.ts";
import { interruptSignal, printResult } from "./terminal.ts";

/** Flags of a command that runs as a daemon. */
export interface DaemonFlags extends BackendFlags {
  /** Default: the scene's. */
  readonly name?: string;
  readonly detach?: boolean;
}

/** What a daemon shows; nothing moves where it is detached. */
export interface DaemonTerminal {
  readonly log: Log;
  readonly line: ProgressLine;
  /** What is told, where the work is to show a screen in place of the line; else null. */
  readonly held: HeldLines | null;
}

/** A daemon's work, as a command gives it. */
export interface DaemonJob<T> {
  readonly config: Config;
  /** What it does, in a few words. */
  readonly what: string;
  /** Whether others can ask it for joints. */
  readonly relays: boolean;
  /** Port of its server; default any free one. */
  readonly port?: number | undefined;
  /** Whether the work shows a screen where it can: on a terminal that it is not hidden from. */
  readonly hasScreen?: boolean | undefined;
  readonly work: (context: DaemonContext, terminal: DaemonTerminal) => Promise<T>;
}

/** Add `--name` and `--detach`. */
export function withDaemon(command: Command): Command {
  return command
    .optionsGroup("Daemon:")
    .option("--name <name>", "what it is called, to run several at once (default: as the scene)", daemonName)
    .option("--detach", "go on in the background: see splatctl ps, logs and down")
    .optionsGroup("Options:");
}

/** A parser for names of daemons. */
export function daemonName(text: string): string {
  if (DAEMON_NAME.test(text)) return text;
  throw new InvalidArgumentError("It must be 1 to 32 of a-z, 0-9 and -.");
}

/**
 * Do a job as a daemon: here, or, with --detach, in a process of its own that is then printed.
 * @returns what the work returned; null when it goes on elsewhere, or was interrupted.
 */
export async function runAsDaemon<T>(flags: DaemonFlags, job: DaemonJob<T>): Promise<T | null> {
  const { config, what, relays, port, work } = job;
  const scene = sceneOf(config);
  const name = flags.name ?? scene;
  if (flags.detach === true && config.detachedLog === undefined) {
    await startDetached(name, flags, config);
    return null;
  }
  const { runDaemon } = await import("../daemon/run-daemon.ts");
  const terminal = await openTerminal(flags, config, job.hasScreen === true);
  const { runDir, url: backend, detachedLog: logPath } = config;
  const { log } = terminal;
  try {
    const jobOf = (context: DaemonContext): Promise<T> => work(context, terminal);
    const about = { name, what, relays, backend, scene };
    return await runDaemon({ ...about, runDir, log, logPath, port, work: jobOf });
  } finally {
    terminal.line.end();
  }
}

async function startDetached(name: string, flags: DaemonFlags, { runDir, logDir }: Config): Promise<void> {
  const { detach } = await import("../daemon/detach.ts");
  const log = logFor(flags);
  log.info(`starting the daemon "${name}" ...`);
  const [script, ...args] = process.argv.slice(1);
  // These two are about what is printed here; there it is a log.
  const argv = [script, ...args.filter((arg) => arg !== "--json" && arg !== "--quiet")];
  const daemon = await detach(
    { name, runDir, logDir, argv, environment: detachedEnvironment },
    interruptSignal(),
  );
  const { pid, url, what, log: path, state } = daemon;
  const isReady = state === "running";
  if (!isReady) log.warn(`it is still starting: see splatctl logs ${name}`);
  printResult(
    flags,
    { success: true, name, pid, url, what, log: path, ready: isReady },
    `daemon "${name}" runs: ${what}, process ${pid}, at ${url}\nlog ${path}`,
  );
}

async function openTerminal(
  flags: DaemonFlags,
  { detachedLog }: Config,
  hasScreen: boolean,
): Promise<DaemonTerminal> {
  const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
  const { level } = logFor(flags);
  const isShown = detachedLog === undefined && flags.quiet !== true;
  if (isShown && hasScreen && flags.json !== true) {
    const held = await holdLines();
    if (held !== null) {
      const line = { ...hiddenProgressLine(), end: () => held.release(process.stderr) };
      return { log: createLog(level, (text) => held.say(text.trimEnd())), line, held };
    }
  }
  const line = isShown ? await openProgressLine() : hiddenProgressLine();
  // Lines that are read later say when they were written.
  const stamp = (): string => (detachedLog === undefined ? "" : `${new Date().toISOString()} `);
  const log = createLog(level, (text) => line.say(`${stamp()}${text.trimEnd()}`));
  return { log, line, held: null };
}

/** Null where no screen can be shown. */
async function holdLines(): Promise<HeldLines | null> {
  const { canShowScreen } = await import("./status-screen.ts");
  if (!canShowScreen(process.stderr)) return null;
  return new (await import("../tui/held-lines.ts")).HeldLines();
}
