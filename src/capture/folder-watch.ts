/** A folder: first the files that are there, in name order, then each one that appears or changes. */
import { watch, type Dirent, type FSWatcher, type Stats } from "node:fs";
import { opendir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { watch as watchWithChokidar } from "chokidar";
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

/** Names are read from the disk so many at a time, and other work comes in between. */
const NAMES_AT_ONCE = 1000;

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
      hint: "Give the folder it lies in; a video is given with --webcam.",
    });
  }
}

/** A watch that is on. */
export interface FolderWatch {
  close(): Promise<void>;
}

/** Start watching; resolves when every file present has been passed to `onFile`. */
export async function openFolderWatch(dir: string, options: WatchOptions): Promise<FolderWatch> {
  const identity = await folderIdentity(dir);
  const onFault = async (thrown: unknown): Promise<void> => {
    if (!(await isFolderGone(dir, identity))) options.onError(watchError(dir, thrown));
  };
  return options.recursive ? await watchTree(dir, options, onFault) : await watchOne(dir, options, onFault);
}

/**
 * Whether what stood under the name has gone since: a watch that fails then is no news to whoever looks after the folder
 * (Windows says EPERM of a watched folder that is removed).
 */
export async function isFolderGone(dir: string, identity: string | null): Promise<boolean> {
  const now = await folderIdentity(dir);
  return now === null || now !== identity;
}

type OnFault = (thrown: unknown) => Promise<void>;

/**
 * One folder, by the system's own events: each names the file it is about. chokidar would list the whole folder for
 * each, which at a camera's rate takes a core once some hundred files are there.
 */
async function watchOne(
  dir: string,
  { accepts, onFile }: WatchOptions,
  onFault: OnFault,
): Promise<FolderWatch> {
  const isWanted = (name: string): boolean => !isUnfinishedName(name) && accepts(name);
  const closed = new AbortController();
  /** Names being looked at; true when one changed again meanwhile. */
  const looking = new Map<string, boolean>();

  async function look(name: string): Promise<void> {
    if (looking.has(name)) return void looking.set(name, true);
    do {
      looking.set(name, false);
      const file = await lookAt(dir, name);
      if (file !== null && !closed.signal.aborted) onFile(file);
    } while (looking.get(name) === true && !closed.signal.aborted);
    looking.delete(name);
  }

  const watcher = await watchFolder(dir, onFault);
  watcher?.on("change", (_event, name) => {
    // Without a name the listing that follows every few seconds finds it.
    if (typeof name === "string" && isWanted(name)) void look(name);
  });
  watcher?.on("error", (thrown) => void onFault(thrown));
  for (const file of await listFiles(dir, false, isWanted)) onFile(file);
  return {
    close: () => {
      closed.abort();
      watcher?.close();
      return Promise.resolve();
    },
  };
}

/** Null when the system refuses; what is there can be listed all the same. */
async function watchFolder(dir: string, onFault: OnFault): Promise<FSWatcher | null> {
  try {
    return watch(dir, { persistent: true });
  } catch (thrown) {
    await onFault(thrown);
    return null;
  }
}

/** A folder with all below it. */
async function watchTree(dir: string, options: WatchOptions, onFault: OnFault): Promise<FolderWatch> {
  let present: SeenFile[] | null = [];
  const nameOf = (path: string): string => relative(dir, path).split(sep).join("/");
  const watcher = watchWithChokidar(dir, {
    alwaysStat: true,
    ignorePermissionErrors: true,
    ignored: (path, stats) => {
      const name = nameOf(path);
      if (name === "") return false;
      return isUnfinishedName(name) || (stats?.isFile() === true && !options.accepts(name));
    },
  });
  watcher.on("all", (event, path, stats) => {
    if ((event !== "add" && event !== "change") || stats === undefined) return;
    const file = seenFile(nameOf(path), stats);
    if (present === null) options.onFile(file);
    else present.push(file);
  });
  watcher.on("error", (thrown) => void onFault(thrown));
  await new Promise<void>((resolve) => {
    watcher.once("ready", resolve);
  });
  const found = present;
  present = null;
  found.sort((a, b) => compareNames(a.name, b.name)).forEach(options.onFile);
  return watcher;
}

/**
 * Files of a folder whose names are wanted, in name order; those that cannot be read just now are left out. A large
 * folder is listed in pieces that give way to other work. Ends early, with what it has, when the signal aborts.
 */
export async function listFiles(
  dir: string,
  recursive: boolean,
  isWanted: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<SeenFile[]> {
  const files: SeenFile[] = [];
  for await (const name of recursive ? namesBelow(dir, "", []) : namesIn(dir)) {
    if (signal?.aborted === true) break;
    if (!isWanted(name)) continue;
    const file = await lookAt(dir, name);
    if (file !== null) files.push(file);
  }
  return files.sort((a, b) => compareNames(a.name, b.name));
}

async function* namesIn(dir: string): AsyncGenerator<string> {
  for await (const { name } of entriesOf(dir)) yield name;
}

/** Names of all files, relative to `dir`. `above`: the folders on the way, so that a link to one of them is no loop. */
async function* namesBelow(dir: string, prefix: string, above: readonly string[]): AsyncGenerator<string> {
  const here = await folderIdentity(join(dir, prefix));
  if (here === null || above.includes(here)) return;
  for await (const entry of entriesOf(join(dir, prefix))) {
    const name = prefix + entry.name;
    if (entry.isFile() || isUnfinishedName(entry.name)) yield name;
    else if (entry.isDirectory() || (await folderIdentity(join(dir, name))) !== null) {
      yield* namesBelow(dir, `${name}/`, [...above, here]);
    } else yield name;
  }
}

async function* entriesOf(dir: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(dir, { bufferSize: NAMES_AT_ONCE });
  } catch {
    // It has gone, or may not be read: there is nothing to find in it.
  }
}

/** Null when there is no file of that name now. */
async function lookAt(dir: string, name: string): Promise<SeenFile | null> {
  const stats = await stat(join(dir, name)).catch(() => null);
  return stats === null || !stats.isFile() ? null : seenFile(name, stats);
}

function seenFile(name: string, { size, mtimeMs, ctimeMs }: Stats): SeenFile {
  return { name, version: { sizeBytes: size, mtimeMs }, changedMs: ctimeMs };
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
