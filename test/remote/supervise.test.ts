import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { createLog } from "../../src/log.ts";
import { isProcessGone } from "../../src/files/lock.ts";
import { supervise, type SuperviseOptions } from "../../src/remote/supervise.ts";
import { sleep } from "../../src/time.ts";

const STAND_IN = fileURLToPath(new URL("backend-stand-in.mjs", import.meta.url));

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A supervised stand-in: what was said, where it was ready, and how to end it. */
function start(args: readonly string[] = [], options: Partial<SuperviseOptions> = {}) {
  const stop = new AbortController();
  const said: string[] = [];
  const ready: string[] = [];
  const ended = supervise({
    command: [process.execPath, STAND_IN, ...args],
    cwd: ".",
    env: { PATH: process.env["PATH"] },
    host: "127.0.0.1",
    port: 0,
    portFile: join(tmpdir(), `splatctl-port-${process.pid}`),
    log: createLog("normal", (line) => said.push(line.trim())),
    signal: stop.signal,
    onReady: (url) => ready.push(url),
    pauseMs: 1,
    ...options,
  });
  const close = async (): Promise<void> => {
    stop.abort();
    await ended.catch(() => undefined);
  };
  closing.push(close);
  return { said, ready, ended, close };
}

async function until(wanted: () => boolean): Promise<void> {
  while (!wanted()) await sleep(10);
}

async function pidAt(url: string): Promise<number> {
  return ((await (await fetch(`${url}/health`)).json()) as { pid: number }).pid;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it("says where the backend is ready, and lets it save and end", async () => {
  const { said, ready, ended, close } = start();
  await until(() => ready.length === 1);
  const pid = await pidAt(ready[0]);
  await close();
  await ended;
  expect(said).toContain("backend: saved");
  expect(isAlive(pid)).toBe(false);
});

it("starts it again on the same port when it is killed, and says so", async () => {
  const { said, ready } = start();
  await until(() => ready.length === 1);
  const pid = await pidAt(ready[0]);
  process.kill(pid, "SIGKILL");
  await until(() => ready.length === 2);
  expect(ready[1]).toBe(ready[0]);
  expect(await pidAt(ready[1])).not.toBe(pid);
  expect(said.join("\n")).toMatch(/ended unexpectedly \(SIGKILL\); starting it again/);
});

it("starts it again though something that it started lives on, which it ends", async (context) => {
  context.skip(process.platform === "win32", "Windows has no groups of processes");
  const { ready } = start(["--child"]);
  await until(() => ready.length === 1);
  const { pid, childPid } = (await (await fetch(`${ready[0]}/health`)).json()) as Record<string, number>;
  process.kill(pid, "SIGKILL");
  await until(() => ready.length === 2);
  await until(() => isProcessGone(childPid));
});

it.each([
  ["3", "not_configured"],
  ["2", "bad_input"],
  ["1", "unreachable"],
])("gives up when its first start ends with %s, with its last words", async (exitCode, code) => {
  const { ended } = start(["--fail", exitCode]);
  await expect(ended).rejects.toMatchObject({
    code,
    message: `the backend does not run (exit code ${exitCode})`,
    hint: "no room for the scene",
  });
});

it("gives up on one that never becomes ready, and leaves none behind", async () => {
  const { ended } = start(["--deaf"], { readyMs: 1500 });
  await expect(ended).rejects.toMatchObject({ code: "unreachable" });
});

it("says that there is no such program", async () => {
  const { ended } = start([], { command: ["/no/such/python"] });
  await expect(ended).rejects.toMatchObject({ code: "unreachable" });
});
