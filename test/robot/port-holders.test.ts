import { spawn } from "node:child_process";
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { expect, it, type TestContext } from "vitest";
import { describeHolders, portHolders } from "../../src/robot/port-holders.ts";
import { serialSource } from "../../src/robot/serial.ts";
import { ptyPairFor } from "../helpers/pty.ts";

/** Another process that has a port open. */
async function holdOpen(path: string, context: TestContext): Promise<number> {
  const script =
    'require("fs").openSync(process.argv[1], "r+"); console.log("open"); setInterval(() => {}, 1000)';
  const child = spawn(process.execPath, ["-e", script, path], { stdio: ["ignore", "pipe", "inherit"] });
  context.onTestFinished(() => {
    child.kill("SIGKILL");
  });
  await once(child.stdout, "data");
  return child.pid ?? 0;
}

it("finds another process, by either name of the port", async (context) => {
  context.skip(process.platform !== "linux", "only Linux lists what a process has open");
  const pair = await ptyPairFor(context);
  expect(await portHolders(pair.b)).toEqual([]);
  const pid = await holdOpen(pair.b, context);
  const holders = await portHolders(pair.b);
  expect(holders?.map((holder) => holder.pid)).toEqual([pid]);
  expect(holders?.[0].name).not.toBe("");
  expect(await portHolders(realpathSync(pair.b))).toEqual(holders);
  expect(await portHolders(pair.a)).toEqual([]);
});

it("keeps a source from opening a port that is in use", async (context) => {
  context.skip(process.platform !== "linux", "only Linux lists what a process has open");
  const pair = await ptyPairFor(context);
  const pid = await holdOpen(pair.b, context);
  const listener = { onNote: () => undefined, onWarning: () => undefined };
  const readings = serialSource({ path: pair.b })(listener, new AbortController().signal);
  await expect(readings[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining(`(pid ${pid})`) as string,
  });
});

it("asks lsof elsewhere, and knows when it cannot be asked", async (context) => {
  const pair = await ptyPairFor(context);
  const pid = await holdOpen(pair.b, context);
  const holders = await portHolders(realpathSync(pair.b), { platform: "darwin" });
  // Null on a machine without lsof.
  if (holders !== null) expect(holders.map((holder) => holder.pid)).toContain(pid);
  expect(await portHolders("COM3", { platform: "win32" })).toBeNull();
  expect(await portHolders("/dev/tty", { platform: "linux", procFolder: "/no/such/folder" })).toBeNull();
});

it("names several in one phrase", () => {
  const two = [
    { pid: 1, name: "python3" },
    { pid: 2, name: "cat" },
  ];
  expect(describeHolders(two)).toBe("python3 (pid 1) and cat (pid 2)");
});
