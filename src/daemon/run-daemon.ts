/** What every daemon has around its work: one owner per name, a file that says it runs, a server, and a gentle end. */
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { MAIN_SCENE } from "../api/limits.ts";
import { messageOf, SplatError } from "../errors.ts";
import { startServer } from "../http/server.ts";
import type { Log } from "../log.ts";
import { lockFile, type FileLock, type LockOwner } from "../files/lock.ts";
import { nowS } from "../time.ts";
import { createControlApp, type ControlParts, type DaemonState } from "./control-app.ts";
import { lockPath, removeRunFile, writeRunFile, type RunFile } from "./run-file.ts";
import { openStopSwitch, type StopSwitch } from "./stop-signals.ts";

export interface DaemonOptions<T> {
  /** As `DAEMON_NAME`; one daemon runs under it. */
  readonly name: string;
  /** Folder where daemons say that they run. */
  readonly runDir: string;
  /** What it does, in a few words: `relay serial`. */
  readonly what: string;
  /** URL of the backend that it sends to. */
  readonly backend: string;
  /** Which of its scenes; default the main one. */
  readonly scene?: string | undefined;
  /** Whether others can ask it for joints; default no. */
  readonly relays?: boolean | undefined;
  readonly log: Log;
  /** Where its output goes, when it is detached. */
  readonly logPath?: string | undefined;
  /** Port of its server; default any free one. */
  readonly port?: number | undefined;
  /** Runs until the signal aborts, then sees through what is under way. */
  readonly work: (context: DaemonContext) => Promise<T>;
}

/** What the work is given. */
export interface DaemonContext {
  /** Aborts at the first Ctrl-C or POST /stop. */
  readonly signal: AbortSignal;
  /** Let it end, as the first Ctrl-C does. */
  readonly stop: () => void;
  /** The daemon's own server, no trailing slash. */
  readonly url: string;
  /** The work is under way: whoever waits for the start may go. */
  readonly ready: () => void;
  /** Put something behind the server's routes; what is not named stays as it is. */
  readonly expose: (parts: Partial<ControlParts>) => void;
}

const NOTHING: ControlParts = {
  status: () => ({}),
  joints: null,
  takeJoints: null,
  jointsFrom: null,
  pause: null,
};

/**
 * Run a daemon to its end. @returns what the work returned; null when it was interrupted instead of returning.
 * Throws `bad_input` when one of that name runs already, the port is taken or the folder cannot be used, and what the
 * work throws.
 */
export async function runDaemon<T>(options: DaemonOptions<T>): Promise<T | null> {
  const { name, runDir } = options;
  const lock = await takeLock(runDir, name);
  const stopSwitch = openStopSwitch();
  const onLost = (): void => stopSwitch.stop(lock.lost.reason as SplatError);
  lock.lost.addEventListener("abort", onLost, { once: true });
  try {
    const result = await serve(options, stopSwitch);
    if (lock.lost.aborted) throw lock.lost.reason;
    return result;
  } finally {
    stopSwitch.close();
    await lock.release();
  }
}

async function serve<T>(options: DaemonOptions<T>, { signal, stop }: StopSwitch): Promise<T | null> {
  const { name, runDir, what, backend, scene = MAIN_SCENE, relays = false, log, logPath = null } = options;
  let state: DaemonState = "starting";
  let parts = NOTHING;
  signal.addEventListener("abort", () => {
    state = "stopping";
    log.info("stopping: what is under way is seen through; another signal ends at once");
  });
  const about = { what, relays, backend, scene, started_at: nowS() };
  const app = createControlApp({
    identity: { name, pid: process.pid, ...about },
    status: () => parts.status(),
    get state() {
      return state;
    },
    get joints() {
      return parts.joints;
    },
    get takeJoints() {
      return parts.takeJoints;
    },
    get jointsFrom() {
      return parts.jointsFrom;
    },
    get pause() {
      return parts.pause;
    },
    stop: () => stop(),
    log,
  });
  const server = await startServer({
    host: "127.0.0.1",
    port: options.port ?? 0,
    fetch: (request) => app.fetch(request),
  });
  const run: RunFile = { name, pid: process.pid, host: hostname(), url: server.url, ...about, log: logPath };
  try {
    await writeRunFile(runDir, run);
    log.info(
      `daemon "${name}", process ${process.pid}, at ${server.url}; end it with ${logPath === null ? "Ctrl-C or " : ""}${downCall(name)}`,
    );
    const ready = (): void => {
      if (state === "starting") state = "running";
    };
    const expose = (more: Partial<ControlParts>): void => void (parts = { ...parts, ...more });
    return await options.work({ signal, stop: () => stop(), url: server.url, ready, expose });
  } catch (error) {
    if (signal.aborted && error instanceof SplatError && error.code === "interrupted") return null;
    throw error;
  } finally {
    // Before the server goes: whoever finds the file finds somebody who answers.
    await removeRunFile(runDir, run).catch(() => undefined);
    await server.close();
  }
}

async function takeLock(runDir: string, name: string): Promise<FileLock> {
  const path = lockPath(runDir, name);
  try {
    await mkdir(runDir, { recursive: true, mode: 0o700 });
    return await lockFile(path, {
      inUse: (owner) => alreadyRuns(name, owner, path),
      lost: () =>
        new SplatError("bad_input", `the daemon "${name}" had to end: ${path} is gone or another's`, {
          hint: "Frames that were sent are safe. Start it again.",
        }),
    });
  } catch (error) {
    if (error instanceof SplatError) throw error;
    throw new SplatError("bad_input", `cannot use the folder ${runDir}: ${messageOf(error)}`, {
      hint: "Fix its permissions, or name another one with SPLAT_RUN_DIR.",
      cause: error,
    });
  }
}

/** `bad_input`: one daemon per name. */
export function alreadyRuns(
  name: string,
  owner: Pick<LockOwner, "pid" | "host"> | null,
  path?: string,
): SplatError {
  const where = owner === null || owner.host === hostname() ? "" : ` on ${owner.host}`;
  const who = owner === null ? "another process" : `process ${owner.pid}${where}`;
  return new SplatError("bad_input", `a daemon "${name}" runs already: ${who}`, {
    hint:
      `End it${where} with ${downCall(name)}, or give this one another name with --name.` +
      (path === undefined ? "" : ` If none runs, remove ${path}`),
  });
}

function downCall(name: string): string {
  return `\`splatctl down ${name}\``;
}
