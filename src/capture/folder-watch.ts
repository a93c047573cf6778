/** A folder as chokidar sees it: first the files that are there, in name order, then each one that appears or changes. */
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { watch, type FSWatcher } from "chokidar";
import { SplatError } from "../errors.ts";
import { compareNames, isUnfinishedName } from "./frame-names.ts";
import type { FileVersion } from "./image-file.ts";

export interface SeenFile {
  /** Relative to the folder, with "/". */
  readonly name: string;
  readonly version: FileVersion;
  /** Last change of content or name by the file system's clock, Unix milliseconds. */
  readonly changedMs: number;
}

export interface WatchOptions {
  readonly recursive: boolean;
  readonly accepts: (name: string) => boolean;
  /** Called for each file, in order. */
  readonly onFile: (file: SeenFile) => void;
  /** The operating system refuses to watch; files may be missed. */
  readonly onError: (error: SplatError) => void;
}

/** Tells one folder from another that later stands under the same name; null when there is none. */
export async function folderIdentity(dir: string): Promise<string | null> {
  try {
    const stats = await stat(dir);
    return stats.isDirectory() ? `${stats.dev}:${stats.ino}` : null;
  } catch {
    return null;
  }
}

/** Throws `bad_input` unless `dir` is a folder. */
export async function requireFolder(dir: string): Promise<void> {
  const stats = await stat(dir).catch((cause: unknown) => {
    throw new SplatError("bad_input", `there is no folder ${dir}`, {
      hint: "Give the folder that the camera program writes its images into.",
      cause,
    });
  });
  if (!stats.isDirectory()) {
    throw new SplatError("bad_input", `${dir} is a file, not a folder`, {
      hint: "Give the folder it lies in.",
    });
  }
}

/** Start watching; resolves when every file present has been passed to `onFile`. */
export async function openFolderWatch(dir: string, options: WatchOptions): Promise<FSWatcher> {
  let present: SeenFile[] | null = [];
  const nameOf = (path: string): string => relative(dir, path).split(sep).join("/");
  const watcher = watch(dir, {
    alwaysStat: true,
    ignorePermissionErrors: true,
    ...(options.recursive ? {} : { depth: 0 }),
    ignored: (path, stats) => {
      const name = nameOf(path);
      if (name === "") return false;
      return isUnfinishedName(name) || (stats?.isFile() === true && !options.accepts(name));
    },
  });
  watcher.on("all", (event, path, stats) => {
    if ((event !== "add" && event !== "change") || stats === undefined) return;
    const version = { sizeBytes: stats.size, mtimeMs: stats.mtimeMs };
    const file = { name: nameOf(path), version, changedMs: stats.ctimeMs };
    if (present === null) options.onFile(file);
    else present.push(file);
  });
  watcher.on("error", (thrown) => options.onError(watchError(dir, thrown)));
  await new Promise<void>((resolve) => {
    watcher.once("ready", resolve);
  });
  const found = present;
  present = null;
  found.sort((a, b) => compareNames(a.name, b.name)).forEach(options.onFile);
  return watcher;
}

/** Files below a folder whose names are wanted; none when it cannot be read just now. */
export async function listFiles(
  dir: string,
  recursive: boolean,
  isWanted: (name: string) => boolean,
): Promise<SeenFile[]> {
  const paths = await readdir(dir, { recursive }).catch((): string[] => []);
  const names = paths.map((path) => path.split(sep).join("/")).filter(isWanted);
  const files: SeenFile[] = [];
  for (const name of names) {
    const stats = await stat(join(dir, name)).catch(() => null);
    if (stats === null || !stats.isFile()) continue;
    files.push({
      name,
      version: { sizeBytes: stats.size, mtimeMs: stats.mtimeMs },
      changedMs: stats.ctimeMs,
    });
  }
  return files.sort((a, b) => compareNames(a.name, b.name));
}

function watchError(dir: string, thrown: unknown): SplatError {
  const code = (thrown as NodeJS.ErrnoException).code ?? "unknown error";
  return new SplatError("bad_input", `the operating system refuses to watch ${dir} (${code})`, {
    hint:
      code === "ENOSPC"
        ? "Raise fs.inotify.max_user_watches, move finished images away, or use --once."
        : "Check the folder's permissions, or use --once.",
    cause: thrown,
  });
}
