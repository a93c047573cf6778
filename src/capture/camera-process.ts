/** ffmpeg as a child that outlives nobody. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

/** ffmpeg that runs. */
export interface FfmpegProcess {
  readonly pictures: Readable;
  readonly lines: Readable;
  /** What it has said last. */
  readonly words: () => string;
  /** Resolves when it has ended and let go of everything. */
  readonly ended: Promise<void>;
  /** Null while it runs, and when a signal ended it. */
  readonly exitCode: () => number | null;
  /** End it, gently first. Resolves when it has. */
  end(): Promise<void>;
}

const END_AFTER_MS = 1500;
const MOST_WORDS = 8192;

/**
 * Runs a program beside a guard that waits for the end of descriptor 4, which this process holds open: when it dies,
 * however, the program is killed, even one that waits for a camera for ever. A SIGTERM to all is for the program alone:
 * should this process die before the program has, the guard is there still. Nobody else holds the pipes.
 */
const GUARDED = `
exec 5<&0
trap : TERM
"$@" <&5 4<&- 5<&- &
child=$!
trap '' TERM
( read -r line <&4; kill -KILL "$child" ) >/dev/null 2>&1 3>&- 5<&- &
guard=$!
trap : TERM
exec 0</dev/null >/dev/null 3>&- 4<&- 5<&-
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
kill -KILL "$guard" 2>/dev/null
exit "$code"
`;

/** Start `ffmpeg ...args`, which must be there. */
export function startFfmpeg(args: readonly string[]): FfmpegProcess {
  const isWindows = process.platform === "win32";
  const [program, argv] = isWindows
    ? ["ffmpeg", [...args]]
    : ["/bin/sh", ["-c", GUARDED, "sh", "ffmpeg", ...args]];
  const child = spawn(program, argv, {
    stdio: ["ignore", "pipe", "pipe", "pipe", isWindows ? "ignore" : "pipe"],
    // A group of its own: Ctrl-C is for us, who see the last pictures through.
    detached: !isWindows,
    windowsHide: true,
  });
  const [, pictures, errors, lines, lifeline] = child.stdio as [
    null,
    Readable,
    Readable,
    Readable,
    Writable | null,
  ];
  let words = "";
  errors.setEncoding("utf8").on("data", (text: string) => (words = (words + text).slice(-MOST_WORDS)));
  lines.setEncoding("utf8");
  for (const stream of [pictures, errors, lines, lifeline]) stream?.on("error", () => undefined);
  const ended = once(child, "close").then(
    () => undefined,
    () => undefined,
  );
  return {
    pictures,
    lines,
    words: () => words,
    ended,
    exitCode: () => child.exitCode,
    async end() {
      // A pipe that nobody reads would hold it up.
      pictures.resume();
      lines.resume();
      signalAll(child, "SIGTERM");
      const timer = setTimeout(() => signalAll(child, "SIGKILL"), END_AFTER_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  const { pid, exitCode, signalCode } = child;
  if (pid === undefined) return;
  if (process.platform === "win32") {
    if (exitCode === null && signalCode === null) child.kill(signal);
    return;
  }
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of it is left.
  }
}
