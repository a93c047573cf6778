import { spawn } from "node:child_process";
import { once } from "node:events";
import { link, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import type { FileLock, LockOwner } from "../../src/files/lock.ts";
import { lockSpool, readSpoolOwner } from "../../src/queue/spool-lock.ts";
import { nowS, sleep } from "../../src/time.ts";
import { tempFolder } from "../helpers/pictures.ts";

const BEAT = { beatMs: 20 };

afterEach(() => {
  vi.useRealTimers();
});

async function lock(dir: string): Promise<FileLock> {
  const taken = await lockSpool(dir, BEAT);
  onTestFinished(() => taken.release().catch(() => undefined));
  return taken;
}

async function writeOwner(dir: string, owner: Partial<LockOwner>): Promise<void> {
  const whole = { token: "other", pid: process.pid, host: "elsewhere", beat: 0, time: nowS(), ...owner };
  await writeFile(join(dir, "lock"), JSON.stringify(whole));
}

test("one owner; another is told who it is and which file to remove; given back, it is free", async () => {
  const dir = await tempFolder();
  const first = await lock(dir);
  const refused = lockSpool(dir, BEAT);
  await expect(refused).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining(`process ${process.pid}`),
    hint: expect.stringContaining(`remove ${join(dir, "lock")}`),
  });
  await first.release();
  await (await lock(dir)).release();
  expect(await readSpoolOwner(dir)).toBeNull();
});

test("an owner that beats is left in place, whatever its clock or ours says", async () => {
  const dir = await tempFolder();
  await lock(dir);
  for (const hours of [-24, 24]) {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + hours * 3_600_000 });
    await expect(lockSpool(dir, BEAT)).rejects.toMatchObject({ code: "bad_input" });
    vi.useRealTimers();
  }
});

test("an owner that has stopped is followed, whatever its clock says", async () => {
  for (const time of [0, nowS() + 1e6]) {
    const dir = await tempFolder();
    await writeOwner(dir, { time });
    const taken = await lock(dir);
    expect((await readSpoolOwner(dir))?.token).not.toBe("other");
    expect(taken.lost.aborted).toBe(false);
    await taken.release();
  }
});

test("an owner whose process is gone from this machine is followed at once", async () => {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  const dir = await tempFolder();
  // With the usual beat, watching would outlast the test.
  await writeOwner(dir, { pid: child.pid ?? 0, host: hostname() });
  await (await lockSpool(dir)).release();
  // Our own number, but not our lock: left over from another that had it.
  await writeOwner(dir, { host: hostname() });
  await (await lockSpool(dir)).release();
});

test("a file that is no lock is watched like one, then taken", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "lock"), "");
  const taken = await lock(dir);
  expect((await readSpoolOwner(dir))?.pid).toBe(process.pid);
  await taken.release();
});

test("of several that follow an abandoned lock, one gets it", async () => {
  const dir = await tempFolder();
  await writeOwner(dir, { time: 0 });
  const tries = await Promise.allSettled(Array.from({ length: 4 }, () => lock(dir)));
  expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test("an owner whose file is removed or another's notices, and leaves the other's alone", async () => {
  const dir = await tempFolder();
  const first = await lock(dir);
  const noticed = new Promise<void>((resolve) => first.lost.addEventListener("abort", () => resolve()));
  await rm(join(dir, "lock"));
  const second = await lock(dir);
  await noticed;
  expect(first.lost.reason).toMatchObject({ code: "bad_input" });
  const text = JSON.parse(await readFile(join(dir, "lock"), "utf8")) as LockOwner;
  await first.release();
  expect((await readSpoolOwner(dir))?.token).toBe(text.token);
  expect(second.lost.aborted).toBe(false);
});

// Windows moves no file that is open.
test("a lock that cannot be read for a while is not lost", async (context) => {
  context.skip(process.platform === "win32", "Windows has no permission bits");
  const dir = await tempFolder();
  const [path, aside, loop] = ["lock", "aside", "loop"].map((name) => join(dir, name));
  const taken = await lock(dir);
  await link(path, aside);
  await symlink("lock", loop);
  await rename(loop, path); // a link to itself: ELOOP
  const beatOf = async (): Promise<number> => (JSON.parse(await readFile(aside, "utf8")) as LockOwner).beat;
  const last = (await beatOf()) + 3;
  while ((await beatOf()) < last) await sleep(5);
  expect(taken.lost.aborted).toBe(false);
  await rename(aside, path);
  await taken.release();
  expect(await readSpoolOwner(dir)).toBeNull();
});

test("what is not ours by its token is not taken away", async () => {
  const dir = await tempFolder();
  const taken = await lock(dir);
  await writeFile(join(dir, "lock"), "{}");
  await taken.release();
  expect(await readFile(join(dir, "lock"), "utf8")).toBe("{}");
});
