/** The machine as it is, for checks. */
import { execFile } from "node:child_process";
import { access, constants, readFile, stat, statfs } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname, resolve } from "node:path";
import { MACHINE_PORTS } from "../robot/serial-connect.ts";
import { MACHINE_CAMERAS } from "./camera-system.ts";
import type { DeviceAccess, DoctorSystem, FreeSpace, ProgramRun } from "./context.ts";
import { tryWasm } from "./try-wasm.ts";

/** What a program may print, bytes. */
const MOST_OUTPUT = 4 * 2 ** 20;

/** The machine that this process runs on. */
export const MACHINE: DoctorSystem = {
  platform: process.platform,
  nodeVersion: process.versions.node,
  ports: MACHINE_PORTS,
  cameras: MACHINE_CAMERAS,
  nowS: () => Date.now() / 1000,
  freeSpace,
  deviceAccess,
  run: runProgram,
  tryWasm,
  osRelease,
};

/** Run a program to its end; killed when the signal aborts, and then the signal's reason is thrown. */
export async function runProgram(
  [program, ...args]: readonly string[],
  signal: AbortSignal,
): Promise<ProgramRun> {
  return await new Promise((finish, fail) => {
    const options = { signal, killSignal: "SIGKILL", maxBuffer: MOST_OUTPUT, windowsHide: true } as const;
    execFile(program, args, options, (error, stdout, stderr) => {
      if (signal.aborted) return fail(signal.reason as Error);
      const code = error === null ? 0 : error.code;
      if (code === "ENOENT") return finish(null);
      const said = typeof code === "string" ? `${error?.message}\n` : "";
      finish({ code: typeof code === "number" ? code : null, output: `${said}${stdout}\n${stderr}` });
    }).stdin?.end();
  });
}

async function freeSpace(folder: string): Promise<FreeSpace> {
  const there = await nearest(resolve(folder));
  const [{ dev, isDirectory }, room, isWritable] = await Promise.all([
    stat(there).then((found) => ({ dev: found.dev, isDirectory: found.isDirectory() })),
    statfs(there),
    access(there, constants.W_OK).then(
      () => true,
      () => false,
    ),
  ]);
  return {
    device: String(dev),
    freeBytes: room.bavail * room.bsize,
    freeFiles: room.files > 0 ? room.ffree : null,
    isWritable: isWritable && isDirectory,
  };
}

/** The folder itself, or the first above it that is there. */
async function nearest(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const isThere = await stat(at).then(
      () => true,
      () => false,
    );
    if (isThere || dirname(at) === at) return at;
  }
}

async function deviceAccess(path: string): Promise<DeviceAccess | null> {
  // Windows and macOS let everybody open a port; a camera of macOS asks for itself.
  if (process.platform === "win32") return { mayOpen: true, group: null, isListed: false };
  const mayOpen = await access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (mayOpen) return { mayOpen, group: null, isListed: false };
  const found = await stat(path).catch(() => null);
  if (found === null) return null;
  const { gid, mode } = found;
  // root's own group is nobody's to join.
  const owners = gid !== 0 && (mode & 0o060) === 0o060 ? await groupOf(gid) : null;
  const user = userInfo().username;
  return { mayOpen, group: owners?.name ?? null, isListed: owners?.members.includes(user) === true };
}

/** A line of /etc/group: `dialout:x:20:anna,bert`. */
async function groupOf(
  gid: number,
): Promise<{ readonly name: string; readonly members: readonly string[] } | null> {
  const lines = (await readFile("/etc/group", "utf8").catch(() => ""))
    .split("\n")
    .map((line) => line.split(":"));
  const found = lines.find(([, , id]) => id === String(gid));
  return found === undefined ? null : { name: found[0], members: (found[3] ?? "").split(",") };
}

async function osRelease(): Promise<Record<string, string>> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return Object.fromEntries(
    [...text.matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map(([, name, value]) => [name, value]),
  );
}
