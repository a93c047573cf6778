/** This machine: what splatctl runs on, and with how much room. */
import { readFile } from "node:fs/promises";
import { arch, availableParallelism, release, tmpdir, totalmem } from "node:os";
import { messageOf } from "../errors.ts";
import { isAtLeast } from "../remote/modal-find.ts";
import type { Check, Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";

/** The checks, in order. */
export const machineChecks: readonly Check[] = [
  { id: "splatctl", group: "machine", run: checkVersion },
  { id: "node", group: "machine", run: checkNode },
  { id: "system", group: "machine", run: checkSystem },
  { id: "disk", group: "machine", run: checkDisk },
  { id: "webassembly", group: "machine", run: checkWasm },
  { id: "clock", group: "machine", run: checkClock },
];

const GB = 1e9;
const MIB = 2 ** 20;
/** A scene in training takes about as much. */
const LITTLE_MEMORY_BYTES = 1.9 * GB;
/** Half an hour of frames, and checkpoints beside them. */
const LITTLE_DISK_BYTES = 2 * GB;
/** Less is as good as none: one checkpoint does not fit. */
const FULL_DISK_BYTES = 50 * MIB;
const FEW_FILES = 2000;
/** No splatctl is older: 1 January 2026. */
const EARLIEST_S = 1_767_225_600;
/** Nor is any likely to be used after: 1 January 2100. */
const LATEST_S = 4_102_444_800;

interface Package {
  readonly version: string;
  readonly engines: { readonly node: string };
}

/** Lies beside dist/ as it does beside src/. */
async function readPackage(): Promise<Package> {
  return JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as Package;
}

async function checkVersion(): Promise<Finding[]> {
  const { version } = await readPackage();
  return [{ state: "ok", message: `splatctl ${version}`, facts: { version } }];
}

async function checkNode({ system }: DoctorContext): Promise<Finding[]> {
  const needed = (await readPackage()).engines.node.replace(/^>=\s*/, "");
  const version = system.nodeVersion.replace(/^v/, "");
  const facts = { version, needed };
  if (isAtLeast(version, needed)) return [{ state: "ok", message: `Node ${version}`, facts }];
  return [
    {
      state: "failed",
      message: `Node ${version} is too old: ${needed} or newer is needed`,
      fix: "Get a newer one from https://nodejs.org, or with `nvm install --lts`",
      facts,
    },
  ];
}

async function checkSystem({ system: { platform } }: DoctorContext): Promise<Finding[]> {
  const cores = availableParallelism();
  const memoryBytes = memoryLimitBytes();
  const name = { linux: "Linux", darwin: "macOS", win32: "Windows" }[platform as string] ?? platform;
  const isWsl = platform === "linux" && /microsoft/i.test(release());
  const cpu = `${cores} ${cores === 1 ? "core" : "cores"}`;
  const message = `${name}${isWsl ? " (WSL)" : ""} ${arch()}, ${cpu}, ${gigabytes(memoryBytes)} of memory`;
  const facts = { platform, arch: arch(), release: release(), wsl: isWsl, cores, memory_bytes: memoryBytes };
  if (memoryBytes >= LITTLE_MEMORY_BYTES) return await Promise.resolve([{ state: "ok", message, facts }]);
  const fix =
    "Train elsewhere: `splatctl deploy`, or `splatctl serve` on a larger machine and SPLAT_API_URL here";
  return [{ state: "warning", message: `${message}: little for training`, fix, facts }];
}

/** What a container may use counts, where there is one. */
function memoryLimitBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem();
}

async function checkDisk({ places, system }: DoctorContext): Promise<Finding[]> {
  const uses = [
    { use: "data", folder: places.dataDir, variable: "SPLAT_DATA_DIR" },
    { use: "spools", folder: places.spoolDir, variable: "SPLAT_SPOOL_DIR" },
    { use: "temporary files", folder: tmpdir(), variable: "TMPDIR" },
  ];
  const spaces = await Promise.all(
    uses.map(async (use) => ({ ...use, ...(await system.freeSpace(use.folder)) })),
  );
  const devices = [...new Set(spaces.map(({ device }) => device))];
  return devices.flatMap((device) => {
    const here = spaces.filter((space) => space.device === device);
    const closed = here.filter(({ isWritable }) => !isWritable);
    return [diskFinding(here), ...closed.map(closedFinding)];
  });
}

interface Space {
  readonly use: string;
  readonly folder: string;
  readonly variable: string;
  readonly freeBytes: number;
  readonly freeFiles: number | null;
}

function diskFinding(here: readonly Space[]): Finding {
  const [{ freeBytes, freeFiles, folder, variable }] = here;
  const uses = here.map(({ use }) => use);
  const id = `disk:${uses.join("+").replaceAll(" ", "-")}`;
  const facts = { uses, free_bytes: freeBytes, free_files: freeFiles };
  const what = `${gigabytes(freeBytes)} free for ${listed(uses)}`;
  const fix = `Make room where ${folder} lies, or name another folder in ${variable}`;
  if (freeBytes < FULL_DISK_BYTES)
    return { id, state: "failed", message: `the disk is full: ${what}`, fix, facts };
  if (freeFiles !== null && freeFiles < FEW_FILES) {
    const message = `the disk takes ${freeFiles} more files only, for ${listed(uses)}`;
    return { id, state: freeFiles < 10 ? "failed" : "warning", message, fix, facts };
  }
  if (freeBytes < LITTLE_DISK_BYTES) return { id, state: "warning", message: `only ${what}`, fix, facts };
  return { id, state: "ok", message: what, facts };
}

function closedFinding({ use, folder, variable }: Space): Finding {
  return {
    id: `writable:${use.replaceAll(" ", "-")}`,
    state: "failed",
    message: `nothing can be written to ${folder}, the folder for ${use}`,
    fix: `Name another folder in ${variable}, or change whose it is: \`sudo chown -R $USER ${folder}\``,
  };
}

async function checkWasm({ system }: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  try {
    const build = await system.tryWasm(signal);
    const message = `WebAssembly with SIMD${build === "relaxed" ? " (fused multiply-add)" : ""} and threads works`;
    return [{ state: "ok", message, facts: { build } }];
  } catch (error) {
    signal.throwIfAborted();
    return [
      {
        state: "failed",
        message: `WebAssembly with SIMD and threads does not work, which training here needs: ${messageOf(error)}`,
        fix: "Run Node without --jitless and the like, on x64 or arm64; or train elsewhere: `splatctl deploy`",
      },
    ];
  }
}

async function checkClock({ system }: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  const now = system.nowS();
  const shown = new Date(now * 1000).toISOString().slice(0, 19).replace("T", " ");
  const facts = { unix_s: Math.round(now) };
  const fix = clockFix(system.platform);
  if (now < EARLIEST_S || now > LATEST_S) {
    return [{ state: "failed", message: `the clock is wrong: it says ${shown} UTC`, fix, facts }];
  }
  // Where there is no systemd nobody says.
  const ran =
    system.platform === "linux"
      ? await system.run(["timedatectl", "show", "--property=NTPSynchronized", "--value"], signal)
      : null;
  const synchronized = ran?.code === 0 ? ran.output.trim() : "";
  if (synchronized === "no") {
    const message = `the clock says ${shown} UTC, and nothing keeps it right`;
    return [{ state: "warning", message, fix, facts: { ...facts, synchronized: false } }];
  }
  const isKnown = synchronized === "yes";
  const message = `the clock says ${shown} UTC${isKnown ? " and is kept right" : ""}`;
  return [{ state: "ok", message, facts: { ...facts, synchronized: isKnown ? true : null } }];
}

/** How a clock is kept right. */
export function clockFix(platform: NodeJS.Platform): string {
  if (platform === "darwin") return "Turn on time synchronisation: `sudo sntp -sS time.apple.com`";
  if (platform === "win32") return "Turn on time synchronisation: `w32tm /resync`";
  return "Turn on time synchronisation: `sudo timedatectl set-ntp true`";
}

function gigabytes(sizeBytes: number): string {
  return sizeBytes < 0.1 * GB ? `${Math.floor(sizeBytes / 1e6)} MB` : `${(sizeBytes / GB).toFixed(1)} GB`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
