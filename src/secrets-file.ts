/**
 * Secrets of backends, each kept under its backend's URL so that none is ever sent to another one.
 * Modes and the repeated chmod follow wrangler's credential file: `mode` counts only when a file is made.
 */
import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { messageOf, SplatError } from "./errors.ts";
import { makePrivateFolder } from "./user-config.ts";

const secret = z.string().min(1);

const secretsSchema = z.object({
  /** What the backend itself asks for. */
  token: secret.optional(),
  /** What Modal's proxy in front of it asks for. */
  proxyKey: secret.optional(),
  proxySecret: secret.optional(),
});

/** The secrets of one backend. Never printed. */
export type BackendSecrets = z.infer<typeof secretsSchema>;

const fileSchema = z.object({ backends: z.record(z.string(), secretsSchema) });

/** What is kept for the backend at exactly this URL; empty when nothing is. Throws `bad_input`. */
export async function readSecrets(path: string, url: string): Promise<BackendSecrets> {
  const backends = await readAll(path);
  return Object.hasOwn(backends, url) ? backends[url] : {};
}

/** Keep secrets for a backend in place of those kept for it before. Throws `bad_input` when that cannot be done. */
export async function saveSecrets(path: string, url: string, secrets: BackendSecrets): Promise<void> {
  await writeAll(path, { ...(await readAll(path)), [url]: secrets });
}

/** Forget the secrets of a backend. Throws `bad_input` when that cannot be done. */
export async function forgetSecrets(path: string, url: string): Promise<void> {
  const { [url]: forgotten, ...kept } = await readAll(path);
  if (forgotten !== undefined) await writeAll(path, kept);
}

async function readAll(path: string): Promise<Record<string, BackendSecrets>> {
  const content = await readFile(path, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw wrong(path, `cannot be read: ${messageOf(error)}`);
  });
  if (content === null) return {};
  // What JSON.parse and the schema say may quote the file.
  try {
    return fileSchema.parse(JSON.parse(content)).backends;
  } catch {
    throw wrong(path, "is not as it should be");
  }
}

async function writeAll(path: string, backends: Readonly<Record<string, BackendSecrets>>): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    await makePrivateFolder(dirname(path));
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(`${JSON.stringify({ backends }, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw wrong(path, `cannot be written: ${messageOf(error)}`);
  }
}

function wrong(path: string, what: string): SplatError {
  return new SplatError("bad_input", `the file of tokens ${path} ${what}`, {
    hint: "Mend it, or remove it and set SPLAT_API_TOKEN instead.",
  });
}
