/** `splatctl ps`: the daemons that run. */
import type { Command } from "commander";
import { resolveConfig } from "../config.ts";
import type { RunningDaemon } from "../daemon/run-file.ts";
import { nowS } from "../time.ts";
import { describeBackend, type BackendFlags } from "./flags.ts";
import { printResult } from "./terminal.ts";

/** Add the command. */
export function registerPs(program: Command): void {
  program
    .command("ps")
    .description("list the daemons that run")
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => list(command.optsWithGlobals<BackendFlags>()));
}

/** A daemon, and what it says of itself in one line. */
interface Listed {
  readonly daemon: RunningDaemon;
  readonly summary: string | null;
}

async function list(flags: BackendFlags): Promise<void> {
  const { runDir } = await resolveConfig(flags);
  const { listDaemons } = await import("../daemon/run-file.ts");
  const { summaryOf } = await import("../daemon/stop-daemon.ts");
  const daemons = await listDaemons(runDir);
  const listed = await Promise.all(
    daemons.map(async (daemon) => ({
      daemon,
      summary: daemon.state === "elsewhere" ? null : await summaryOf(daemon),
    })),
  );
  printResult(flags, { success: true, daemons: listed.map(daemonJson) }, describe(listed));
}

function daemonJson({ daemon, summary }: Listed): object {
  return { ...daemon, up_s: upS(daemon), summary };
}

const TITLES = ["NAME", "PID", "UP", "STATE", "WHAT", "BACKEND", ""];

function describe(listed: readonly Listed[]): string {
  if (listed.length === 0) return "no daemon runs";
  const rows = listed.map(({ daemon, summary }) => [
    daemon.name,
    String(daemon.pid),
    duration(upS(daemon)),
    stateWords(daemon),
    daemon.what,
    describeBackend(daemon.backend, daemon.scene),
    summary ?? "",
  ]);
  const widths = TITLES.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const shown = [TITLES, ...rows].map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  "));
  return shown.map((row) => row.trimEnd()).join("\n");
}

function stateWords({ state, host }: RunningDaemon): string {
  if (state === "elsewhere") return `on ${host}`;
  return state === "silent" ? "does not answer" : state;
}

/** Not below zero, should the clock have been set back. */
function upS({ started_at }: RunningDaemon): number {
  return Math.max(0, nowS() - started_at);
}

/** In two units: 2 d 3 h. */
function duration(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, sizeS]) => seconds >= sizeS);
  if (first < 0) return "0 s";
  const parts = units.slice(first, first + 2).map(([unit, sizeS], i) => {
    const above = i === 0 ? Infinity : units[first][1];
    return `${Math.floor((seconds % above) / sizeS)} ${unit}`;
  });
  return parts.join(" ");
}
