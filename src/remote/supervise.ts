/** Keeps a backend that is a program of its own running: starts it, waits for it, starts it again when it dies. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { SplatError, type ErrorCode } from "../errors.ts";
import type { Log } from "../log.ts";
import { sleep, steadyMs } from "../time.ts";
import { letGo, signalGroup } from "./process-group.ts";

export interface SuperviseOptions {
  /**
   * Program and arguments. It is given `--host`, `--port` and `--port-file`, and must end when its input does: so it
   * never outlives this process, however that ends.
   */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly host: string;
  /** 0 = any free one; it keeps the one that it got. */
  readonly port: number;
  /** Where it is to write the port that it got; overwritten, and removed at the end. */
  readonly portFile: string;
  readonly log: Log;
  /** Aborting ends the program, which saves first. */
  readonly signal: AbortSignal;
  /** Called each time it answers and is ready to train. */
  readonly onReady: (url: string) => void;
  /** How long a start may take; default 300 000. */
  readonly readyMs?: number | undefined;
  /** The first pause before it is started again; default 500. */
  readonly pauseMs?: number | undefined;
}

const LONGEST_PAUSE_MS = 30_000;
/** One that ran for so long did not die of how it was started: the pause begins anew. */
const LONG_LIFE_MS = 60_000;
const POLL_MS = 150;
/** The backend takes up to 60 s to save and send; past this it hangs. */
const END_MS = 90_000;
/** What it said last comes within so long after its end; past this something else holds its pipes. */
const DRAIN_MS = 2000;
/** Starts in a row that came to nothing, after which it is given up. */
const MAX_FAILURES = 5;
const LAST_LINES = 8;

/**
 * Run the program until the signal aborts; resolves when it has ended. Throws when its first start fails
 * (`not_configured`, `bad_input`, by its exit code), or five in a row later (`unreachable`), with its last words.
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const { log, signal, pauseMs = 500 } = options;
  let port = options.port;
  let failures = 0;
  let deaths = 0;
  let wasReady = false;
  try {
    while (!signal.aborted) {
      const startMs = steadyMs();
      const run = startRun({ ...options, port });
      const gotPort = await run.ready();
      if (gotPort !== null) {
        [port, wasReady] = [gotPort, true];
        options.onReady(urlOf(options.host, port));
        await run.untilEnded();
      }
      await run.end();
      if (signal.aborted) return;
      failures = gotPort === null ? failures + 1 : 0;
      if (!wasReady || failures >= MAX_FAILURES) throw run.failure();
      deaths = steadyMs() - startMs > LONG_LIFE_MS ? 0 : deaths + 1;
      const waitMs = Math.min(pauseMs * 2 ** deaths, LONGEST_PAUSE_MS);
      log.warn(`the backend ended unexpectedly (${run.how()}); starting it again in ${waitMs / 1000} s`);
      await sleep(waitMs, signal).catch(() => undefined);
    }
  } finally {
    await rm(options.portFile, { force: true });
  }
}

interface Run {
  /** The port once it is ready; null when it ended, hung or is to end. */
  ready(): Promise<number | null>;
  /** Until it ends or is to end. */
  untilEnded(): Promise<void>;
  /** Let it save and end; by force when it does not. */
  end(): Promise<void>;
  how(): string;
  failure(): SplatError;
}

function startRun(options: SuperviseOptions): Run {
  const { command, cwd, env, host, port, portFile, log, signal, readyMs = 300_000 } = options;
  const [file, ...args] = command;
  const child = spawn(file, [...args, "--host", host, "--port", String(port), "--port-file", portFile], {
    cwd,
    env: { ...env },
    stdio: ["pipe", "pipe", "pipe"],
    // Ctrl-C in the terminal is for this process, which tells the child by closing its input.
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      if (lines.length > LAST_LINES) lines.shift();
      log.info(`backend: ${line}`);
    });
  }
  child.stdin.on("error", () => undefined);
  const ended = new AbortController();
  // Not `close`: that waits for everything it has started, which may hold its pipes.
  child.once("exit", () => ended.abort());
  const closed = new AbortController();
  child.once("close", () => closed.abort());
  child.on("error", (error) => {
    lines.push(error.message);
    if (child.pid === undefined) ended.abort();
  });
  const over = AbortSignal.any([ended.signal, signal]);
  const untilEnded = (): Promise<void> =>
    new Promise((resolve) => {
      if (over.aborted) resolve();
      else over.addEventListener("abort", () => resolve(), { once: true });
    });
  return {
    untilEnded,
    ready: async () => {
      await rm(portFile, { force: true });
      const endMs = steadyMs() + readyMs;
      while (!over.aborted && steadyMs() < endMs) {
        const found = Number(await readFile(portFile, "utf8").catch(() => ""));
        if (found > 0 && (await isReady(urlOf(host, found), over))) return found;
        await sleep(POLL_MS, over).catch(() => undefined);
      }
      if (!over.aborted) lines.push(`it was not ready after ${readyMs / 1000} s`);
      return null;
    },
    end: async () => {
      child.stdin.end();
      await sleep(END_MS, ended.signal).catch(() => undefined);
      if (!ended.signal.aborted) log.warn("the backend does not end by itself; killing it");
      // Also what it has left behind, which may hold the GPU.
      signalGroup(child, "SIGKILL");
      await sleep(DRAIN_MS, closed.signal).catch(() => undefined);
      letGo(child);
    },
    how: () => howEnded(child),
    failure: () =>
      new SplatError(codeOf(child), `the backend does not run (${howEnded(child)})`, {
        hint: lines.join("\n  ") || undefined,
      }),
  };
}

async function isReady(url: string, signal: AbortSignal): Promise<boolean> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(5000)]);
  const answer = await fetch(`${url}/health`, { signal: within }).catch(() => null);
  const body: unknown = await answer?.json().catch(() => null);
  return typeof body === "object" && body !== null && "trainer_ready" in body && body.trainer_ready === true;
}

function howEnded({ exitCode, signalCode }: ChildProcess): string {
  return signalCode === null ? `exit code ${exitCode ?? "none"}` : signalCode;
}

function codeOf({ exitCode }: ChildProcess): ErrorCode {
  if (exitCode === 2) return "bad_input";
  return exitCode === 3 ? "not_configured" : "unreachable";
}

/** Where it is called from this machine: behind a wildcard lies the loopback. */
function urlOf(host: string, port: number): string {
  const bare = host.replace(/^\[|\]$/g, "");
  const name = { "0.0.0.0": "127.0.0.1", "::": "::1" }[bare] ?? bare;
  return name.includes(":") ? `http://[${name}]:${port}` : `http://${name}:${port}`;
}
