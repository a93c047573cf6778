/** Folders among the temporary files that go however this process ends; only SIGKILL leaves them. */
import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface TemporaryFolder {
  readonly path: string;
  remove(): Promise<void>;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Those that there are now. */
const folders = new Set<string>();

/** Make one that only this user can enter. */
export function makeTemporaryFolder(prefix: string): TemporaryFolder {
  if (folders.size === 0) watch();
  // At once: no signal comes between the folder and the note of it.
  const path = mkdtempSync(join(resolve(tmpdir()), prefix)); // mode 0700
  folders.add(path);
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true });
      folders.delete(path);
      if (folders.size === 0) unwatch();
    },
  };
}

function watch(): void {
  process.on("exit", removeAll);
  // Before the others: whether one of them ends this process in order is seen while it is still listed.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
}

function unwatch(): void {
  process.off("exit", removeAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  // A terminal that is closed ends us as SIGTERM does: in order, where that is listened for.
  if (signal === "SIGHUP" && process.platform !== "win32") {
    process.kill(process.pid, "SIGTERM");
    return;
  }
  unwatch();
  removeAll();
  process.kill(process.pid, signal);
}

function removeAll(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
}
