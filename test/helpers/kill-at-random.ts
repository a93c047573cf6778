/**
 * Kills the real program at random moments, and looks at what that left behind. Everything is seeded but the machine's
 * own pace; nothing here knows more of the program than its command line and the files it keeps.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Chunk } from "../../src/api/schema.ts";
import { decodeCheckpoint } from "../../src/backend/checkpoint.ts";
import { decodePly } from "../../src/splat/ply-read.ts";
import { sleep } from "../../src/time.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

/** A process that can be ended without any warning. */
export interface Victim {
  /** What it wrote to stderr so far. */
  readonly said: () => string;
  readonly isRunning: () => boolean;
  /** The first match of what it says, past or to come. Throws when it ends without. */
  saying(pattern: RegExp): Promise<RegExpExecArray>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

/** Start `splatctl ...args` with `home` as its home and current folder, and no setting of this process's. */
export function startVictim(args: readonly string[], home: string): Victim {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:SPLAT_|XDG_|R2_|AWS_)/.test(name));
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: home,
    env: { ...Object.fromEntries(inherited), HOME: home, SPLAT_CONFIG_DIR: home, NO_COLOR: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    said: () => text,
    isRunning,
    async saying(pattern) {
      for (;;) {
        const match = pattern.exec(text);
        if (match !== null) return match;
        if (!isRunning()) throw new Error(`splatctl ${args[0]} ended: ${text}`);
        await Promise.race([once(child.stderr, "data"), once(child, "exit")]);
      }
    },
    kill: () => killHard(child),
  };
}

async function killHard(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** Kill all of `victims` at one moment within `withinMs` from now. */
export async function killAtRandom(
  victims: readonly Victim[],
  withinMs: number,
  random: () => number,
): Promise<void> {
  await sleep(random() * withinMs);
  await Promise.all(victims.map((victim) => victim.kill()));
}

/** What lies in a backend's data folder. */
export interface Remains {
  /** SHA-256 of every accepted frame's bytes, in order. */
  readonly frames: readonly string[];
  /** Files under a final name that are not whole, or set aside as damaged, each with the reason. */
  readonly torn: readonly string[];
  /** Trainer's step in the newest checkpoint; null when there is none. */
  readonly checkpointStep: number | null;
  /** What session.json names. */
  readonly chunks: readonly Chunk[];
}

/** Look at every file in `dataDir` that has its final name. */
export async function inspect(dataDir: string): Promise<Remains> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const frames: string[] = [];
  const torn: string[] = [];
  let checkpointStep: number | null = null;
  let chunks: readonly Chunk[] = [];
  for (const path of paths.sort()) {
    try {
      const found = await look(path, paths);
      if (found.frame !== undefined) frames.push(found.frame);
      checkpointStep = found.step ?? checkpointStep;
      chunks = found.chunks ?? chunks;
    } catch (error) {
      // The program goes on: what was superseded meanwhile is gone.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      torn.push(`${path}: ${String(error)}`);
    }
  }
  return { frames, torn, checkpointStep, chunks };
}

/** Throws when the file is not whole. */
async function look(
  path: string,
  all: readonly string[],
): Promise<{ readonly frame?: string; readonly step?: number; readonly chunks?: readonly Chunk[] }> {
  const name = basename(path);
  if (name.endsWith(".part") || name === "lock") return {};
  if (name.endsWith(".damaged")) throw new Error("set aside as damaged");
  const bytes = await readFile(path);
  if (name.endsWith(".json")) {
    const record = JSON.parse(bytes.toString("utf8")) as { sha256?: string; chunks?: Chunk[] };
    if (name === "session.json") return { chunks: record.chunks ?? [] };
    if (!/^\d+\.json$/.test(name)) return {};
    const image = all.find((other) => other !== path && other.startsWith(path.replace(/json$/, "")));
    if (image === undefined) throw new Error("a frame's record without its image");
    const sha256 = createHash("sha256")
      .update(await readFile(image))
      .digest("hex");
    if (sha256 !== record.sha256) throw new Error(`the image in ${dirname(image)} is not the one recorded`);
    return { frame: sha256 };
  }
  if (name.endsWith(".ply")) decodePly(bytes);
  if (name.endsWith(".bin")) return { step: decodeCheckpoint(bytes).trainer.step };
  return {};
}
