/** Runs a command of the user's after each chunk: in order, one at a time. */
import { spawn, type ChildProcess } from "node:child_process";
import { resolve } from "node:path";
import type { DownloadResult } from "../chunks/download.ts";
import { commandEnvironment } from "../config.ts";
import { messageOf } from "../errors.ts";
import { signalGroup } from "../remote/process-group.ts";

export interface CommandEnd {
  readonly result: DownloadResult;
  /** Null when a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it was not started; null when it was. */
  readonly error: string | null;
}

/** So long a command may take to end after it was told to. */
const END_MS = 5000;
/** Where a shell puts a variable's value into the line before it reads the line. */
const CMD_SPECIAL = /["%&^!|<>]/;

/** What waits for its turn; end it with `ended`. */
export class CommandQueue {
  readonly #command: string;
  readonly #onEnd: (end: CommandEnd) => void;
  readonly #signal: AbortSignal;
  #last: Promise<void> = Promise.resolve();
  #failures = 0;

  /** Once the signal aborts, the command that runs is interrupted, and none is started. */
  constructor(command: string, onEnd: (end: CommandEnd) => void, signal: AbortSignal) {
    this.#command = command;
    this.#onEnd = onEnd;
    this.#signal = signal;
  }

  /** Commands that did not end with 0, but for one that was interrupted. */
  get failures(): number {
    return this.#failures;
  }

  /** Run the command for this chunk when its turn comes. */
  add(result: DownloadResult): void {
    this.#last = this.#last.then(() => this.#run(result));
  }

  /** Resolves when nothing runs and nothing waits. */
  async ended(): Promise<void> {
    await this.#last;
  }

  async #run(result: DownloadResult): Promise<void> {
    if (this.#signal.aborted) return;
    const end = await runCommand(this.#command, result, this.#signal);
    const hasFailed = end.code !== 0;
    if (hasFailed && this.#signal.aborted) return;
    if (hasFailed) this.#failures++;
    this.#onEnd(end);
  }
}

/** Through the shell; the chunk is told by variables alone, since its name is input from elsewhere. */
async function runCommand(
  command: string,
  result: DownloadResult,
  interrupted: AbortSignal,
): Promise<CommandEnd> {
  const { entry } = result;
  const isWindows = process.platform === "win32";
  if (isWindows && CMD_SPECIAL.test(entry.sessionId + entry.name)) {
    return { result, code: null, signal: null, error: "its name means something to this system's shell" };
  }
  let child: ChildProcess;
  try {
    child = spawn(command, {
      shell: true,
      // Ctrl-C in the terminal is for this process, which passes it on.
      detached: !isWindows,
      windowsHide: true,
      // What it prints is no result of ours.
      stdio: ["ignore", 2, 2],
      env: commandEnvironment(variablesOf(result)),
    });
  } catch (thrown) {
    // What no system takes, such as too long a command, is thrown and not told by an event.
    return { result, code: null, signal: null, error: messageOf(thrown) };
  }
  let force: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    signalGroup(child, "SIGINT");
    force = setTimeout(() => signalGroup(child, "SIGKILL"), END_MS);
  };
  interrupted.addEventListener("abort", interrupt, { once: true });
  try {
    return { result, ...(await ending(child)) };
  } finally {
    interrupted.removeEventListener("abort", interrupt);
    clearTimeout(force);
  }
}

function ending(child: ChildProcess): Promise<Omit<CommandEnd, "result">> {
  return new Promise((done) => {
    child.once("error", ({ message }) => done({ code: null, signal: null, error: message }));
    child.once("exit", (code, signal) => done({ code, signal, error: null }));
  });
}

function variablesOf({ entry, path }: DownloadResult): Record<string, string> {
  return {
    SPLAT_CHUNK_PATH: resolve(path),
    SPLAT_CHUNK_NAME: entry.name,
    SPLAT_CHUNK_INDEX: String(entry.index ?? ""),
    SPLAT_CHUNK_LAST_FRAME: String(entry.lastFrame ?? ""),
    SPLAT_SESSION_ID: entry.sessionId,
    SPLAT_SCENE: entry.scene,
  };
}
