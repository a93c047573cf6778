/**
 * Which other processes have a serial port open. Nothing stops two programs from opening the same port on Linux and
 * macOS: LeRobot's library takes no lock, and each then gets a part of the other's answers.
 */
import { execFile } from "node:child_process";
import { readlinkSync } from "node:fs";
import { readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";

/** A process that has a port open. */
export interface PortHolder {
  readonly pid: number;
  /** Name of its program, such as `python3`. */
  readonly name: string;
}

export interface HolderSearch {
  /** `process.platform` unless told. */
  readonly platform?: string | undefined;
  /** Where `/proc` lies (Linux). */
  readonly procFolder?: string | undefined;
}

/** Asking takes tens of milliseconds; a system that hangs over it is not waited for. */
const LSOF_TIMEOUT_MS = 5000;

/**
 * The processes, other than this one, that have the port open; null where the system does not tell (Windows, which
 * lets only one open it anyway). Those of other users may be missing: only root sees what they have open.
 */
export async function portHolders(path: string, search: HolderSearch = {}): Promise<PortHolder[] | null> {
  const { platform = process.platform, procFolder = "/proc" } = search;
  if (platform === "linux") return linuxHolders(path, procFolder);
  return platform === "win32" ? null : holdersByLsof(path);
}

async function linuxHolders(path: string, procFolder: string): Promise<PortHolder[] | null> {
  const names = await readdir(procFolder).catch(() => null);
  if (names === null) return null;
  const paths = new Set([path, await realpath(path).catch(() => path)]);
  const holders: PortHolder[] = [];
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const folder = join(procFolder, name, "fd");
    const descriptors = await readdir(folder).catch(() => []);
    const open = descriptors.map((descriptor) => targetOf(join(folder, descriptor)));
    if (!open.some((target) => paths.has(target)) || isMakerOfTerminals(open, paths)) continue;
    const program = await readFile(join(procFolder, name, "comm"), "utf8").catch(() => "");
    holders.push({ pid: Number(name), name: program.trim() || "a program" });
  }
  return holders;
}

/** Who makes a pseudo-terminal keeps a hand on both of its ends, and reads nothing from the one that others open. */
function isMakerOfTerminals(open: readonly string[], paths: ReadonlySet<string>): boolean {
  return (
    [...paths].some((path) => path.startsWith("/dev/pts/")) && open.some((target) => target.endsWith("/ptmx"))
  );
}

/** Synchronous: thousands of links are read, each within a microsecond, and the loop over processes gives way. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

async function holdersByLsof(path: string): Promise<PortHolder[] | null> {
  // A port of macOS has two names, each a device of its own.
  const twin = path.startsWith("/dev/cu.") ? path.replace("/dev/cu.", "/dev/tty.") : path;
  const paths = [...new Set([path, twin])];
  // It ends with 1 when nobody has one of them open: only what it printed counts.
  const output = await new Promise<string | null>((resolve) => {
    execFile("lsof", ["-w", "-F", "pc", "--", ...paths], { timeout: LSOF_TIMEOUT_MS }, (error, stdout) => {
      resolve(error !== null && typeof error.code !== "number" ? null : stdout);
    });
  });
  return output === null ? null : parseLsof(output).filter(({ pid }) => pid !== process.pid);
}

/** Output of `lsof -F pc`: a line `pPID` for each process, then `cNAME`. */
function parseLsof(output: string): PortHolder[] {
  const holders: PortHolder[] = [];
  for (const line of output.split("\n")) {
    const last = holders.at(-1);
    if (line.startsWith("p")) holders.push({ pid: Number(line.slice(1)), name: "a program" });
    else if (line.startsWith("c") && last !== undefined)
      holders[holders.length - 1] = { ...last, name: line.slice(1) };
  }
  return holders;
}

/** Several as a phrase: `python3 (pid 1234) and cat (pid 99)`. */
export function describeHolders(holders: readonly PortHolder[]): string {
  return holders.map(({ name, pid }) => `${name} (pid ${pid})`).join(" and ");
}
