/** A program as a whole process: how long it takes, what it prints, and the most memory that it had. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const LOOK_MS = 25;

/** Run it to its end. Throws when it fails. */
export async function timed(command, args, env = {}) {
  const startMs = performance.now();
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (piece) => (stdout += piece));
  child.stderr.on("data", (piece) => (stderr += piece));
  let peakBytes = 0;
  const look = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(child.pid))), LOOK_MS);
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const seconds = (performance.now() - startMs) / 1000;
  clearInterval(look);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${stderr.slice(-2000)}`);
  return { seconds, stdout, peakBytes };
}

/** Linux only: elsewhere 0. */
function peakOf(pid) {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The first line that a program says of its version; null when it is not there. */
export function versionOf(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0].trim() : null;
}
