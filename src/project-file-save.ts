/** Reading a project file to change it, and writing it whole. */
import { chmod, readFile, realpath, stat } from "node:fs/promises";
import { messageOf, SplatError } from "./errors.ts";
import { writeDurably } from "./files/durable.ts";
import { parseProject, withoutMark } from "./project-file.ts";

/** The text of a project file; empty where there is none. Throws `bad_input` when it cannot be read. */
export async function readProjectText(path: string): Promise<string> {
  try {
    return withoutMark(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw wrong(path, `cannot be read: ${messageOf(error)}`);
  }
}

/**
 * Write a project file in place of the one whose text was `before`, whole or not at all. Throws `bad_input` when it would
 * not be one, another has changed it meanwhile, or it cannot or must not be written. `check` throws what is wrong with it:
 * less is asked of one that is mended step by step.
 */
export async function saveProjectText(
  path: string,
  before: string,
  text: string,
  check: (path: string, text: string) => unknown = parseProject,
): Promise<void> {
  check(path, text);
  if ((await readProjectText(path)) !== before) {
    throw wrong(path, "was changed by somebody else meanwhile: nothing was written");
  }
  // Through a link, into the file that is meant.
  const place = await realpath(path).catch(() => path);
  const mode = await stat(place).then(
    (found) => found.mode & 0o777,
    () => null,
  );
  // A new file in its place would need no leave of the old one.
  if (mode !== null && (mode & 0o222) === 0) {
    throw wrong(path, "is read-only: nothing was written", "Make it writable first, if you may.");
  }
  try {
    await writeDurably(place, [Buffer.from(text)]);
    if (mode !== null) await chmod(place, mode);
  } catch (error) {
    throw wrong(path, `cannot be written: ${messageOf(error)}`);
  }
}

function wrong(path: string, what: string, hint = "Try again."): SplatError {
  return new SplatError("bad_input", `the project file ${path} ${what}`, { hint });
}
