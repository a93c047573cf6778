/** The serial source on a real tty, through the serial library. */
import { mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi, type TestContext } from "vitest";
import type { JointReading } from "../../src/robot/joint-history.ts";
import { openSerialLine } from "../../src/robot/serial-line.ts";
import { serialSource } from "../../src/robot/serial.ts";
import { createServoBus } from "../../src/sim/servo-bus.ts";
import { serveServoBus } from "../../src/sim/servo-port.ts";
import { STILL } from "../helpers/arm-run.ts";
import { openPtyPair } from "../../src/sim/pty-pair.ts";
import { ptyPairFor } from "../helpers/pty.ts";

interface Listening {
  readonly readings: JointReading[];
  readonly told: string[];
  stop(): Promise<void>;
}

function listen(path: string, context: TestContext): Listening {
  const readings: JointReading[] = [];
  const told: string[] = [];
  const stop = new AbortController();
  const listener = {
    onNote: (line: string) => told.push(line),
    onWarning: (line: string) => told.push(`! ${line}`),
  };
  const done = (async () => {
    for await (const reading of serialSource({ path })(listener, stop.signal)) readings.push(reading);
  })();
  done.catch(() => undefined);
  const end = async (): Promise<void> => {
    stop.abort();
    await done;
  };
  context.onTestFinished(end);
  return { readings, told, stop: end };
}

it("reads an arm, loses its port amid reading, and finds it again", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "splatctl-replug-"));
  context.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const bus = createServoBus({ ticksAt: () => STILL });
  const first = await ptyPairFor(context, folder);
  const served = await serveServoBus(bus, first.a);
  const arm = listen(first.b, context);
  await vi.waitFor(() => expect(arm.readings.length).toBeGreaterThan(50), { timeout: 15_000 });
  for (const { anglesRad } of arm.readings) {
    expect(anglesRad).toHaveLength(6);
    expect(Math.abs(anglesRad[1])).toBeLessThan(1e-9);
  }

  await first.close();
  await served.close();
  await vi.waitFor(() => expect(arm.told.at(-1)).toMatch(/^! the port .* has gone/), { timeout: 15_000 });
  const before = arm.readings.length;

  const second = await openPtyPair(folder);
  if ("reason" in second) throw new Error(second.reason);
  context.onTestFinished(() => second.close());
  const again = await serveServoBus(bus, second.a);
  context.onTestFinished(() => again.close());
  await vi.waitFor(() => expect(arm.readings.length).toBeGreaterThan(before + 20), { timeout: 15_000 });
  expect(arm.told).toContain(`the arm is back on ${first.b}`);
  await arm.stop();
  expect(bus.refusedWrites).toBe(0);
});

it("leaves nothing open", async (context) => {
  const pair = await ptyPairFor(context);
  const port = realpathSync(pair.b);
  const open = (): number =>
    readdirSync("/proc/self/fd").filter((name) => targetOf(`/proc/self/fd/${name}`) === port).length;
  if (process.platform !== "linux") context.skip("only Linux lists what a process has open");
  const line = await openSerialLine(pair.b);
  expect(open()).toBeGreaterThan(0);
  await expect(openSerialLine(pair.b)).rejects.toMatchObject({ code: "bad_input" });
  await line.close();
  await line.close();
  await vi.waitFor(() => expect(open()).toBe(0));
});

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

it("says why a path is no port", async () => {
  const open = async (path: string): Promise<unknown> => {
    const listener = { onNote: () => undefined, onWarning: () => undefined };
    return serialSource({ path })(listener, new AbortController().signal)[Symbol.asyncIterator]().next();
  };
  await expect(open("/no/such/port")).rejects.toMatchObject({ message: "there is no port /no/such/port" });
  await expect(open(import.meta.filename)).rejects.toMatchObject({ code: "bad_input" });
});
