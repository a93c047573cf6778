/** Checks what lies in a folder against every SHA256SUMS below it. */
import { readdir } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { SplatError } from "../errors.ts";
import { Hasher } from "./file-hash.ts";
import { isPartName } from "./part-file.ts";
import { readSums, SUMS_NAME } from "./sums.ts";

/** What is wrong with a file, or `ok`. */
export type FileState =
  | "ok"
  /** Listed, and not there. */
  | "missing"
  /** Not what the list says; or a list that does not say of all its lines, or of any, which file they mean. */
  | "damaged"
  /** It cannot be read; a folder or a list, too. */
  | "unreadable"
  /** Its download was never finished. */
  | "half"
  /** It lies beside a list that does not name it. */
  | "unlisted";

export interface CheckedFile {
  /** Below the folder that was asked about. */
  readonly path: string;
  readonly state: FileState;
  /** 0 where it could not be read. */
  readonly sizeBytes: number;
}

export interface VerifyReport {
  /** Those whose state is not `ok` among them; in order of their paths. */
  readonly files: readonly CheckedFile[];
  /** How many SHA256SUMS there are. */
  readonly lists: number;
  /** Lines in them that say nothing that can be used. */
  readonly strangeLines: number;
}

export interface VerifyProgress {
  readonly checkedFiles: number;
  readonly checkedBytes: number;
  readonly allFiles: number;
}

const PARALLEL = 8;

/** Whether something is wrong: files that no list names are none of the bucket's, and are only told of. */
export function isWrong({ state }: CheckedFile): boolean {
  return state !== "ok" && state !== "unlisted";
}

/**
 * Check every file that a SHA256SUMS below `folder` names, and tell what else lies beside the lists. Throws `bad_input`
 * when there is no list or the folder cannot be read, and the signal's reason.
 */
export async function verifyFolder(
  folder: string,
  signal: AbortSignal,
  onProgress: (progress: VerifyProgress) => void = () => undefined,
): Promise<VerifyReport> {
  const { lists, checks, files, strangeLines } = await findLists(folder);
  if (lists === 0) {
    throw new SplatError("bad_input", `there is no ${SUMS_NAME} in ${folder} or below it`, {
      hint: "splatctl chunks get writes one beside the files that it downloads.",
    });
  }
  const checked = await checkAll(checks, signal, onProgress);
  const all = [...files, ...checked].map((file) => ({ ...file, path: relative(folder, file.path) }));
  return { files: all.sort((a, b) => (a.path < b.path ? -1 : 1)), lists, strangeLines };
}

/** A file that a list names. */
interface Check {
  readonly path: string;
  readonly sha256: string;
}

interface Found {
  readonly lists: number;
  readonly checks: readonly Check[];
  readonly files: readonly CheckedFile[];
  readonly strangeLines: number;
}

async function findLists(folder: string): Promise<Found> {
  const { names, files } = await walk(folder);
  const checks: Check[] = [];
  let lists = 0;
  let strangeLines = 0;
  for (const [each, there] of names) {
    const isThere = there.has(SUMS_NAME);
    const list = isThere ? await readSums(each).catch(() => null) : null;
    const listed = new Set([...(list?.sums.keys() ?? [])].map((name) => name.normalize("NFC")));
    for (const name of there) {
      const isHalf = isHalfOf(name, there);
      if (isHalf || (list !== null && !listed.has(name.normalize("NFC")) && !isOurs(name)))
        files.push({ path: join(each, name), state: isHalf ? "half" : "unlisted", sizeBytes: 0 });
    }
    if (!isThere) continue;
    lists++;
    if (list === null) {
      files.push({ path: join(each, SUMS_NAME), state: "unreadable", sizeBytes: 0 });
      continue;
    }
    const known = checks.length;
    let strange = list.strangeLines;
    for (const [name, sha256] of list.sums) {
      // Lists of ours name files beside them only: another's may lead anywhere.
      if (basename(name) === name && dirname(name) === "." && name !== "..")
        checks.push({ path: join(each, name), sha256 });
      else strange++;
    }
    strangeLines += strange;
    // Files that it does not name any more would pass unseen.
    if (strange > 0 || checks.length === known)
      files.push({ path: join(each, SUMS_NAME), state: "damaged", sizeBytes: 0 });
  }
  return { lists, checks, files, strangeLines };
}

/** A record without its bytes is what a crash leaves of a file that was just finished. */
function isHalfOf(name: string, there: ReadonlySet<string>): boolean {
  return isPartName(name) && !(name.endsWith(".json") && there.has(name.slice(0, -".json".length)));
}

interface Walked {
  /** Names of the files in every folder, links to folders not followed. */
  readonly names: ReadonlyMap<string, ReadonlySet<string>>;
  /** Folders that cannot be read. */
  readonly files: CheckedFile[];
}

async function walk(root: string): Promise<Walked> {
  const names = new Map<string, Set<string>>();
  const files: CheckedFile[] = [];
  const folders = [root];
  for (const folder of folders) {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      if (folder === root) throw unreadable(root, error);
      files.push({ path: folder, state: "unreadable", sizeBytes: 0 });
      return [];
    });
    folders.push(...entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name)));
    names.set(folder, new Set(entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)));
  }
  return { names, files };
}

function unreadable(folder: string, error: unknown): SplatError {
  const { code } = error as NodeJS.ErrnoException;
  const says = code === "ENOENT" ? "it is not there" : code === "ENOTDIR" ? "it is no folder" : String(code);
  return new SplatError("bad_input", `${folder} cannot be read: ${says}`, { cause: error });
}

function isOurs(name: string): boolean {
  return (
    name === SUMS_NAME ||
    name === `${SUMS_NAME}.part` ||
    name.startsWith(".splatctl-lock") ||
    isPartName(name)
  );
}

async function checkAll(
  checks: readonly Check[],
  signal: AbortSignal,
  onProgress: (progress: VerifyProgress) => void,
): Promise<readonly CheckedFile[]> {
  const hasher = new Hasher();
  const stop = (): void => void hasher.close();
  signal.addEventListener("abort", stop, { once: true });
  const checked: CheckedFile[] = [];
  let next = 0;
  let checkedBytes = 0;
  const work = async (): Promise<void> => {
    while (next < checks.length) {
      signal.throwIfAborted();
      const file = await checkOne(checks[next++], hasher);
      checked.push(file);
      checkedBytes += file.sizeBytes;
      onProgress({ checkedFiles: checked.length, checkedBytes, allFiles: checks.length });
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL }, work));
  } finally {
    signal.removeEventListener("abort", stop);
    await hasher.close();
  }
  signal.throwIfAborted();
  return checked;
}

async function checkOne({ path, sha256 }: Check, hasher: Hasher): Promise<CheckedFile> {
  try {
    const found = await hasher.hashFile(path, false);
    return { path, state: found.sha256 === sha256 ? "ok" : "damaged", sizeBytes: found.sizeBytes };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { path, state: code === "ENOENT" ? "missing" : "unreadable", sizeBytes: 0 };
  }
}
