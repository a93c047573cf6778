/** Runs Modal's program, the only thing that can deploy to Modal: one call, what it printed, how it ended. */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { plainText } from "./modal-text.ts";
import { hasEnded, letGo, signalGroup } from "./process-group.ts";

/** Where it is and how it is called. */
export interface Modal {
  /** The program and what comes before its own arguments. */
  readonly command: readonly string[];
  /** Such as `1.6.4`. */
  readonly version: string;
  /** The Python that it runs in, where that is known: the only way to ask for an address without reading prose. */
  readonly python: readonly string[] | null;
  /** The environment for it, given what a call adds. Carries no secret of ours. */
  readonly environment: ModalEnvironment;
  /** As in {@link RunOptions}, for every run. */
  readonly graceMs?: number | undefined;
}

export type ModalEnvironment = (
  variables?: Readonly<Record<string, string>>,
) => Readonly<Record<string, string>>;

export interface RunOptions {
  /** What is added to the environment. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Default: a folder without Python files. `python -m` and `-c` would take a `modal.py` of the user's for Modal. */
  readonly cwd?: string;
  /** Told every line as it comes, without colours. */
  readonly onLine?: ((line: string, stream: "stdout" | "stderr") => void) | undefined;
  /** Passed on to the program as Ctrl-C. */
  readonly signal?: AbortSignal | undefined;
  /** It is ended after so long; default never. */
  readonly timeoutMs?: number | undefined;
  /** After Ctrl-C it may tidy up for so long; default 10 s. */
  readonly graceMs?: number | undefined;
}

/** How a run ended; of what it printed, the last lines, some thousands of them. */
export interface Ran {
  /** Exit code; null when a signal or the time-out ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Ours, which holds none of anybody's modules. */
const HERE = fileURLToPath(new URL(".", import.meta.url));
/** A log may be followed for days. */
const KEPT_LINES = 5000;
/** After Ctrl-C it may tidy up for so long. */
const GRACE_MS = 10_000;

/**
 * Run `modal ...args`; however it ends is for the caller to judge. Throws when it cannot be started, and on Ctrl-C,
 * unless it ended well all the same: then what it did is done.
 */
export function runModal(modal: Modal, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return run([...modal.command, ...args], modal.environment, { graceMs: modal.graceMs, ...options });
}

/** Run a program with the environment of Modal's; as {@link runModal}. */
export async function run(
  [program, ...args]: readonly string[],
  environment: ModalEnvironment,
  { variables, cwd = HERE, onLine, signal, timeoutMs, graceMs = GRACE_MS }: RunOptions = {},
): Promise<Ran> {
  signal?.throwIfAborted();
  const child = spawn(program, args, {
    cwd,
    env: environment(variables),
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
    // A group of its own: a terminal's Ctrl-C reaches it once, from us.
    detached: process.platform !== "win32",
  });
  const stdout = collect(child.stdout, (line) => onLine?.(line, "stdout"));
  const stderr = collect(child.stderr, (line) => onLine?.(line, "stderr"));
  const interrupt = (): void => end(child, graceMs);
  signal?.addEventListener("abort", interrupt, { once: true });
  const timer = timeoutMs === undefined ? undefined : setTimeout(interrupt, timeoutMs);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (code !== 0) signal?.throwIfAborted();
    return { code, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", interrupt);
  }
}

/** `uvx` does not pass a signal on to the program that it runs, so all of them are told. */
function end(child: ChildProcess, graceMs: number): void {
  signalGroup(child, "SIGINT");
  const killed = setTimeout(() => {
    signalGroup(child, "SIGKILL");
    if (hasEnded(child)) letGo(child);
    else child.once("exit", () => letGo(child));
  }, graceMs);
  child.once("close", () => clearTimeout(killed));
}

/** The lines of a stream so far, each told as it comes. */
function collect(stream: Readable, onLine: (line: string) => void): readonly string[] {
  const lines: string[] = [];
  createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
    const plain = plainText(line);
    lines.push(plain);
    if (lines.length > 2 * KEPT_LINES) lines.splice(0, KEPT_LINES);
    onLine(plain);
  });
  return lines;
}
