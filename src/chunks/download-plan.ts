/** Which entry goes where, before anything is asked for or written. */
import { join } from "node:path";
import { SplatError, toSplatError } from "../errors.ts";
import type { Entry } from "./entry.ts";
import { foldedPath, localPath, sessionFolder, shownKey } from "./local-path.ts";

/** An entry and where it goes, or why it cannot. */
export interface Planned {
  readonly entry: Entry;
  /** Of its session. Empty, as `path` is, when its key cannot become a path. */
  readonly folder: string;
  readonly path: string;
  readonly error: SplatError | null;
}

/**
 * Give every entry its path below `root`. `isCaseBlind` is asked only where it matters: there names that differ by case
 * alone are one, so the second of two files fails, and two such folders are one.
 */
export async function planDownload(
  root: string,
  entries: readonly Entry[],
  isCaseBlind: () => Promise<boolean>,
): Promise<readonly Planned[]> {
  let asked: Promise<boolean> | null = null;
  const isBlind = (): Promise<boolean> => (asked ??= isCaseBlind());
  const files = new Map<string, Planned>();
  const folders = new Map<string, string>();
  const planned: Planned[] = [];
  for (const entry of entries) {
    let plan = planOf(root, entry);
    if (plan.error === null) {
      const foldedFolder = foldedPath({ ...entry, name: "" });
      const folder = folders.get(foldedFolder) ?? plan.folder;
      folders.set(foldedFolder, folder);
      if (folder !== plan.folder && (await isBlind()))
        plan = { ...plan, folder, path: join(folder, entry.name) };
    }
    const folded = foldedPath(entry);
    const other = files.get(folded);
    if (other === undefined) files.set(folded, plan);
    else if (plan.error === null && (plan.path === other.path || (await isBlind())))
      plan = { ...plan, error: sameName(entry, other.entry) };
    planned.push(plan);
  }
  return planned;
}

function planOf(root: string, entry: Entry): Planned {
  try {
    return { entry, folder: sessionFolder(root, entry), path: localPath(root, entry), error: null };
  } catch (thrown) {
    return { entry, folder: "", path: "", error: toSplatError(thrown) };
  }
}

function sameName(entry: Entry, other: Entry): SplatError {
  const text = `${shownKey(entry)} would be the same file here as ${shownKey(other)}`;
  return new SplatError("bad_input", text, {
    hint: "Download one of them with --include, the other elsewhere.",
  });
}
