/** `splatctl down`: end a daemon. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { resolveConfig } from "../config.ts";
import { DEFAULT_DAEMON } from "../daemon/daemon-name.ts";
import type { StopOutcome } from "../daemon/stop-daemon.ts";
import { SplatError } from "../errors.ts";
import { logFor, nonNegativeNumber, sceneOf, type BackendFlags } from "./flags.ts";
import { daemonName } from "./run-as-daemon.ts";
import { interruptSignal, printResult } from "./terminal.ts";

interface DownFlags extends BackendFlags {
  readonly timeout: number;
}

const DEFAULT_TIMEOUT_S = 30;

/** Add the command. */
export function registerDown(program: Command): void {
  withExamples(program.command("down"), [
    ["splatctl down", "end the daemon of the scene; it sends what is under way"],
    ["splatctl down left-arm --timeout 120", "end another one, and give it two minutes"],
  ])
    .description("end a daemon: it sends what is under way first")
    .argument("[name]", "which one (default: the scene's: SPLAT_SCENE, else main)", daemonName)
    .option("--timeout <s>", "end it at once after so long", nonNegativeNumber, DEFAULT_TIMEOUT_S)
    .option("--json", "print one JSON object")
    .action(async (name: string | undefined, _options, command: Command) =>
      down(name, command.optsWithGlobals<DownFlags>()),
    );
}

async function down(named: string | undefined, flags: DownFlags): Promise<void> {
  const config = await resolveConfig(flags);
  const { runDir } = config;
  const name = named ?? sceneOf(config);
  const { findDaemon, listDaemons, notHere } = await import("../daemon/run-file.ts");
  const daemon = await findDaemon(runDir, name);
  if (daemon === null) {
    const others = (await listDaemons(runDir)).map((other) =>
      other.state === "elsewhere" ? `${other.name} on ${other.host}` : other.name,
    );
    if (others.length > 0 && named !== undefined && name !== DEFAULT_DAEMON) {
      throw new SplatError("bad_input", `no daemon "${name}" runs`, {
        hint: `There runs: ${others.join(", ")}.`,
      });
    }
    const which = others.length === 0 ? "" : `; there runs: ${others.join(", ")}`;
    printResult(flags, { success: true, name, outcome: "none" }, `no daemon "${name}" runs${which}`);
    return;
  }
  if (daemon.state === "elsewhere") throw notHere(runDir, daemon);
  const { stopDaemon } = await import("../daemon/stop-daemon.ts");
  const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
  logFor(flags).info(`ending the daemon "${name}", process ${daemon.pid} (${daemon.what}) ...`);
  const line = flags.quiet === true ? hiddenProgressLine() : await openProgressLine();
  const onWait = (summary: string | null): void => line.update(`stopping: ${summary ?? "no word from it"}`);
  const options = { timeoutMs: flags.timeout * 1000, onWait };
  const outcome = await stopDaemon(runDir, daemon, options, interruptSignal()).finally(() => line.end());
  if (outcome === "stays") {
    throw new SplatError(
      "partial",
      `the daemon "${name}" does not end: process ${daemon.pid} is still there`,
      {
        hint: `What it has taken is safe on disk: kill -9 ${daemon.pid} ends it.`,
      },
    );
  }
  printResult(flags, { success: true, name, pid: daemon.pid, outcome }, describe(name, outcome, flags));
}

function describe(name: string, outcome: Exclude<StopOutcome, "stays">, { timeout }: DownFlags): string {
  if (outcome === "ended") return `daemon "${name}" has ended`;
  return `daemon "${name}" was not done after ${timeout} s and was ended at once; what it has taken is safe on disk`;
}
