/** `splatctl ps`: the daemons that run. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { resolveConfig } from "../config.ts";
import type { RunningDaemon } from "../daemon/run-file.ts";
import { nowS } from "../time.ts";
import { duration } from "../quantities.ts";
import { describeBackend, type BackendFlags } from "./flags.ts";
import { alignTable, type Column } from "./table.ts";
import { columnsOf, printResult } from "./terminal.ts";

/** Add the command. */
export function registerPs(program: Command): void {
  withExamples(program.command("ps"), [
    ["splatctl ps", "name, process, and what each one does"],
    ["splatctl ps --json", "the same as one JSON object"],
  ])
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

const COLUMNS: readonly Column[] = [
  { title: "NAME" },
  { title: "PID", leaveOut: 1 },
  { title: "UP", leaveOut: 2 },
  { title: "STATE" },
  { title: "WHAT", leaveOut: 3 },
  { title: "BACKEND", leaveOut: 5 },
  { title: "", leaveOut: 4 },
];

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
  return alignTable(COLUMNS, rows, columnsOf(process.stdout)).join("\n");
}

function stateWords({ state, host }: RunningDaemon): string {
  if (state === "elsewhere") return `on ${host}`;
  return state === "silent" ? "does not answer" : state;
}

/** Not below zero, should the clock have been set back. */
function upS({ started_at }: RunningDaemon): number {
  return Math.max(0, nowS() - started_at);
}
