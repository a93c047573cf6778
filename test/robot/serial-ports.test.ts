import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listArmPorts } from "../../src/robot/serial-ports.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "splatctl-ports-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

interface FakeTty {
  readonly name: string;
  /** Folder of the tty's device, below that of the USB device. */
  readonly below?: string;
  readonly usb?: Readonly<Record<string, string>>;
  readonly hasNode?: boolean;
}

/** A tree as Linux has it: class/tty/NAME/device leads to the interface of a USB device, or to a platform device. */
function addTty({ name, below = "1-1:1.0", usb, hasNode = true }: FakeTty): void {
  const bus = join(root, "sys", "devices", usb === undefined ? `platform/${name}` : `usb1/${name}-usb`);
  const device = usb === undefined ? bus : join(bus, below);
  mkdirSync(device, { recursive: true });
  for (const [file, text] of Object.entries(usb ?? {})) writeFileSync(join(bus, file), `${text}\n`);
  mkdirSync(join(root, "sys", "class", "tty", name), { recursive: true });
  symlinkSync(device, join(root, "sys", "class", "tty", name, "device"));
  mkdirSync(join(root, "dev", "serial", "by-id"), { recursive: true });
  if (hasNode) writeFileSync(join(root, "dev", name), "");
}

function list(): ReturnType<typeof listArmPorts> {
  return listArmPorts({
    platform: "linux",
    sysFolder: join(root, "sys"),
    devFolder: join(root, "dev"),
  });
}

it("finds USB serial ports in /sys, the adapters of arms first", async () => {
  addTty({ name: "ttyS0" });
  addTty({ name: "ttyUSB0", below: "1-2:1.0/ttyUSB0", usb: { idVendor: "0403", idProduct: "6001" } });
  addTty({ name: "ttyACM10", usb: { idVendor: "1A86", idProduct: "55D3", serial: "5A46083062" } });
  addTty({ name: "ttyACM2", usb: { idVendor: "1a86", idProduct: "7523" } });
  const stable = join(root, "dev", "serial", "by-id", "usb-1a86_USB_Single_Serial_5A46083062-if00");
  symlinkSync("../../ttyACM10", stable);

  const ports = await list();
  expect(ports.map(({ path, isLikely }) => [path.slice(root.length), isLikely])).toEqual([
    ["/dev/ttyACM2", true],
    ["/dev/ttyACM10", true],
    ["/dev/ttyUSB0", false],
  ]);
  expect(ports[1]).toMatchObject({
    vendorId: "1a86",
    productId: "55d3",
    serialNumber: "5A46083062",
    stablePath: stable,
  });
  expect(ports[0]).toMatchObject({ serialNumber: null, stablePath: null });
});

it("leaves out ports whose device is not there, as in a container", async () => {
  addTty({ name: "ttyACM0", usb: { idVendor: "1a86", idProduct: "55d3" }, hasNode: false });
  expect(await list()).toEqual([]);
});

it("finds none where there is no /sys", async () => {
  expect(await list()).toEqual([]);
});

it("asks the machine without throwing", async () => {
  expect(Array.isArray(await listArmPorts())).toBe(true);
});
