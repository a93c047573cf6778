/** Which serial ports there are, and which of them look like an arm's adapter. */
import { readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** A serial port on USB. */
export interface SerialPortInfo {
  /** To open it by, such as `/dev/ttyACM0` or `COM3`. */
  readonly path: string;
  /** Four hexadecimal digits, lower case; null when the system does not tell. */
  readonly vendorId: string | null;
  readonly productId: string | null;
  readonly serialNumber: string | null;
  /** Name that stays the same when the port gets another number; Linux only. */
  readonly stablePath: string | null;
  /** Whether the adapter is of the make that SO-101 kits come with. */
  readonly isLikely: boolean;
}

/** WCH, who make the CH340 and CH343 of the usual servo adapters (seen as 1a86:55d3 and 1a86:7523). */
const ADAPTER_VENDOR_ID = "1a86";

/** Folders from a tty's device up to the USB device that carries its ids: at most interface, port and device. */
const LEVELS_TO_USB_DEVICE = 4;

export interface PortSearch {
  /** `process.platform` unless told. */
  readonly platform?: string | undefined;
  /** Where `/sys` and `/dev` lie (Linux). */
  readonly sysFolder?: string | undefined;
  readonly devFolder?: string | undefined;
}

/**
 * Serial ports on USB, likely ones first, then by path. Never throws: where the system cannot be asked there are none.
 * On Linux it reads `/sys` itself, as the `udevadm` that the serial library calls is missing from many containers.
 */
export async function listArmPorts(search: PortSearch = {}): Promise<SerialPortInfo[]> {
  const { platform = process.platform, sysFolder = "/sys", devFolder = "/dev" } = search;
  const found =
    platform === "linux" ? await listLinuxPorts(sysFolder, devFolder) : await listByLibrary(platform);
  return found.toSorted(
    (a, b) =>
      Number(b.isLikely) - Number(a.isLikely) || a.path.localeCompare(b.path, "en", { numeric: true }),
  );
}

async function listLinuxPorts(sysFolder: string, devFolder: string): Promise<SerialPortInfo[]> {
  const names = await readdir(join(sysFolder, "class", "tty")).catch(() => []);
  const stablePaths = await stablePathsIn(join(devFolder, "serial", "by-id"));
  const ports = await Promise.all(
    names.map(async (name): Promise<SerialPortInfo | null> => {
      const path = join(devFolder, name);
      const device = await usbDeviceOf(join(sysFolder, "class", "tty", name, "device"));
      // A container may see the host's /sys without its devices.
      if (device === null || !(await exists(path))) return null;
      const [vendorId, productId, serialNumber] = await Promise.all(
        ["idVendor", "idProduct", "serial"].map((file) => readLine(join(device, file))),
      );
      return portInfo({ path, vendorId, productId, serialNumber, stablePath: stablePaths.get(path) ?? null });
    }),
  );
  return ports.filter((port) => port !== null);
}

/** Folder of the USB device that a tty belongs to; null for one that is not on USB. */
async function usbDeviceOf(link: string): Promise<string | null> {
  let folder = await realpath(link).catch(() => null);
  for (let level = 0; folder !== null && level <= LEVELS_TO_USB_DEVICE; level++) {
    if (await exists(join(folder, "idVendor"))) return folder;
    folder = dirname(folder);
  }
  return null;
}

/** Path of each port → its link in `/dev/serial/by-id`, where there is one. */
async function stablePathsIn(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder).catch(() => []);
  const pairs = await Promise.all(
    names.map(async (name): Promise<[string, string]> => {
      const target = await readlink(join(folder, name)).catch(() => name);
      return [resolve(folder, target), join(folder, name)];
    }),
  );
  return new Map(pairs);
}

async function listByLibrary(platform: string): Promise<SerialPortInfo[]> {
  try {
    const { SerialPort } = await import("serialport");
    const ports = await SerialPort.list();
    return ports
      .filter(({ vendorId }) => vendorId !== undefined)
      .map(({ path, vendorId, productId, serialNumber }) =>
        portInfo({
          // Of the two names that macOS gives a port, opening this one does not wait for a carrier.
          path: platform === "darwin" ? path.replace(/^\/dev\/tty\./, "/dev/cu.") : path,
          vendorId: vendorId ?? null,
          productId: productId ?? null,
          serialNumber: serialNumber ?? null,
          stablePath: null,
        }),
      );
  } catch {
    return [];
  }
}

function portInfo(port: Omit<SerialPortInfo, "isLikely">): SerialPortInfo {
  const vendorId = port.vendorId?.toLowerCase() ?? null;
  const productId = port.productId?.toLowerCase() ?? null;
  return { ...port, vendorId, productId, isLikely: vendorId === ADAPTER_VENDOR_ID };
}

async function readLine(path: string): Promise<string | null> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim() === "" ? null : text.trim();
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
