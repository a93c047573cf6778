/** Starts this program again as a daemon of its own, which stays when the terminal goes. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { EXIT_CODES, messageOf, SplatError, type ErrorCode } from "../errors.ts";
import { sleep, steadyMs } from "../time.ts";
import { logPath, openLog } from "./log-file.ts";
import { alreadyRuns } from "./run-daemon.ts";
import { findDaemon, type RunningDaemon } from "./run-file.ts";

export interface DetachOptions {
  readonly name: string;
  readonly runDir: string;
  readonly logDir: string;
  /** The program's script and what it is to be given. Secrets travel in the environment, where nobody lists them. */
  readonly argv: readonly string[];
  /** The whole environment of the child, which tells it that its output goes to `logPath`. */
  readonly environment: (logPath: string) => Readonly<Record<string, string | undefined>>;
  /** How long to wait for it to be under way; default 20 000. */
  readonly readyMs?: number | undefined;
}

/** A daemon that was started. Its `state` is still `starting` when its work was not under way in time. */
export interface Detached extends RunningDaemon {
  readonly log: string;
}

const READY_MS = 20_000;
/** It must say that it runs within this: a loaded machine takes seconds to start a program. */
const START_MS = 60_000;
const POLL_MS = 100;
const REASON_LINES = 5;

/**
 * Start the daemon and wait until its work is under way. Throws what it ended with when it ended at once, `bad_input`
 * when one of that name runs already or the log cannot be written, the signal's reason (the daemon is ended then too).
 */
export async function detach(options: DetachOptions, signal: AbortSignal): Promise<Detached> {
  const { name, runDir, logDir, argv, environment } = options;
  const running = await findDaemon(runDir, name);
  // Whether one of another host still lives shows by its lock, which the child looks at.
  if (running !== null && running.state !== "elsewhere") throw alreadyRuns(name, running);
  const path = resolve(logPath(logDir, name));
  const log = await openLog(path).catch((error: unknown) => {
    throw new SplatError("bad_input", `cannot write the log ${path}: ${messageOf(error)}`, {
      hint: "Make room or fix its permissions, or name another folder with SPLAT_LOG_DIR.",
      cause: error,
    });
  });
  const sizeBytes = (await log.stat()).size;
  try {
    const child = spawn(process.execPath, [...process.execArgv, ...argv], {
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
      env: environment(path),
      windowsHide: true,
    });
    const daemon = await waitForStart(child, options, signal);
    if (daemon === null) throw await reasonOf(child, { name, path, fromByte: sizeBytes });
    child.unref();
    return { ...daemon, log: path };
  } finally {
    await log.close();
  }
}

/** The daemon that the child has become; null when it has ended. When waiting ends otherwise, so does the child. */
async function waitForStart(
  child: ChildProcess,
  { name, runDir, readyMs = READY_MS }: DetachOptions,
  signal: AbortSignal,
): Promise<RunningDaemon | null> {
  const ended = new AbortController();
  for (const event of ["error", "exit"]) child.once(event, () => ended.abort());
  const startMs = steadyMs();
  try {
    for (;;) {
      const found = await findDaemon(runDir, name);
      if (ended.signal.aborted) return null;
      signal.throwIfAborted();
      const waitedMs = steadyMs() - startMs;
      if (found !== null && found.pid === child.pid && found.state !== "elsewhere") {
        if (found.state === "running" || waitedMs > readyMs) return found;
      } else if (waitedMs > START_MS) {
        throw new SplatError("partial", `the daemon "${name}" does not get going`);
      }
      await sleep(POLL_MS, AbortSignal.any([signal, ended.signal])).catch(() => undefined);
    }
  } catch (error) {
    child.kill("SIGTERM");
    throw error;
  }
}

/** The child's own last words, with the code it ended with. */
async function reasonOf(
  { exitCode }: ChildProcess,
  { name, path, fromByte }: { readonly name: string; readonly path: string; readonly fromByte: number },
): Promise<SplatError> {
  const log = await readFile(path).catch(() => Buffer.alloc(0));
  const printed = log.subarray(fromByte).toString().trimEnd();
  const [, said] = /^error: ([^]*)$/m.exec(printed) ?? [];
  const [message, ...more] = said?.split("\n") ?? [printed.split("\n").slice(-REASON_LINES).join("\n")];
  const [code] = Object.entries(EXIT_CODES).find(([, known]) => known === exitCode) ?? ["internal"];
  return new SplatError(code as ErrorCode, `the daemon "${name}" ended at once: ${message}`, {
    hint: [...more.map((line) => line.trim()), `Its log is ${path}`].join("\n  "),
  });
}
