import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import {
  findDaemon,
  listDaemons,
  removeRunFile,
  writeRunFile,
  type RunFile,
} from "../../src/daemon/run-file.ts";
import { stopDaemon } from "../../src/daemon/stop-daemon.ts";
import { isProcessGone } from "../../src/files/lock.ts";
import { nowS, sleep } from "../../src/time.ts";
import { endDaemonsAfterwards, startTrivial, type Started } from "../helpers/daemons.ts";
import { nobody, serveHttp } from "../helpers/loopback.ts";
import { tempFolder } from "../helpers/pictures.ts";

const isPosix = process.platform !== "win32";
const never = new AbortController().signal;

async function newRunDir(): Promise<string> {
  const runDir = join(await tempFolder(), "run");
  endDaemonsAfterwards(runDir);
  return runDir;
}

async function startCounting(runDir: string, name = "main", mode = ""): Promise<Started> {
  const started = startTrivial([name, runDir, "", mode]);
  await started.until("\n2\n");
  return started;
}

test("a daemon says that it runs, answers, ends when asked, and leaves nothing behind", async () => {
  const runDir = await newRunDir();
  const started = await startCounting(runDir);
  const daemon = await findDaemon(runDir, "main");
  expect(daemon).toMatchObject({ name: "main", pid: started.child.pid, what: "count", state: "running" });
  if (isPosix) expect((await stat(runDir)).mode & 0o777).toBe(0o700);
  const status: unknown = await (await fetch(`${daemon?.url}/status`)).json();
  expect(status).toMatchObject({ name: "main", state: "running", summary: /counted to \d+/ });
  const stop = await fetch(`${daemon?.url}/stop`, { method: "POST" });
  expect([stop.status, await stop.json()]).toMatchObject([202, { state: "stopping" }]);
  expect(await started.ended).toBe(0);
  // Of the two streams it prints on, either may be read first.
  expect(started.output).toMatch(/draining\n[^]*ended at \d+/);
  expect(await readdir(runDir)).toEqual([]);
});

test("the first signal drains, the second ends at once", async (context) => {
  context.skip(!isPosix, "Windows has no signals to send");
  const runDir = await newRunDir();
  const gentle = await startCounting(runDir);
  gentle.child.kill("SIGINT");
  expect(await gentle.ended).toBe(0);
  expect(gentle.output).toContain("draining");
  for (const first of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const slow = await startCounting(runDir, "main", "slow");
    slow.child.kill(first);
    await slow.until("draining");
    slow.child.kill("SIGTERM");
    expect(await slow.ended).toBe("SIGTERM");
  }
});

test("of two with one name the second is refused, naming the first and what to do", async () => {
  const runDir = await newRunDir();
  const first = await startCounting(runDir);
  const second = startTrivial(["main", runDir]);
  expect(await second.ended).toBe(2);
  expect(second.output).toContain(`a daemon "main" runs already: process ${first.child.pid}`);
  expect(second.output).toContain("splatctl down");
  expect(second.output).toContain("--name");
  const other = await startCounting(runDir, "other");
  expect((await listDaemons(runDir)).map(({ name, pid }) => [name, pid])).toEqual([
    ["main", first.child.pid],
    ["other", other.child.pid],
  ]);
});

test("one that was killed is found out, and followed at once", async () => {
  const runDir = await newRunDir();
  const killed = await startCounting(runDir);
  killed.child.kill("SIGKILL");
  await killed.ended;
  expect(await readdir(runDir)).toContain("main.json");
  expect(await findDaemon(runDir, "main")).toBeNull();
  expect(await readdir(runDir)).not.toContain("main.json");
  const next = await startCounting(runDir);
  expect(await findDaemon(runDir, "main")).toMatchObject({ pid: next.child.pid });
});

test("a file that a dead daemon left does not stand for whoever has its number or its port now", async () => {
  const runDir = await newRunDir();
  await mkdir(runDir);
  const other = await serveHttp((_request, response) => response.end(`{"service":"another"}`));
  try {
    for (const url of [other.url, await nobody()]) {
      const run: RunFile = {
        name: "main",
        pid: process.pid,
        host: hostname(),
        url,
        started_at: 1,
        backend: "http://127.0.0.1:1",
        scene: "main",
        what: "count",
        relays: false,
        log: null,
      };
      await writeRunFile(runDir, run);
      expect(await findDaemon(runDir, "main")).toBeNull();
      expect(await readdir(runDir)).toEqual([]);
    }
  } finally {
    await other.close();
  }
  await writeFile(join(runDir, "main.json"), "no JSON");
  expect(await listDaemons(runDir)).toEqual([]);
});

test("one of another host that shares the folder is neither judged nor removed; its name can be had", async () => {
  const runDir = await newRunDir();
  await mkdir(runDir);
  const work = { backend: "http://127.0.0.1:1", scene: "main", what: "relay serial", relays: true };
  const about = { url: await nobody(), started_at: 1, ...work };
  const run = { ...about, name: "main", pid: process.pid, host: "elsewhere", log: null };
  await writeRunFile(runDir, run);
  expect(await findDaemon(runDir, "main")).toEqual({ ...run, state: "elsewhere" });
  await removeRunFile(runDir, { ...run, host: hostname() });
  expect(await listDaemons(runDir)).toHaveLength(1);

  const owner = { token: "other", pid: process.pid, host: "elsewhere", beat: 1, time: nowS() };
  await writeFile(join(runDir, "main.lock"), JSON.stringify(owner));
  const refused = startTrivial(["main", runDir]);
  expect(await refused.ended).toBe(2);
  expect(refused.output).toContain(`a daemon "main" runs already: process ${process.pid} on elsewhere`);

  await rm(join(runDir, "main.lock"));
  const starter = startTrivial(["main", runDir, join(runDir, "..", "log")]);
  expect(await starter.ended).toBe(0);
  expect(await findDaemon(runDir, "main")).toMatchObject({ host: hostname(), state: "running" });
});

test("a file that does not say its host is this one's", async () => {
  const runDir = await newRunDir();
  const { child } = await startCounting(runDir);
  const path = join(runDir, "main.json");
  const { host, ...old } = JSON.parse(await readFile(path, "utf8")) as RunFile;
  expect(host).toBe(hostname());
  await writeFile(path, JSON.stringify(old));
  expect(await findDaemon(runDir, "main")).toMatchObject({ pid: child.pid, host, state: "running" });
});

test("one that does not come to an end is ended", async () => {
  const runDir = await newRunDir();
  const slow = await startCounting(runDir, "main", "slow");
  const daemon = await findDaemon(runDir, "main");
  if (daemon === null) throw new Error("it does not run");
  const told: (string | null)[] = [];
  const options = { timeoutMs: 300, onWait: (summary: string | null) => void told.push(summary) };
  expect(await stopDaemon(runDir, daemon, options, never)).toBe("killed");
  expect(told[0]).toMatch(/counted to/);
  expect(await slow.ended).toBe(isPosix ? "SIGTERM" : 1);
});

test("one that cannot be asked is told by a signal, and has its time", async (context) => {
  context.skip(!isPosix, "Windows has no signals to send");
  const runDir = await newRunDir();
  const refusing = await serveHttp((_request, response) => response.writeHead(503).end());
  onTestFinished(() => refusing.close());
  const patience = { onWait: () => undefined };
  // At once; and, where its server is gone already, when the time is up.
  for (const [url, timeoutMs] of [
    [refusing.url, 60_000],
    [await nobody(), 0],
  ] as const) {
    const started = await startCounting(runDir);
    const daemon = await findDaemon(runDir, "main");
    if (daemon === null) throw new Error("it does not run");
    expect(await stopDaemon(runDir, { ...daemon, url }, { timeoutMs, ...patience }, never)).toBe("ended");
    expect(await started.ended).toBe(0);
    expect(started.output).toContain("draining");
  }
});

test("a lock that is taken away ends the daemon, with the reason", async () => {
  const runDir = await newRunDir();
  const started = await startCounting(runDir);
  const lock = join(runDir, "main.lock");
  await writeFile(lock, "{}");
  expect(await started.ended).toBe(2);
  expect(started.output).toContain("draining");
  expect(started.output).toContain(`the daemon "main" had to end: ${lock}`);
});

test("detached it goes on without its starter, with a log for its owner alone", async () => {
  const runDir = await newRunDir();
  const logDir = join(runDir, "..", "log");
  const starter = startTrivial(["main", runDir, logDir]);
  expect(await starter.ended).toBe(0);
  const { pid, log, state } = JSON.parse(starter.output) as { pid: number; log: string; state: string };
  expect([log, state]).toEqual([join(logDir, "main.log"), "running"]);
  expect(isProcessGone(pid)).toBe(false);
  if (isPosix) expect((await stat(log)).mode & 0o777).toBe(0o600);
  const daemon = await findDaemon(runDir, "main");
  expect(daemon).toMatchObject({ pid, log });
  if (daemon === null) return;
  const options = { timeoutMs: 20_000, onWait: () => undefined };
  expect(await stopDaemon(runDir, daemon, options, never)).toBe("ended");
  while (!(await readFile(log, "utf8")).includes("ended at")) await sleep(10);
});

test("one that fails at once tells its starter why", async () => {
  const runDir = await newRunDir();
  const starter = startTrivial(["main", runDir, join(runDir, "..", "log"), "broken"]);
  expect(await starter.ended).toBe(3);
  expect(starter.output).toContain(`error: the daemon "main" ended at once: no arm is there`);
  expect(starter.output).toContain("Plug it in.");
  expect(starter.output).toContain("main.log");
  expect(await listDaemons(runDir)).toEqual([]);
});
