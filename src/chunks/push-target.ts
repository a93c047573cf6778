/** Where a scene is to go in the bucket, as the user says it. */
import { SCENE_NAME } from "../api/limits.ts";
import { SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import { problemOf } from "./local-path.ts";

export interface PushTarget {
  readonly scene: string;
  /** Of a session to go on with, or to begin under this name; `sessionIdOf` the file otherwise. */
  readonly sessionId?: string | undefined;
  /** In the bucket, instead of `chunk_0001.ply`. */
  readonly name?: string | undefined;
}

const SESSION_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** What commands take for something else than an id. */
const WORDS = ["latest", "all"];
const NAME = /^[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}._ -]{0,98}[\p{L}\p{N}\p{M}])?$/u;

const EXTENSIONS = [".ply", ".spz", ".splat"];

/**
 * Throws `usage` unless every name is one that people can type, no glob means otherwise, and every system takes as a
 * file's: what lies in the bucket is to be downloaded again.
 */
export function checkTarget({ scene, ...names }: PushTarget): void {
  if (!SCENE_NAME.test(scene)) throw unusable("scene", scene, "1 to 32 of a-z, 0-9 and -");
  requireFileName("scene", scene);
  checkNames(names);
}

/** As `checkTarget`, of what can be said before it is known which scene it is. */
export function checkNames({ sessionId, name }: Omit<PushTarget, "scene">): void {
  if (sessionId !== undefined) {
    if (WORDS.includes(sessionId) || !SESSION_ID.test(sessionId)) {
      throw unusable("session", sessionId, "1 to 64 letters, digits, _ and -, and neither latest nor all");
    }
    requireFileName("session", sessionId);
  }
  if (name === undefined) return;
  const stored = name.normalize("NFC");
  if (!NAME.test(stored)) throw unusable("name", name, "1 to 100 letters, digits, blanks, ., _ and -");
  requireFileName("name", stored);
  if (!EXTENSIONS.some((extension) => stored.toLowerCase().endsWith(extension))) {
    throw unclear(name, `${EXTENSIONS.slice(0, -1).join(", ")} or ${EXTENSIONS.at(-1)}, by what it is`);
  }
}

/** Throws `usage` unless the name says what the file is. */
export function requireExtension(name: string, extension: string): void {
  if (!name.toLowerCase().endsWith(extension)) throw unclear(name, extension);
}

/**
 * The session that a file of this SHA-256 begins when the user names none: the same for the same file, so that a second
 * push finds the first. A UUID of version 8, which is for ids made in one's own way (RFC 9562, 5.8).
 */
export function sessionIdOf(sha256: string): string {
  const bytes = Buffer.from(sha256, "hex").subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** By the flag that names it. */
const KINDS = { scene: "scene", session: "session", name: "file" } as const;

function requireFileName(flag: keyof typeof KINDS, name: string): void {
  const problem = problemOf(name);
  if (problem === null) return;
  throw new SplatError("usage", `${cannotBe(flag, name)}: ${problem}`, { hint: `Choose another --${flag}.` });
}

function unusable(flag: keyof typeof KINDS, name: string, rule: string): SplatError {
  return new SplatError("usage", cannotBe(flag, name), { hint: `Choose another --${flag}: ${rule}.` });
}

function cannotBe(flag: keyof typeof KINDS, name: string): string {
  return `${printable(JSON.stringify(name))} cannot be the name of a ${KINDS[flag]}`;
}

function unclear(name: string, ending: string): SplatError {
  return new SplatError("usage", `${printable(JSON.stringify(name))} does not say what the file is`, {
    hint: `Choose another --name, one that ends with ${ending}.`,
  });
}
