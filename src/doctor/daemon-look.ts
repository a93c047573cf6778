/** Daemons by their run files, looked at without changing any. */
import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { healthOf } from "../daemon/ask-daemon.ts";
import { readRunFile, type RunFile } from "../daemon/run-file.ts";
import { isProcessGone } from "../files/lock.ts";
import type { DoctorContext } from "./context.ts";

/** What a run file claims, and what is so. `stale`: its process is gone. */
export interface SeenDaemon extends RunFile {
  readonly state: "starting" | "running" | "stopping" | "silent" | "elsewhere" | "stale";
}

const looks = new WeakMap<DoctorContext, Promise<readonly SeenDaemon[]>>();

/** The daemons by name, looked at once for all checks. */
export function seenDaemons(context: DoctorContext): Promise<readonly SeenDaemon[]> {
  const known = looks.get(context) ?? look(context.places.runDir);
  looks.set(context, known);
  return known;
}

/** Those whose processes live on this machine. */
export async function runningHere(context: DoctorContext): Promise<readonly SeenDaemon[]> {
  return (await seenDaemons(context)).filter(({ state }) => state !== "stale" && state !== "elsewhere");
}

async function look(runDir: string): Promise<readonly SeenDaemon[]> {
  const files = await readdir(runDir).catch(() => []);
  const names = files.filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -".json".length));
  const seen = await Promise.all(
    names.toSorted().map(async (name) => {
      const run = await readRunFile(runDir, name);
      return run === null ? null : { ...run, state: await stateOf(run) };
    }),
  );
  return seen.filter((daemon) => daemon !== null);
}

async function stateOf(run: RunFile): Promise<SeenDaemon["state"]> {
  if (run.host !== hostname()) return "elsewhere";
  if (isProcessGone(run.pid)) return "stale";
  return (await healthOf(run)) ?? "stale";
}
