/** Ends a program together with whatever it has started. */
import { spawn, type ChildProcess } from "node:child_process";

/** Whether a program has ended, whoever may still hold its pipes. */
export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Send a signal to a child that leads a group of its own (`detached`), and to all of that group. */
export function signalGroup(child: ChildProcess, signal: "SIGINT" | "SIGKILL"): void {
  const { pid } = child;
  if (pid === undefined) return;
  if (process.platform === "win32") {
    // There are no groups to signal, and what the tree was is not known once its root is gone.
    if (hasEnded(child)) return;
    const options = { stdio: "ignore", windowsHide: true } as const;
    spawn("taskkill", ["/pid", String(pid), "/T", "/F"], options).on("error", () => child.kill(signal));
    return;
  }
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of it is left.
  }
}

/** Stop listening to a program's output: what has left its group may hold the pipes for ever. */
export function letGo({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}
