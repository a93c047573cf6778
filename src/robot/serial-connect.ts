/** Finding the arm's port and opening it, with advice where that fails. */
import { stat } from "node:fs/promises";
import { SplatError } from "../errors.ts";
import type { ByteLine } from "./byte-line.ts";
import { describeHolders, portHolders, type PortHolder } from "./port-holders.ts";
import { openSerialLine, SHARE_HINT } from "./serial-line.ts";
import { listArmPorts, type SerialPortInfo } from "./serial-ports.ts";

/** What the machine offers; tests and simulations put their own in its place. */
export interface PortSystem {
  readonly list: () => Promise<SerialPortInfo[]>;
  /** Other processes that have a port open; null where nobody can tell. */
  readonly holders: (path: string) => Promise<readonly PortHolder[] | null>;
  readonly open: (path: string) => Promise<ByteLine>;
  /** What tells the device behind a path from another that takes its place; null when nothing is there. */
  readonly identity: (path: string) => Promise<string | null>;
}

export const MACHINE_PORTS: PortSystem = {
  list: listArmPorts,
  holders: portHolders,
  open: openSerialLine,
  identity: deviceIdentity,
};

async function deviceIdentity(path: string): Promise<string | null> {
  // Ports of Windows are no files.
  if (!path.startsWith("/")) return path;
  const found = await stat(path).catch(() => null);
  return found === null ? null : `${found.dev}:${found.ino}:${found.rdev}`;
}

/** An open port. */
export interface OpenPort {
  readonly path: string;
  readonly identity: string | null;
  /** As found in the list of ports, to know the adapter again under another name. */
  readonly info: SerialPortInfo | null;
  readonly line: ByteLine;
}

/**
 * Open the arm's port. `path`: as the user named it, else the only likely one is taken. `before`: the port that was lost,
 * whose adapter is looked for under other names too. Null when that is still away. Throws `bad_input` when there is none,
 * several could be meant, another process has it, or it does not open.
 */
export async function openArmPort(
  system: PortSystem,
  path: string | undefined,
  before: OpenPort | null,
): Promise<OpenPort | null> {
  const ports = await system.list();
  const chosen =
    before === null ? await choosePort(system, ports, path) : await portAgain(system, ports, before);
  if (chosen === null) return null;
  const holders = await system.holders(chosen);
  if (holders !== null && holders.length > 0) {
    throw new SplatError("bad_input", `${chosen} is in use by ${describeHolders(holders)}`, {
      hint: `Two programs on one port take each other's answers ("Port is in use!"). ${SHARE_HINT}`,
    });
  }
  const identity = await system.identity(chosen);
  const line = await system.open(chosen);
  const info = ports.find((port) => port.path === chosen || port.stablePath === chosen) ?? null;
  return { path: chosen, identity, info, line };
}

async function choosePort(
  system: PortSystem,
  ports: readonly SerialPortInfo[],
  path: string | undefined,
): Promise<string> {
  if (path !== undefined) {
    if ((await system.identity(path)) !== null) return path;
    throw new SplatError("bad_input", `there is no port ${path}`, { hint: candidatesHint(ports) });
  }
  const likely = ports.filter((port) => port.isLikely);
  if (likely.length === 1) return likely[0].path;
  if (likely.length === 0) {
    throw new SplatError("bad_input", "no arm was found on a serial port", { hint: candidatesHint(ports) });
  }
  throw new SplatError("bad_input", `there are ${likely.length} ports that could be the arm's`, {
    hint: `Name one: ${likely.map(describePort).join(", ")}. Unplug the arm to see which goes away.`,
  });
}

/**
 * The port that was lost. Names are given out anew when adapters are plugged in, so its adapter is looked for by its serial
 * number; one without is looked for at its path, then as the only likely one. A port that was never listed has its path.
 */
async function portAgain(
  system: PortSystem,
  ports: readonly SerialPortInfo[],
  { path, info }: OpenPort,
): Promise<string | null> {
  if (info === null) return (await system.identity(path)) === null ? null : path;
  const { serialNumber, vendorId, productId } = info;
  const isAtPath = (port: SerialPortInfo): boolean => port.path === path || port.stablePath === path;
  const alike = ports.filter((port) => port.vendorId === vendorId && port.productId === productId);
  if (serialNumber !== null) {
    const same = alike.filter((port) => port.serialNumber === serialNumber);
    return same.some(isAtPath) ? path : (same.at(0)?.path ?? null);
  }
  if (alike.some(isAtPath)) return path;
  const likely = ports.filter((port) => port.isLikely);
  return likely.length === 1 ? likely[0].path : null;
}

function candidatesHint(ports: readonly SerialPortInfo[]): string {
  if (ports.length > 0) return `Name the arm's port. There are: ${ports.map(describePort).join(", ")}.`;
  return (
    "No USB serial port is there: is the adapter plugged in (USB vendor 1a86, often /dev/ttyACM0)? " +
    "In WSL attach it with usbipd, in a container pass the device in."
  );
}

function describePort({ path, stablePath, vendorId, productId, isLikely }: SerialPortInfo): string {
  const ids = `USB ${vendorId ?? "????"}:${productId ?? "????"}${isLikely ? ", likely" : ""}`;
  return `${stablePath ?? path} (${ids})`;
}
