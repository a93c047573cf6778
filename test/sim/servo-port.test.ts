import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SerialPort } from "serialport";
import { expect, it } from "vitest";
import { StatusParser, type StatusPacket, syncReadRequest } from "../../src/robot/feetech.ts";
import { REGISTERS, registerValue } from "../../src/robot/feetech-registers.ts";
import { createServoBus } from "../../src/sim/servo-bus.ts";
import { serveServoBus } from "../../src/sim/servo-port.ts";
import { ptyPairFor } from "../helpers/pty.ts";

const IDS = [1, 2, 3, 4, 5, 6];

async function openPort(path: string): Promise<SerialPort> {
  const port = new SerialPort({ path, baudRate: 1_000_000, autoOpen: false });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error === null ? resolve() : reject(error)));
  });
  return port;
}

/** Send a request and wait for so many packets. */
function askFor(port: SerialPort, request: Uint8Array, count: number): Promise<StatusPacket[]> {
  const parser = new StatusParser();
  const packets: StatusPacket[] = [];
  return new Promise((resolve) => {
    const take = (bytes: Buffer): void => {
      packets.push(...parser.push(bytes));
      if (packets.length < count) return;
      port.off("data", take);
      resolve(packets);
    };
    port.on("data", take);
    port.write(request);
  });
}

it("serves sync reads over a tty", async (context) => {
  const pair = await ptyPairFor(context);
  let step = 0;
  const bus = createServoBus({ ticksAt: () => IDS.map((id) => id * 100 + step) });
  const served = await serveServoBus(bus, pair.a);
  const port = await openPort(pair.b);
  for (step = 0; step < 200; step++) {
    const packets = await askFor(port, syncReadRequest(56, 2, IDS), 6);
    const ticks = packets.map(({ parameters }) => registerValue(REGISTERS.presentPosition, parameters));
    expect(ticks).toEqual(IDS.map((id) => id * 100 + step));
  }
  expect(bus.answeredCount).toBe(200);
  port.close();
  await served.close();
  await served.close();
});

it("vanishes when it is unplugged, and is there again when plugged back in", async (context) => {
  const bus = createServoBus({ ticksAt: () => [1, 2, 3, 4, 5, 6] });
  const folder = mkdtempSync(join(tmpdir(), "splatctl-cable-"));
  context.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const first = await ptyPairFor(context, folder);
  const served = await serveServoBus(bus, first.a);
  const port = await openPort(first.b);
  await askFor(port, syncReadRequest(56, 2, IDS), 6);
  const vanished = new Promise((resolve) => {
    port.once("close", resolve);
  });
  port.on("error", () => undefined);
  await first.close();
  // The library may miss the hang-up while it reads; writing tells it at the latest.
  port.write(syncReadRequest(56, 2, IDS));
  await vanished;
  await served.close();

  const second = await ptyPairFor(context, folder);
  expect(second.b).toBe(first.b);
  const again = await serveServoBus(bus, second.a);
  const portAgain = await openPort(second.b);
  expect(await askFor(portAgain, syncReadRequest(56, 2, IDS), 6)).toHaveLength(6);
  expect(bus.answeredCount).toBe(2);
  portAgain.close();
  await again.close();
});

it("says what to name when there is no such tty", async () => {
  const bus = createServoBus({ ticksAt: () => IDS });
  await expect(serveServoBus(bus, "/dev/no-such-tty")).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining("/dev/no-such-tty") as string,
    hint: expect.stringContaining("pseudo-terminals") as string,
  });
});
