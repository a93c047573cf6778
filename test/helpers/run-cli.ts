/** Runs the program as a user does: its own process, from bin/. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { BucketSettings } from "../../src/remote/r2-settings.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

/** The variables by which a run knows a bucket. */
export function bucketEnv({
  endpoint,
  bucket,
  accessKeyId,
  secretAccessKey,
  publicUrl,
}: BucketSettings): Record<string, string> {
  return {
    R2_ENDPOINT_URL: endpoint,
    R2_BUCKET_NAME: bucket,
    AWS_ACCESS_KEY_ID: accessKeyId ?? "",
    AWS_SECRET_ACCESS_KEY: secretAccessKey ?? "",
    R2_PUBLIC_URL: publicUrl ?? "",
  };
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Run `splatctl ...args` in `cwd`, without any setting from this process's environment. */
export function runCli(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ran> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:SPLAT|R2|AWS)_/.test(name));
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: options.cwd,
    env: { ...Object.fromEntries(inherited), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (piece: Buffer) => stdout.push(piece));
  child.stderr.on("data", (piece: Buffer) => (stderr += piece.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
  });
}
