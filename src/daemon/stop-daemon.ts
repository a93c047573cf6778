/** Ends a daemon: asks it, waits, and insists when it does not come to an end. */
import { isProcessGone, readLockOwner } from "../files/lock.ts";
import { sleep, steadyMs } from "../time.ts";
import { askDaemon } from "./ask-daemon.ts";
import { lockPath, type RunningDaemon } from "./run-file.ts";

/** How it went: by itself, by a signal after the time was up, or not at all. */
export type StopOutcome = "ended" | "killed" | "stays";

const POLL_MS = 150;
/** A process that was sent the signal that ends processes is gone within this, or never. */
const KILL_MS = 5000;
/** One that is told only now what it is to do ends first what is under way: longer than a capture drains. */
const DRAIN_MS = 15_000;

/**
 * Ask a daemon to end and wait for it. One that does not say that it will is told by SIGTERM at once. After `timeoutMs` its
 * process is sent SIGTERM, which ends at once one that is already stopping. `onWait` is told again and again how it stands.
 */
export async function stopDaemon(
  runDir: string,
  daemon: RunningDaemon,
  { timeoutMs, onWait }: { readonly timeoutMs: number; readonly onWait: (summary: string | null) => void },
  signal: AbortSignal,
): Promise<StopOutcome> {
  const isTold = await tell(daemon);
  const deadlineMs = steadyMs() + timeoutMs;
  while (steadyMs() < deadlineMs) {
    if (await hasEnded(runDir, daemon)) return "ended";
    onWait(await summaryOf(daemon));
    await sleep(POLL_MS, signal);
  }
  if (await hasEnded(runDir, daemon)) return "ended";
  terminate(daemon);
  const untilMs = steadyMs() + (isTold ? KILL_MS : DRAIN_MS);
  while (steadyMs() < untilMs) {
    if (await hasEnded(runDir, daemon)) return isTold ? "killed" : "ended";
    await sleep(POLL_MS, signal);
  }
  return "stays";
}

/** Whether it has been told to end. */
async function tell(daemon: RunningDaemon): Promise<boolean> {
  const asked = await askDaemon(daemon.url, "/stop", "POST");
  // Its server goes at the very end: a signal now would only cut that short.
  if (asked === null) return false;
  if (asked !== "silent" && asked.status === 202) return true;
  // Windows has no signal that a process hears.
  return process.platform !== "win32" && terminate(daemon);
}

/** False when the signal could not be sent: the process has gone this very moment, as will be seen, or is not ours. */
function terminate({ pid }: RunningDaemon): boolean {
  try {
    return process.kill(pid, "SIGTERM");
  } catch {
    return false;
  }
}

/** One line about how a daemon stands, from itself; null when it does not say. */
export async function summaryOf({ url }: RunningDaemon): Promise<string | null> {
  const asked = await askDaemon(url, "/status");
  if (asked === null || asked === "silent") return null;
  const { summary } = (asked.body ?? {}) as { summary?: unknown };
  return typeof summary === "string" ? summary : null;
}

/** The lock is given back last of all; one that cannot be read says nothing. */
async function hasEnded(runDir: string, { name, pid }: RunningDaemon): Promise<boolean> {
  if (isProcessGone(pid)) return true;
  try {
    return (await readLockOwner(lockPath(runDir, name)))?.pid !== pid;
  } catch {
    return false;
  }
}
