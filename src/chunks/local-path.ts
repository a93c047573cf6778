/** Keys are input from elsewhere: which of them may become a file's path, and which path. */
import { join } from "node:path";
import { SplatError } from "../errors.ts";
import type { Entry } from "./entry.ts";
import { printable } from "../printable.ts";

/** The parts of an entry that become a path. */
export type Placed = Pick<Entry, "scene" | "sessionId" | "name">;

/** Most file systems take names of 255 bytes; a half file's record adds `.` and `.part.json.part`. */
const MOST_BYTES = 255 - 16;
/** What Windows opens as a device, whatever follows the first dot. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(?:\.|$)/i;
/** Not in a file's name on Windows; slashes on no system. Control characters would act on a terminal. */
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f<>:"/\\|?*]/;
/** Turns the direction of what is shown: the name would look like another. */
const DIRECTION = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Written beside the files by us. */
const OURS = "sha256sums";

/**
 * Where `entry` goes below `folder`. Throws `bad_input` for a key that could leave it, or that some system would take
 * for something else (`..`, slashes, NUL and other control characters, names of Windows devices, dots and blanks at the end).
 */
export function localPath(folder: string, entry: Placed): string {
  return join(sessionFolder(folder, entry), safeName(entry, entry.name));
}

/** Where the files of an entry's session go below `folder`. Throws as `localPath` does. */
export function sessionFolder(folder: string, entry: Placed): string {
  return join(folder, safeName(entry, entry.scene), safeName(entry, entry.sessionId));
}

/** Equal for two entries that would be one file where upper and lower case are the same. */
export function foldedPath({ scene, sessionId, name }: Placed): string {
  return [scene, sessionId, name].map((part) => part.normalize("NFC").toUpperCase().toLowerCase()).join("/");
}

/** A key as it may be shown: what would act on a terminal is written out. */
export function shownKey({ scene, sessionId, name }: Placed): string {
  return `"${printable(`${scene}/${sessionId}/${name}`)}"`;
}

function safeName(entry: Placed, name: string): string {
  const problem = problemOf(name);
  if (problem === null) return name;
  throw new SplatError("bad_input", `${shownKey(entry)} cannot become a file here: ${problem}`, {
    hint: "Rename the object in the bucket, or leave it out with --exclude.",
  });
}

/** Why a name cannot be used, on any system: what was downloaded on one shall be readable on another. */
export function problemOf(name: string): string | null {
  if (name === "") return "a part of it is empty";
  if (LONE_SURROGATE.test(name)) return "it is not valid Unicode";
  if (FORBIDDEN.test(name)) return "a character in it is not allowed in file names";
  if (DIRECTION.test(name)) return "a character in it changes the direction of text";
  // `..` among them; our own files and half files begin so.
  if (name.startsWith(".")) return "a part of it begins with a dot";
  if (name.startsWith("-")) return "a part of it begins with a dash, which programs take for an option";
  if (name.startsWith(" ") || /[. ]$/.test(name))
    return "a part of it begins or ends with a blank, or ends with a dot";
  if (DEVICE.test(name)) return "Windows takes that name for a device";
  if (Buffer.byteLength(name) > MOST_BYTES) return `a part of it is longer than ${MOST_BYTES} bytes`;
  const folded = name.toLowerCase();
  if (folded === OURS || folded.startsWith(`${OURS}.`)) return "splatctl writes a file of that name itself";
  return null;
}
