/** What can go wrong with a spool, each as one SplatError that names the folder and says what to do. */
import { messageOf, SplatError } from "../errors.ts";

/** Why the file system refuses, in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "no room on the disk",
  EDQUOT: "the disk quota is used up",
  EROFS: "read-only file system",
  EACCES: "no permission",
  EPERM: "no permission",
  ENOTDIR: "a file is in the place of a folder",
  EEXIST: "a file is in the place of a folder",
  ENOENT: "it has disappeared",
};

/** `bad_input`: the folder cannot be used. */
export function spoolError(folder: string, error: unknown): SplatError {
  if (error instanceof SplatError) return error;
  const { code = "" } = error as NodeJS.ErrnoException;
  return new SplatError("bad_input", `cannot use the spool ${folder}: ${REASONS[code] ?? messageOf(error)}`, {
    hint:
      code === "ENOENT"
        ? "Images still in their folder are not lost: start the capture again to send them."
        : "Make room or fix its permissions, or name another place with --spool or SPLAT_SPOOL_DIR.",
    cause: error,
  });
}

/** `partial`: there is no room, and nothing that the spool could let go will make any. */
export function spoolFull(folder: string, what: string): SplatError {
  return new SplatError("partial", `the spool ${folder} is full (${what})`, {
    hint:
      "Make room on the disk, give it more with --spool-max-gb, " +
      "or drop what was set aside with `splatctl queue clear --failed`. Images not taken up yet are in their folder.",
  });
}

/** `partial`: a backend that accepts frames and does not have them afterwards. */
export function forgetful(name: string, times: number): SplatError {
  return new SplatError("partial", `the backend accepted ${name} ${times} times and lost it each time`, {
    hint:
      "Does more than one backend answer at this address, or does it restart all the time? " +
      "The frames are kept: start the capture again when it is well.",
  });
}
