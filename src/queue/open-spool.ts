/** Where spools lie and how one is taken. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, realpath } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { MAIN_SCENE } from "../api/limits.ts";
import { SplatError } from "../errors.ts";
import { removeTemporaries, writeDurably } from "../files/durable.ts";
import { Spool, type SpoolOptions } from "./spool.ts";
import { readContents } from "./spool-contents.ts";
import { spoolError } from "./spool-error.ts";
import { lockSpool } from "./spool-lock.ts";

const VERSION = 1;
const aboutSchema = z.object({
  version: z.int(),
  folder: z.string(),
  backend: z.string(),
  scene: z.string().default(MAIN_SCENE),
});

/** What a spool is for. */
export interface SpoolPurpose {
  /** Folder that is captured, absolute. */
  readonly folder: string;
  /** URL of the backend. */
  readonly backend: string;
  /** Which of its scenes. */
  readonly scene: string;
}

/** A folder's one name, however it was given. */
export async function realFolder(folder: string): Promise<string> {
  return await realpath(folder).catch(() => resolve(folder));
}

/** Where the spool of a captured folder and a scene of a backend lies, below `root`. */
export function spoolFolderFor(root: string, { folder: real, backend, scene }: SpoolPurpose): string {
  const purpose = [real, backend, ...(scene === MAIN_SCENE ? [] : [scene])].join("\n");
  const hash = createHash("sha256").update(purpose).digest("hex").slice(0, 12);
  const name = basename(real)
    .replace(/[^\w.-]+/g, "-")
    .slice(0, 40);
  return join(resolve(root), `${name}-${hash}`);
}

/** Folders of all spools below `root`; none when there is no such folder. */
export async function listSpoolFolders(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw spoolError(root, error);
  });
  const folders: string[] = [];
  for (const entry of entries) {
    const folder = join(resolve(root), entry.name);
    if (entry.isDirectory() && (await readPurpose(folder)) !== null) folders.push(folder);
  }
  return folders.sort();
}

/** What a spool is for; null when the folder is none. */
export async function readPurpose(spoolFolder: string): Promise<SpoolPurpose | null> {
  try {
    const text = await readFile(join(spoolFolder, "spool.json"), "utf8");
    return aboutSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/**
 * Take a spool, creating it when missing, and put in order what a crash has left.
 * Throws `bad_input` when another process holds it, it was written by a newer splatctl, or the folder cannot be used.
 */
export async function openSpool(
  folder: string,
  purpose: SpoolPurpose,
  options: SpoolOptions & { readonly beatMs?: number | undefined },
): Promise<Spool> {
  try {
    for (const part of ["frames", "failed"]) await mkdir(join(folder, part), { recursive: true });
    const lock = await lockSpool(folder, options);
    try {
      await describe(folder, purpose);
      for (const part of ["", "frames", "failed"]) await removeTemporaries(join(folder, part));
      return new Spool(folder, await readContents(folder), lock, options);
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw spoolError(folder, error);
  }
}

async function describe(folder: string, purpose: SpoolPurpose): Promise<void> {
  const path = join(folder, "spool.json");
  const text = await readFile(path, "utf8").catch(() => null);
  const version = text === null ? null : versionOf(text);
  if (version === VERSION) return;
  if (version !== null && version > VERSION) {
    throw new SplatError("bad_input", `the spool ${folder} was written by a newer splatctl`, {
      hint: "Use that one, or name another place with --spool.",
    });
  }
  const about: z.infer<typeof aboutSchema> = { version: VERSION, ...purpose };
  await writeDurably(path, [Buffer.from(`${JSON.stringify(about)}\n`)]);
}

function versionOf(text: string): number | null {
  try {
    return aboutSchema.safeParse(JSON.parse(text)).data?.version ?? null;
  } catch {
    return null;
  }
}
