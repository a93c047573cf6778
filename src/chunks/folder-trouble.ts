/** What the file system says when nothing more can be written, in words. */
import { SplatError } from "../errors.ts";

interface Trouble {
  readonly says: string;
  readonly hint: string;
}

const FULL: Trouble = {
  says: "the disk is full",
  hint: "Make room, or name another folder, and run it again: what is there stays, half files are gone on with.",
};
const DENIED: Trouble = {
  says: "it may not be written",
  hint: "Check who owns it and its permissions, or name another folder.",
};
const NO_FOLDER: Trouble = {
  says: "there is a file where a folder has to be",
  hint: "Move that file away, or name another folder.",
};
const TOO_MANY: Trouble = {
  says: "too many files are open",
  hint: "Raise the limit (ulimit -n), or download fewer at a time.",
};

/** Trouble that every other file would meet as well. Codes: errno(3). */
const TROUBLES: Readonly<Record<string, Trouble>> = {
  ENOSPC: FULL,
  EDQUOT: { ...FULL, says: "the quota is used up" },
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: { says: "its file system is read-only", hint: "Name another folder." },
  ENOTDIR: NO_FOLDER,
  EEXIST: NO_FOLDER,
  ENOENT: { says: "it was taken away", hint: "Run it again." },
  EIO: { says: "the disk cannot be read or written", hint: "Check the disk, or name another folder." },
  EFBIG: { says: "its file system takes no file of that size", hint: "Name a folder on another one." },
  EMFILE: TOO_MANY,
  ENFILE: TOO_MANY,
};

/** The error for a folder that cannot be used; null for what is not of the file system, or concerns one file only. */
export function folderTrouble(thrown: unknown, folder: string): SplatError | null {
  if (thrown instanceof SplatError) return null;
  const { code = "" } = (thrown ?? {}) as NodeJS.ErrnoException;
  const trouble = TROUBLES[code];
  if (trouble === undefined) return null;
  const text = `${folder} cannot be downloaded into: ${trouble.says} (${code})`;
  return new SplatError("bad_input", text, { hint: trouble.hint, cause: thrown });
}

/** The error for one file that cannot be written while others can. */
export function fileTrouble(thrown: unknown, path: string): SplatError | null {
  const { code = "" } = (thrown ?? {}) as NodeJS.ErrnoException;
  if (thrown instanceof SplatError || !["EISDIR", "ENOTEMPTY", "ENAMETOOLONG", "EINVAL"].includes(code))
    return null;
  const says =
    code === "EISDIR" || code === "ENOTEMPTY"
      ? "a folder has that name"
      : `the file system refuses it (${code})`;
  return new SplatError("bad_input", `${path} cannot be written: ${says}`, {
    hint: "Move what is there away, or name another folder.",
    cause: thrown,
  });
}
