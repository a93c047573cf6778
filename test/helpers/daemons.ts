/** Daemons in processes of their own, and what they print. Everything started here is gone when the test ends. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { listDaemons } from "../../src/daemon/run-file.ts";
import { sleep } from "../../src/time.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const TRIVIAL = fileURLToPath(new URL("../daemon/trivial-daemon.mjs", import.meta.url));

/** A process under way. */
export interface Started {
  readonly child: ChildProcess;
  /** Everything printed so far, both streams. */
  readonly output: string;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  /** Wait until it has printed something; fails when it ends without. */
  until(wanted: string | RegExp): Promise<void>;
}

/** Start `splatctl ...args`. */
export function startSplatctl(args: readonly string[], env: Readonly<Record<string, string>>): Started {
  return start([BIN, ...args], env);
}

/** Start `trivial-daemon.mjs`. */
export function startTrivial(args: readonly string[]): Started {
  return start([TRIVIAL, ...args], {});
}

function start(argv: readonly string[], env: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, argv, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  let hasEnded = false;
  const ended = new Promise<number | string | null>((resolve) =>
    child.on("close", (code, signal) => {
      hasEnded = true;
      resolve(code ?? signal);
    }),
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  return {
    child,
    get output() {
      return output;
    },
    ended,
    async until(wanted) {
      const isThere = (): boolean =>
        typeof wanted === "string" ? output.includes(wanted) : wanted.test(output);
      while (!isThere()) {
        if (hasEnded) throw new Error(`it ended without printing ${String(wanted)}:\n${output}`);
        await sleep(10);
      }
    },
  };
}

/** End whatever daemons of this folder still run when the test is over. */
export function endDaemonsAfterwards(runDir: string): void {
  onTestFinished(async () => {
    for (const { pid, state } of await listDaemons(runDir)) {
      if (state === "elsewhere") continue; // its number is another's here
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile, by itself or as somebody's child.
      }
    }
  });
}
