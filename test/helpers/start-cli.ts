/** The program as a process that goes on: what it says meanwhile, and signals. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { BucketSettings } from "../../src/remote/r2-settings.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

export interface RunningCli {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The first match of what it printed on either, past or to come. Throws when it ends without. */
  saying(pattern: RegExp): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  /** Close this end of its stdout. */
  stopReading(): void;
  /** Its exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** Start `splatctl ...args` without any setting from this process's environment. Killed when the test ends. */
export function startCli(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): RunningCli {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:SPLAT|R2|AWS)_/.test(name));
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: options.cwd,
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (stdout += piece));
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (stderr += piece));
  let isOver = false;
  const ended = once(child, "close").then(([code]) => {
    isOver = true;
    return code as number | null;
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return {
    stdout: () => stdout,
    stderr: () => stderr,
    async saying(pattern) {
      for (;;) {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match !== null) return match;
        if (isOver) throw new Error(`splatctl ${args[0]} ended: ${stderr}${stdout}`);
        await Promise.race([once(child.stdout, "data"), once(child.stderr, "data"), ended]);
      }
    },
    signal: (name) => void child.kill(name),
    stopReading: () => void child.stdout.destroy(),
    ended,
  };
}

/** The settings of a bucket as a user sets them. */
export function bucketEnvironment(settings: BucketSettings): Record<string, string> {
  return {
    R2_ENDPOINT_URL: settings.endpoint,
    R2_BUCKET_NAME: settings.bucket,
    AWS_ACCESS_KEY_ID: settings.accessKeyId,
    AWS_SECRET_ACCESS_KEY: settings.secretAccessKey,
    ...(settings.publicUrl === null ? {} : { R2_PUBLIC_URL: settings.publicUrl }),
  };
}
