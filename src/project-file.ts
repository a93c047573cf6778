/**
 * The project file: what is always the same in one folder's work, so that nobody types it twice. JSON, in which comments
 * and trailing commas may stand.
 */
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { isSecretDevice } from "./capture/camera-address.ts";
import { messageOf, SplatError } from "./errors.ts";
import { nearestName } from "./nearest-name.ts";
import { printable } from "./printable.ts";
import { namesAt, projectSchema, type Project } from "./project-file-schema.ts";
import { commentsOf, describePlace, readText, type Place, type ReadText } from "./project-file-text.ts";

export type { Project } from "./project-file-schema.ts";

/** Names of what must not lie in a file that is shared and committed. */
const NAMES = "token|secret|passw|pwd|credential|authorization|(?:api|access)_?key";
const SECRET = new RegExp(NAMES, "i");
/** The same, commented out: `"token": "…"`. */
const SECRET_IN_COMMENT = new RegExp(
  `["'][^"'\\n]{0,64}(?:${NAMES})[^"'\\n]{0,64}["']\\s{0,8}:\\s{0,8}["'][^"'\\n]`,
  "i",
);
/** `name=value` in an address, wherever cameras and services take it. */
const SECRET_IN_URL = new RegExp(`(?:${NAMES}|key)[\\w.-]{0,64}=`, "i");
/** A password may hold a slash, as nobody escapes it. */
const LOGIN_IN_URL = /^\w[\w+.-]{0,31}:\/\/(?:[^/@\s]*@|[^\s:]*:\S*@)/;
const URL_IN_COMMENT = /\b\w{1,16}:\/\/[^\s"'<>]{1,2048}/g;

const SECRETS_BELONG =
  "Secrets belong into the environment, a token into SPLAT_API_TOKEN or `splatctl config set token`: this file is shared and committed.";
const MEND = "Mend it, or remove it: it is not needed.";
/** Ten times what anybody writes. */
const MAX_CHARACTERS = 1 << 20;

/** Read a project file. Throws `bad_input` naming what is wrong with it, and where. */
export async function readProjectFile(path: string): Promise<Project> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw wrong(path, `cannot be read: ${messageOf(error)}`, MEND);
  });
  return parseProject(path, text);
}

/** What the text of a project file says; `path` is for the error. Throws as {@link readProjectFile}. */
export function parseProject(path: string, text: string): Project {
  const read = readWhole(path, text);
  // A file of comments alone says nothing, as an empty object does.
  const value = read.value ?? {};
  refuseSecrets(path, value, read.placeOf);
  refuseSecretComments(path, text);
  const parsed = projectSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 3).map((issue) => describeIssue(issue, read));
  throw wrong(path, `is not as it should be: ${faults.join("; ")}`, knownKeys(parsed.error.issues));
}

/**
 * Check one value as it would stand in a project file. Throws `usage` for a value that it cannot be, and for one that holds
 * a secret.
 */
export function checkProjectValue(key: string, value: unknown): void {
  const [group, name] = key.split(".");
  const needed = group === "relay" ? { source: "serial" } : {};
  const holder = name === undefined ? { [group]: value } : { [group]: { ...needed, [name]: value } };
  const parsed = projectSchema.safeParse(holder);
  if (!parsed.success)
    throw new SplatError("usage", `${key} cannot be that: ${parsed.error.issues[0].message}`);
  if (isTelling(key, value)) {
    throw new SplatError("usage", `${key} must not hold a secret`, { hint: SECRETS_BELONG });
  }
}

/** The text of a file without the mark that some editors put before it. */
export function withoutMark(text: string): string {
  return text.startsWith("\u{feff}") ? text.slice(1) : text;
}

/** Throws `bad_input` when a text is no JSON, whatever it says. */
export function requireJson(path: string, text: string): void {
  readWhole(path, text);
}

/** What is wrong is said without quoting the file, which may hold anything. */
function readWhole(path: string, text: string): ReadText {
  if (text.length > MAX_CHARACTERS) throw wrong(path, "is longer than such a file can be", MEND);
  const read = orNull(() => readText(withoutMark(text)));
  if (read === null) throw wrong(path, "is not JSON: it is too deep", MEND);
  const [fault] = read.faults;
  if (fault === undefined) return read;
  throw wrong(path, `is not JSON: ${describePlace(fault.place)}: ${fault.says}`, MEND);
}

/** A tree deeper than the stack. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function describeIssue(issue: z.core.$ZodIssue, { placeOf }: ReadText): string {
  const at = (path: readonly PropertyKey[]): string => ` (${describePlace(placeOf(path))})`;
  if (issue.code === "unrecognized_keys") {
    return issue.keys
      .map((key) => {
        const path = [...issue.path, key];
        const meant = nearestName(key, namesAt(issue.path));
        const question = meant === null ? "" : `: is "${[...issue.path, meant].join(".")}" meant?`;
        return `no setting is called "${printable(path.join("."))}"${at(path)}${question}`;
      })
      .join(", ");
  }
  if (issue.path.length === 0) return issue.message;
  return `${issue.path.join(".")}: ${issue.message}${at(issue.path)}`;
}

/** The names there are, where one was used that there is not. */
function knownKeys(issues: readonly z.core.$ZodIssue[]): string | undefined {
  const stray = issues.find(({ code }) => code === "unrecognized_keys");
  return stray === undefined ? undefined : `There are: ${namesAt(stray.path).join(", ")}.`;
}

function refuseSecrets(
  path: string,
  value: unknown,
  placeOf: ReadText["placeOf"],
  inside: string[] = [],
): void {
  if (isTelling(inside.join("."), value)) {
    throw secret(path, `${inside.join(".")} holds one`, placeOf(inside));
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const within = [...inside, key];
    if (SECRET.test(key)) throw secret(path, `"${printable(within.join("."))}"`, placeOf(within));
    refuseSecrets(path, inner, placeOf, within);
  }
}

/** What is commented out is committed all the same. */
function refuseSecretComments(path: string, text: string): void {
  for (const comment of commentsOf(withoutMark(text))) {
    const urls = comment.text.match(URL_IN_COMMENT) ?? [];
    if (SECRET_IN_COMMENT.test(comment.text) || urls.some((url) => isTelling("", url))) {
      throw secret(path, "a comment holds one", comment.place);
    }
  }
}

/** Whether an address holds a password or a token. Of a camera's, whatever is not known to be harmless may be one. */
function isTelling(key: string, value: unknown): boolean {
  if (typeof value !== "string") return false;
  if (key === "capture.webcam" && isSecretDevice(value)) return true;
  return LOGIN_IN_URL.test(value) || (/:\/\/|[?&]/.test(value) && SECRET_IN_URL.test(value));
}

function secret(path: string, which: string, place: Place): SplatError {
  return wrong(path, `must not hold secrets: ${which} (${describePlace(place)})`, SECRETS_BELONG);
}

function wrong(path: string, what: string, hint: string | undefined): SplatError {
  return new SplatError("bad_input", `the project file ${path} ${what}`, { hint });
}
