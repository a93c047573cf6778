/** Serial ports: which there are, whether this user may open them, who has them. */
import { describeHolders, type PortHolder } from "../robot/port-holders.ts";
import { SHARE_HINT } from "../robot/serial-line.ts";
import type { SerialPortInfo } from "../robot/serial-ports.ts";
import type { Finding } from "./check.ts";
import type { DeviceAccess, DoctorContext } from "./context.ts";
import { runningHere, type SeenDaemon } from "./daemon-look.ts";
import { accessFix } from "./device-access.ts";

/** A port, and what stands in the way of asking what is behind it. */
export interface SeenPort {
  readonly path: string;
  /** Null for one that the settings name and the system does not list. */
  readonly info: SerialPortInfo | null;
  readonly access: DeviceAccess;
  /** Other processes that have it open; null where nobody can tell. */
  readonly holders: readonly PortHolder[] | null;
  /** The daemon of ours among them. */
  readonly daemon: SeenDaemon | null;
  /** It may be an arm's. */
  readonly isArm: boolean;
}

const looks = new WeakMap<DoctorContext, Promise<readonly SeenPort[]>>();

/** The ports, looked at once for all checks. */
export function seenPorts(context: DoctorContext): Promise<readonly SeenPort[]> {
  const known = looks.get(context) ?? look(context);
  looks.set(context, known);
  return known;
}

async function look(context: DoctorContext): Promise<readonly SeenPort[]> {
  const { system, config } = context;
  const infos = await system.ports.list();
  const wanted = config?.project.relay?.path;
  const known = infos.find(({ path, stablePath }) => path === wanted || stablePath === wanted);
  const isThere =
    wanted !== undefined && (known !== undefined || (await system.ports.identity(wanted)) !== null);
  const daemons = await runningHere(context);
  const listed = infos.map((info) => ({
    path: info.path,
    info,
    isArm: known === undefined ? info.isLikely : info === known,
  }));
  const unlisted = isThere && known === undefined ? [{ path: wanted, info: null, isArm: true }] : [];
  return await Promise.all(
    [...listed, ...unlisted].map(async (port): Promise<SeenPort> => {
      const isFile = port.path.startsWith("/");
      const free = { mayOpen: true, group: null, isListed: false };
      const access = (isFile ? await system.deviceAccess(port.path) : null) ?? free;
      const holders = await system.ports.holders(port.path);
      const daemon =
        daemons.find(({ pid }) => holders?.some((holder) => holder.pid === pid) === true) ?? null;
      return { ...port, access, holders, daemon };
    }),
  );
}

/** What is to be said of the ports themselves. */
export async function checkPorts(context: DoctorContext): Promise<Finding[]> {
  const { config, system } = context;
  const ports = await seenPorts(context);
  const wanted = config?.project.relay?.path;
  const needsArm = config?.project.relay?.source === "serial";
  const found = ports.map((port) => portFinding(port, system.platform !== "win32"));
  if (wanted !== undefined && !ports.some(({ isArm }) => isArm)) {
    const message = `the port of this folder's project is not there: ${wanted}`;
    return [
      ...found,
      { state: "failed", message, fix: "Plug the arm in, or name its port in splatctl.json (relay.path)" },
    ];
  }
  if (ports.length > 0) return found;
  const elsewhere =
    system.platform === "linux" ? " (in WSL attach it with usbipd, in a container pass it in)" : "";
  const fix = `Plug the arm's adapter in: USB vendor 1a86, often ${usualPort(system.platform)}${elsewhere}`;
  return [{ state: needsArm ? "failed" : "absent", message: "no serial port on USB is there", fix }];
}

function portFinding({ path, info, access, holders, daemon, isArm }: SeenPort, isKnowable: boolean): Finding {
  const id = `port:${path}`;
  const ids = info === null ? "" : ` (USB ${info.vendorId ?? "????"}:${info.productId ?? "????"})`;
  const what = `${path}${ids}`;
  const facts = {
    path,
    usb: info === null ? null : `${info.vendorId ?? "????"}:${info.productId ?? "????"}`,
    likely_arm: isArm,
    holders,
  };
  if (!access.mayOpen) {
    // A port that is nothing of ours may well belong to others.
    const state = isArm ? "failed" : "warning";
    return {
      id,
      state,
      message: `${what} may not be opened by you`,
      fix: accessFix(access, "dialout"),
      facts,
    };
  }
  if (daemon !== null) {
    return { id, state: "ok", message: `${what} is in use by the daemon "${daemon.name}"`, facts };
  }
  if (holders === null && isArm && isKnowable) {
    const message = `${what}: nobody can tell whether another program has it open, so its servos are not asked`;
    return { id, state: "skipped", message, facts };
  }
  if (holders !== null && holders.length > 0) {
    const message = `${what} is in use by ${describeHolders(holders)}, and is not disturbed`;
    return isArm
      ? { id, state: "warning", message, fix: SHARE_HINT, facts }
      : { id, state: "ok", message, facts };
  }
  return { id, state: "ok", message: `${what}${isArm ? "" : ", not of the make of arms' adapters"}`, facts };
}

function usualPort(platform: NodeJS.Platform): string {
  if (platform === "darwin") return "/dev/cu.usbmodem…";
  return platform === "win32" ? "COM3 or higher" : "/dev/ttyACM0";
}
