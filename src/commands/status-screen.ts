/** Opens the dashboard on a terminal, and sees that the terminal is given back. */
import { readFileSync } from "node:fs";
import { hasColour } from "../colour.ts";
import { loadForProduction, resolveTerminal } from "../config.ts";
import type { RunOptions, RunningDashboard } from "../tui/dashboard-run.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Between two drawings, unless a key was pressed: each takes some milliseconds of a processor that trains. */
const DRAW_EVERY_MS = 1000;

/** Whether a stream is a terminal that a screen can be shown on, and whose keys are ours. */
export function canShowScreen({ isTTY, columns, rows }: NodeJS.WriteStream): boolean {
  const isTerminal = isTTY && process.stdin.isTTY && columns > 0 && rows > 0;
  return isTerminal && !resolveTerminal().isDumb && !isInBackground();
}

/** Whether a shell runs us behind its prompt: to ask for keys would stop us. Known on Linux alone (proc_pid_stat(5)). */
function isInBackground(): boolean {
  if (process.platform !== "linux") return false;
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    // After the name, which may hold anything: state, parent, group, session, terminal, the terminal's group.
    const [, , group, , , atTerminal] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(atTerminal) > 0 && group !== atTerminal;
  } catch {
    return false;
  }
}

/** Show the dashboard until it is closed. What draws it is loaded here. */
export async function openDashboard(
  options: Omit<RunOptions, "keyboard" | "isColored" | "isUnicode" | "intervalMs"> & {
    readonly intervalMs?: number | undefined;
    /** Aborts when it has been told to end: from then on a signal ends the process at once. */
    readonly ending: AbortSignal;
  },
): Promise<RunningDashboard> {
  const { isUnicode } = resolveTerminal();
  const isColored = hasColour(options.terminal === process.stderr ? "stderr" : "stdout");
  const { runDashboard } = await loadForProduction(() => import("../tui/dashboard-run.ts"));
  const { intervalMs = DRAW_EVERY_MS } = options;
  const running = runDashboard({ ...options, keyboard: process.stdin, isColored, isUnicode, intervalMs });
  const release = closeAtSecondSignal(options.ending, () => running.close());
  return {
    ...running,
    close() {
      release();
      running.close();
    },
  };
}

/** A second signal ends the process without any of its `finally`: the terminal is given back before. */
function closeAtSecondSignal(ending: AbortSignal, close: () => void): () => void {
  let isEnding = false;
  ending.addEventListener("abort", () => setImmediate(() => (isEnding = true)), { once: true });
  const release = (): void => SIGNALS.forEach((name) => process.off(name, onSignal));
  const onSignal = (name: NodeJS.Signals): void => {
    if (!isEnding) return;
    release();
    close();
    process.kill(process.pid, name);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return release;
}
