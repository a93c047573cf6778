/**
 * Secrets of backends and of buckets, each kept under what it is for so that none is ever sent anywhere else.
 * Modes and the repeated chmod follow wrangler's credential file: `mode` counts only when a file is made.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, open, readFile, rename, rm, stat } from "node:fs/promises";
import { z } from "zod";
import { messageOf, SplatError } from "./errors.ts";
import { keepSecret } from "./redact.ts";
import { changeSettings } from "./user-config.ts";

const secret = z.string().min(1);

/** What is not known here, a newer splatctl may have written: it is let be. */
const secretsSchema = z.looseObject({
  /** What the backend itself asks for. */
  token: secret.optional(),
  /** What Modal's proxy in front of it asks for. */
  proxyKey: secret.optional(),
  proxySecret: secret.optional(),
});

const keysSchema = z.looseObject({ accessKeyId: secret, secretAccessKey: secret });

/** The secrets of one backend. Never printed. */
export type BackendSecrets = z.infer<typeof secretsSchema>;

/** The keys of one bucket. Never printed. */
export type BucketKeys = z.infer<typeof keysSchema>;

const fileSchema = z.looseObject({
  /** By URL. */
  backends: z.record(z.string(), secretsSchema).default({}),
  /** By `bucketId` of `config-bucket.ts`. */
  buckets: z.record(z.string(), keysSchema).default({}),
});

type Secrets = z.infer<typeof fileSchema>;

/** For others. */
const OPEN_MODES = 0o077;

/** What is kept for the backend at exactly this URL; empty when nothing is. Throws `bad_input`. */
export async function readSecrets(path: string, url: string): Promise<BackendSecrets> {
  const { backends } = await readAll(path);
  return Object.hasOwn(backends, url) ? backends[url] : {};
}

/** Keep secrets for a backend in place of those kept for it before. Throws `bad_input` when that cannot be done. */
export async function saveSecrets(path: string, url: string, secrets: BackendSecrets): Promise<void> {
  await change(path, (all) => ({ ...all, backends: { ...all.backends, [url]: secrets } }));
}

/** Forget the secrets of a backend. Throws `bad_input` when that cannot be done. */
export async function forgetSecrets(path: string, url: string): Promise<void> {
  await forget(path, (all) => {
    const { [url]: forgotten, ...backends } = all.backends;
    return forgotten === undefined ? null : { ...all, backends };
  });
}

/** The keys kept for exactly this bucket; undefined when none are. Throws `bad_input`. */
export async function readBucketKeys(path: string, id: string): Promise<BucketKeys | undefined> {
  const { buckets } = await readAll(path);
  if (!Object.hasOwn(buckets, id)) return undefined;
  const { accessKeyId, secretAccessKey } = buckets[id];
  return { accessKeyId, secretAccessKey };
}

/** Keep the keys of a bucket in place of those kept for it before. Throws `bad_input` when that cannot be done. */
export async function saveBucketKeys(path: string, id: string, keys: BucketKeys): Promise<void> {
  await change(path, (all) => ({ ...all, buckets: { ...all.buckets, [id]: keys } }));
}

/** Forget the keys of one bucket. Throws `bad_input` when that cannot be done. */
export async function forgetKeysOf(path: string, id: string): Promise<void> {
  await forget(path, (all) => {
    const { [id]: forgotten, ...buckets } = all.buckets;
    return forgotten === undefined ? null : { ...all, buckets };
  });
}

/** Forget the keys of every bucket; how many there were. Throws `bad_input` when that cannot be done. */
export async function forgetBucketKeys(path: string): Promise<number> {
  let count = 0;
  await forget(path, (all) => {
    count = Object.keys(all.buckets).length;
    return count === 0 ? null : { ...all, buckets: {} };
  });
  return count;
}

/**
 * Close the file to everybody but its owner; whether it was open. False also where there is no file, and on Windows,
 * which has no permission bits. Throws `bad_input` when it cannot be closed.
 */
export async function closeSecrets(path: string): Promise<boolean> {
  if (process.platform === "win32") return false;
  try {
    const { mode } = await stat(path);
    if ((mode & OPEN_MODES) === 0) return false;
    await chmod(path, 0o600);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw wrong(path, `can be read by others, and that cannot be changed: ${messageOf(error)}`);
  }
}

async function readAll(path: string): Promise<Secrets> {
  const content = await readFile(path, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw wrong(path, `cannot be read: ${messageOf(error)}`);
  });
  if (content === null) return { backends: {}, buckets: {} };
  // What JSON.parse and the schema say may quote the file.
  try {
    const all = fileSchema.parse(JSON.parse(content));
    keepSecrets(all);
    return all;
  } catch {
    throw wrong(path, "is not as it should be");
  }
}

/** None of them is ever printed. */
function keepSecrets({ backends, buckets }: Secrets): void {
  for (const { token, proxyKey, proxySecret } of Object.values(backends)) {
    keepSecret(token, proxyKey, proxySecret);
  }
  for (const { accessKeyId, secretAccessKey } of Object.values(buckets)) {
    keepSecret(accessKeyId, secretAccessKey);
  }
}

/** Put in place what `next` makes of what is there, unless it is null; one process at a time. */
async function change(path: string, next: (all: Secrets) => Secrets | null): Promise<void> {
  try {
    await changeSettings(path, async () => {
      const secrets = next(await readAll(path));
      if (secrets === null) return;
      keepSecrets(secrets);
      await writeAll(path, secrets);
    });
  } catch (error) {
    throw error instanceof SplatError ? error : wrong(path, `cannot be written: ${messageOf(error)}`);
  }
}

/** As `change`, but where there is no file there is nothing to forget, and no folder to be made. */
async function forget(path: string, next: (all: Secrets) => Secrets | null): Promise<void> {
  if (existsSync(path)) await change(path, next);
}

async function writeAll(path: string, secrets: Secrets): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(`${JSON.stringify(secrets, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function wrong(path: string, what: string): SplatError {
  return new SplatError("bad_input", `the file of tokens and keys ${path} ${what}`, {
    hint: "Mend the file, or remove it.",
  });
}
