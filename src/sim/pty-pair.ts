/** Two pseudo-terminals joined like the ends of a serial cable, so that drivers open a real tty. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface PtyPair {
  /** Paths of the two ends. What is written to one is read from the other. */
  readonly a: string;
  readonly b: string;
  /** Pull the cable out: both ends vanish, whoever holds them open. */
  close(): Promise<void>;
}

/** Where no pair can be had: why. */
export interface NoPty {
  readonly reason: string;
}

const START_MS = 10_000;

/** The same in Python, where there is no socat. Prints what socat prints once both ends are there. */
const PYTHON_PAIR = `
import os, pty, select, sys, tty
ends = [pty.openpty() for _ in range(2)]
for (_, slave), link in zip(ends, sys.argv[1:]):
    tty.setraw(slave)
    os.symlink(os.ttyname(slave), link)
print("starting data transfer loop", file=sys.stderr, flush=True)
(a, _), (b, _) = ends
while True:
    for one in select.select([a, b], [], [])[0]:
        os.write(b if one == a else a, os.read(one, 4096))
`;

/**
 * A pair of ends named `a` and `b` in `folder`, by default a new one that goes with the pair. The same folder again makes
 * the same paths again: a cable that was plugged back in. Programs may open and close the ends as they like: the cable
 * stays until it is closed.
 */
export async function openPtyPair(folder?: string): Promise<PtyPair | NoPty> {
  if (process.platform === "win32") return { reason: "Windows has no pseudo-terminals with paths" };
  const place = folder ?? mkdtempSync(join(tmpdir(), "splatctl-pty-"));
  const [a, b] = [join(place, "a"), join(place, "b")];
  const commands: [string, string[]][] = [
    ["socat", ["-d", "-d", `pty,raw,echo=0,link=${a}`, `pty,raw,echo=0,link=${b}`]],
    ["python3", ["-c", PYTHON_PAIR, a, b]],
  ];
  const reasons: string[] = [];
  for (const [command, args] of commands) {
    const child = await started(command, args);
    if (typeof child !== "string")
      return { a, b, close: () => close(child, folder === undefined ? [place] : [a, b]) };
    reasons.push(`${command}: ${child}`);
  }
  if (folder === undefined) rmSync(place, { recursive: true, force: true });
  return { reason: `no pseudo-terminals: ${reasons.join("; ")}` };
}

/** The child once the pair is there, or why it is not. */
function started(command: string, args: readonly string[]): Promise<ChildProcess | string> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  return new Promise((resolve) => {
    let said = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    const settle = (outcome: ChildProcess | string): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("starting data transfer loop")) settle(child);
    });
    child.on("error", (error) => settle(error.message));
    child.on("exit", () => settle(said.trim().split("\n").at(-1) ?? "it ended"));
  });
}

async function close(child: ChildProcess, leftovers: readonly string[]): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
  for (const path of leftovers) rmSync(path, { recursive: true, force: true });
}
