/** Which daemons run: each says so in a file of its name while it lives. */
import { readdir, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { MAIN_SCENE } from "../api/limits.ts";
import { SplatError } from "../errors.ts";
import { writeDurably } from "../files/durable.ts";
import { isProcessGone } from "../files/lock.ts";
import { healthOf } from "./ask-daemon.ts";
import type { DaemonState } from "./control-app.ts";
import { DAEMON_NAME } from "./daemon-name.ts";

const runFileSchema = z.object({
  name: z.string().regex(DAEMON_NAME),
  pid: z.int().positive(),
  /** Where its process is: another machine or container may share the folder. Files without are this host's. */
  host: z.string().default(() => hostname()),
  /** Its control server, no trailing slash. */
  url: z.url(),
  /** Unix seconds. */
  started_at: z.number(),
  /** The backend that it sends to. */
  backend: z.string(),
  /** Which of its scenes. */
  scene: z.string().default(MAIN_SCENE),
  /** What it does, in a few words. */
  what: z.string(),
  /** Whether others can ask it for joints. */
  relays: z.boolean().default(false),
  /** Where its output goes; null when it was not detached. */
  log: z.string().nullable(),
});

/** What a daemon says of itself. */
export type RunFile = z.infer<typeof runFileSchema>;

/** A daemon that is there. */
export interface RunningDaemon extends RunFile {
  /**
   * `silent`: its process lives and holds its port, but does not answer. `elsewhere`: it said so on another host, and
   * neither its process nor its port can be seen from here.
   */
  readonly state: DaemonState | "silent" | "elsewhere";
}

/** Where the lock of a daemon lies. */
export function lockPath(runDir: string, name: string): string {
  return join(runDir, `${name}.lock`);
}

/** Say that a daemon runs. To be called by whoever holds its lock. */
export async function writeRunFile(runDir: string, run: RunFile): Promise<void> {
  await writeDurably(runPath(runDir, run.name), [Buffer.from(`${JSON.stringify(run)}\n`)]);
}

/** Say that it runs no more. */
export async function removeRunFile(runDir: string, { name, pid, host }: RunFile): Promise<void> {
  const there = await readRunFile(runDir, name);
  if (there?.pid === pid && there.host === host) await rm(runPath(runDir, name), { force: true });
}

/** What the file of a daemon says, whether it runs or not; null when there is none. */
export async function readRunFile(runDir: string, name: string): Promise<RunFile | null> {
  try {
    return runFileSchema.safeParse(JSON.parse(await readFile(runPath(runDir, name), "utf8"))).data ?? null;
  } catch {
    return null;
  }
}

/**
 * The daemon of a name; null when none runs. One that has died without taking its file away is found out, by its process
 * or by what answers at its address, and the file removed; one of another host is believed.
 */
export async function findDaemon(runDir: string, name: string): Promise<RunningDaemon | null> {
  const run = await readRunFile(runDir, name);
  if (run === null) return null;
  if (run.host !== hostname()) return { ...run, state: "elsewhere" };
  const state = isProcessGone(run.pid) ? null : await healthOf(run);
  if (state !== null) return { ...run, state };
  await removeRunFile(runDir, run).catch(() => undefined);
  return null;
}

/** All daemons of this user that run, by name. */
export async function listDaemons(runDir: string): Promise<RunningDaemon[]> {
  const files = await readdir(runDir).catch(() => []);
  const names = files.filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -".json".length));
  const found = await Promise.all(names.sort().map((name) => findDaemon(runDir, name)));
  return found.filter((daemon) => daemon !== null);
}

/** `bad_input`: what is to be done with a daemon can be done on its own host alone. */
export function notHere(runDir: string, { name, pid, host }: RunFile): SplatError {
  return new SplatError("bad_input", `the daemon "${name}" runs on ${host}, not here: process ${pid} there`, {
    hint: `Use splatctl on ${host}. If it runs there no more, remove ${runPath(runDir, name)}`,
  });
}

function runPath(runDir: string, name: string): string {
  return join(runDir, `${name}.json`);
}
