/** The real program as benchmarks run it: to its end, or as a backend on loopback. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

let settingsDir;
const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

/** Run `splatctl ...args --json --quiet`; resolves to the object it prints. Throws when it does not end well. */
export async function runForJson(args) {
  const child = start([...args, "--json", "--quiet"], "pipe");
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (piece) => (printed += piece));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`splatctl ${args[0]} ended with ${code}`);
  return JSON.parse(printed.trimEnd().split("\n").at(-1));
}

/** A backend on a free port, ready to train. `close` saves and ends it. */
export async function startServe(dataDir, args = [], env = {}) {
  const port = await freePort();
  const child = start(
    ["serve", "--port", String(port), "--data", dataDir, "--no-bucket", "--quiet", ...args],
    "ignore",
    env,
  );
  const url = `http://127.0.0.1:${port}`;
  const close = async () => {
    if (child.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
  };
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`serve ended with ${child.exitCode}`);
      const health = await fetch(`${url}/health`).then(
        (answer) => answer.json(),
        () => null,
      );
      if (health?.trainer_ready) return { url, close };
      await sleep(100);
    }
  } catch (error) {
    await close();
    throw error;
  }
}

/** `splatctl capture FOLDER`, until `close`, which lets it end as Ctrl-C does. */
export function startCapture(folder, url, args = [], env = {}) {
  return running(start(["capture", folder, "--url", url, "--quiet", ...args], "ignore", env));
}

/** Any command that goes on until it is told to end. `pid` is the process that works. */
export function startCommand(args, env = {}) {
  return running(start(args, "ignore", env));
}

function running(child) {
  return {
    pid: child.pid,
    hasEnded: () => child.exitCode !== null,
    close: async () => {
      if (child.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
    },
  };
}

/** Without any setting from this process's environment or the user's own: nobody's bucket is written to by a benchmark. */
function start(args, stdout, more = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:SPLAT|R2|AWS)_/.test(name));
  const env = { ...Object.fromEntries(inherited), SPLAT_CONFIG_DIR: ownSettings(), ...more };
  return spawn(process.execPath, [BIN, ...args], { env, stdio: ["ignore", stdout, "inherit"] });
}

/** An empty folder, made at the first call. */
function ownSettings() {
  if (settingsDir === undefined) {
    const made = mkdtempSync(join(tmpdir(), "splatctl-settings-"));
    process.on("exit", () => rmSync(made, { recursive: true, force: true }));
    settingsDir = made;
  }
  return settingsDir;
}

/** A port of this machine that nobody listens on now. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  return port;
}
