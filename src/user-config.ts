/**
 * The user's own settings: what `splatctl deploy` found out, so that every later command talks to that backend, and the
 * bucket that `splatctl bucket init` set up.
 * A file beside it, of other permissions, holds the secrets (`secrets-file.ts`).
 */
import { mkdir, readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type Conf from "conf";
import { z } from "zod";
import { messageOf, SplatError } from "./errors.ts";
import { sleep } from "./time.ts";

const text = z.string().min(1);

/** A backend that was deployed, and how: what `splatctl redeploy` repeats. */
const deploymentSchema = z.object({
  /** Name of the app on Modal. */
  app: text,
  /** Environment of the workspace; null = its default. */
  environment: text.nullable(),
  url: text,
  /** Types of GPU, the first that is free being taken. */
  gpu: z.array(text).min(1),
  strategy: z.enum(["rolling", "recreate"]),
  /** Minutes without a frame or joint after which a session is finished; 0 = never. */
  idleStopMin: z.number().min(0),
  scenes: z.array(text),
  corsOrigins: z.array(text),
  proxyAuth: z.boolean(),
  maxGaussians: z.int().positive().nullable(),
  /** Whether chunks go to a bucket. */
  withBucket: z.boolean(),
  /** Whether the bucket's secret on Modal was written from here; one that was not is not ours to remove. */
  wroteBucketSecret: z.boolean().optional(),
  /** ISO 8601. */
  deployedAt: text,
});

export type Deployment = z.infer<typeof deploymentSchema>;

/** The bucket that `splatctl bucket init` set up. Its keys are in the file of secrets. */
const keptBucketSchema = z.object({
  /** The account's S3 endpoint, without the bucket. */
  endpoint: text,
  name: text,
  /** Where browsers read it; null when they cannot. */
  publicUrl: text.nullable(),
  /** Whether the keys kept with it may write; not there when nobody has tried. */
  mayWrite: z.boolean().optional(),
});

export type KeptBucket = z.infer<typeof keptBucketSchema>;

/** What is not known here is let be: a newer splatctl may have written it. */
const userConfigSchema = z.object({
  /** The backend, where neither flag, environment nor project file names one. */
  url: text.optional(),
  /** The scene, likewise. */
  scene: text.optional(),
  deployment: deploymentSchema.optional(),
  bucket: keptBucketSchema.optional(),
});

/** What the file says. */
export type UserConfig = z.infer<typeof userConfigSchema>;

/**
 * Read the settings. Read with what every command loads anyhow: the package that writes them takes three times as long
 * to load as all the rest. Throws `bad_input` when the file cannot be read or is not as it should be.
 */
export async function readUserConfig(path: string): Promise<UserConfig> {
  const content = await readFile(path, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "{}";
    throw wrong(path, `cannot be read: ${messageOf(error)}`);
  });
  const parsed = userConfigSchema.safeParse(parseJson(content));
  if (parsed.success) return parsed.data;
  const { path: where, message } = parsed.error.issues[0];
  throw wrong(path, `are not as they should be: ${[...where, message].join(": ")}`);
}

/** For how long another process may hold a file of settings, milliseconds: it has little to write. */
const PATIENCE_MS = 10_000;
const ASK_AGAIN_MS = 50;

/**
 * Read, change and write a file of settings while no other process does. Makes its folder. Throws `bad_input` when another
 * does not let go of it, and what `work` and the file system throw.
 */
export async function changeSettings<T>(path: string, work: () => Promise<T>): Promise<T> {
  const { lockFile } = await import("./files/lock.ts");
  await makePrivateFolder(dirname(path));
  const lockPath = `${path}.lock`;
  const error = new SplatError("bad_input", `another process is writing ${path}`, {
    hint: `Try again when it is done. If none runs, remove ${lockPath}.`,
  });
  const options = { inUse: () => error, lost: () => error };
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const lock = await lockFile(lockPath, options).catch((thrown: unknown) => {
      if (thrown !== error || performance.now() > until) throw thrown;
      return null;
    });
    if (lock === null) {
      await sleep(ASK_AGAIN_MS * (1 + Math.random()));
      continue;
    }
    try {
      return await work();
    } finally {
      await lock.release();
    }
  }
}

/**
 * Change some of the settings, whole or not at all; `undefined` removes one. The folder is made for its owner alone.
 * Throws `bad_input` when they cannot be written.
 */
export async function saveUserConfig(path: string, changes: Partial<UserConfig>): Promise<void> {
  // What is there and cannot be read is not written over.
  await readUserConfig(path);
  try {
    await changeSettings(path, () => write(path, changes));
  } catch (error) {
    throw error instanceof SplatError ? error : wrong(path, `cannot be written: ${messageOf(error)}`);
  }
}

async function write(path: string, changes: Partial<UserConfig>): Promise<void> {
  const Store = await loadConf();
  const store = new Store<UserConfig>({
    cwd: dirname(path),
    configName: basename(path, ".json"),
    projectName: "splatctl",
    configFileMode: 0o600,
    accessPropertiesByDotNotation: false,
    clearInvalidConfig: false,
  });
  const { store: before } = store;
  store.store = Object.fromEntries(
    Object.entries({ ...before, ...changes }).filter(([, value]) => value !== undefined),
  );
}

/**
 * Make the folder of settings, closed to everybody else. One that is there stays as open as it is: it may be any folder
 * that the user has named, and what is secret is closed by itself.
 */
export async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

function wrong(path: string, what: string): SplatError {
  return new SplatError("bad_input", `your settings in ${path} ${what}`, {
    hint: "Mend the file, or remove it.",
  });
}

const SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

/**
 * `conf` brings a listener that ends the process at the first Ctrl-C, whatever is under way (atomically, when-exit: for
 * temporary files that its asynchronous writes leave, of which we make none). It is taken off again.
 */
async function loadConf(): Promise<typeof Conf> {
  const before = new Map(SIGNALS.map((name) => [name, process.listeners(name)]));
  const conf = await import("conf");
  for (const [name, known] of before) {
    for (const listener of process.listeners(name)) {
      if (!known.includes(listener)) process.off(name, listener);
    }
  }
  return conf.default;
}
