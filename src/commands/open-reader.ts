/** Flags of every command that reads the bucket, and the reader that they lead to. */
import type { Command } from "commander";
import { PARALLEL, requestsAtATime } from "../chunks/parallel.ts";
import type { Session } from "../chunks/entry.ts";
import { NO_BUCKET_HINT, type BucketConfig } from "../config-bucket.ts";
import { resolveBucket, resolveConfig, resolvePublicUrl } from "../config.ts";
import { MAIN_SCENE } from "../api/limits.ts";
import { SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import { publicUrlOf } from "../remote/r2-key.ts";
import type { BucketReader } from "../remote/r2-read.ts";
import { describeOrigin } from "./choose-bucket.ts";
import { hintingReader } from "./hint-of-keys.ts";
import { logFor, sceneOf, tellFiles, type BackendFlags } from "./flags.ts";
import { tellingReader } from "./telling-reader.ts";
import { tellWaiting } from "./waiting-note.ts";

export interface BucketFlags extends BackendFlags {
  readonly session?: string;
  readonly public?: boolean;
}

export interface ReaderOptions {
  /** Whether the command has `--public`. Default true. */
  readonly hasPublic?: boolean | undefined;
  /** Files at a time. */
  readonly parallel?: number | undefined;
}

/** The bucket that a command reads. */
export interface OpenBucket {
  readonly reader: BucketReader;
  /** The bucket's name, or the address where it is read without keys. */
  readonly bucket: string;
  readonly scene: string;
  /** `latest`, `all`, or a session's id. */
  readonly session: string;
  /** What signs; null where the public address is read. */
  readonly settings: BucketConfig | null;
  readonly isPublic: boolean;
  /** Where anybody reads an object; null when the bucket is not public, or no URL can carry the key. */
  readonly urlOf: (key: string) => string | null;
  readonly log: Log;
}

/** Add `--scene`, `--session` and `--public`. */
export function withBucket(command: Command): Command {
  return command
    .optionsGroup("Bucket:")
    .option("--scene <name>", "which scene (default: SPLAT_SCENE, else main)")
    .option("--session <id>", "which of its sessions: latest, all, or an id", "latest")
    .option("--public", "read R2_PUBLIC_URL, without any keys")
    .optionsGroup("Options:");
}

/**
 * The configured bucket; says on stderr which one that is. Nothing is asked of it yet. Throws `not_configured` when there
 * is none, or when its settings cannot be right. It has connections for as many files at a time as `parallel` says.
 */
export async function openReader(
  flags: BucketFlags,
  { hasPublic = true, parallel = PARALLEL }: ReaderOptions = {},
): Promise<OpenBucket> {
  const config = await resolveConfig(flags);
  const log = logFor(flags);
  const [scene, session] = [sceneOf(config), flags.session ?? "latest"];
  const connections = requestsAtATime(parallel);
  const { origin, ...open } = await (flags.public === true
    ? openPublic(connections)
    : openSigned(hasPublic, connections));
  log.info(`bucket ${open.reader.name}${scene === MAIN_SCENE ? "" : ` scene ${scene}`} (${origin})`);
  tellFiles(log, config);
  return { ...open, reader: tellingReader(open.reader, log), scene, session, log };
}

/** A bucket, and the sessions in it that a command is about. */
export interface FoundSessions {
  readonly open: OpenBucket;
  readonly sessions: readonly Session[];
}

/**
 * Open the bucket, find the sessions that the flags name, and hand them to what `load` brings, which is loaded while the
 * bucket is asked; close it in the end. Throws what `openReader` and `findSessions` throw.
 */
export async function useSessions<T>(
  flags: BucketFlags,
  signal: AbortSignal,
  load: () => Promise<T>,
  use: (found: FoundSessions, loaded: T) => void | Promise<void>,
  parallel?: number,
): Promise<void> {
  const open = await openReader(flags, { parallel });
  try {
    const { findSessions } = await import("../chunks/find-sessions.ts");
    const find = (): Promise<readonly Session[]> => findSessions(open.reader, open, signal);
    const [sessions, loaded] = await Promise.all([tellWaiting(open.log, open.reader.name, find), load()]);
    await use({ open, sessions }, loaded);
  } finally {
    await open.reader.close();
  }
}

type Opened = Pick<OpenBucket, "reader" | "bucket" | "settings" | "isPublic" | "urlOf"> & {
  readonly origin: string;
};

async function openPublic(connections: number): Promise<Opened> {
  const publicUrl = await resolvePublicUrl();
  if (publicUrl === undefined) {
    throw new SplatError("not_configured", "--public needs R2_PUBLIC_URL, which is not set", {
      hint: "Set it to the bucket's public address (https://pub-….r2.dev or a domain of its own).",
    });
  }
  const { openPublicReader } = await import("../remote/r2-public.ts");
  const reader = openPublicReader(publicUrl, { connections });
  return {
    reader,
    bucket: publicUrl,
    settings: null,
    isPublic: true,
    urlOf: (key) => publicUrlOf(publicUrl, key),
    origin: "the public address, read without keys",
  };
}

async function openSigned(hasPublic: boolean, connections: number): Promise<Opened> {
  const settings = await requireBucket(hasPublic);
  const { openSignedReader } = await import("../remote/r2-signed.ts");
  const reader = hintingReader(openSignedReader(settings, { connections }), settings);
  const { bucket, publicUrl } = settings;
  return {
    reader,
    bucket,
    settings,
    isPublic: publicUrl !== null,
    urlOf: (key) => publicUrlOf(publicUrl, key),
    origin: describeOrigin(settings),
  };
}

/** The bucket's settings. Throws `not_configured`, saying what would be enough. */
async function requireBucket(hasPublic: boolean): Promise<BucketConfig> {
  const publicUrl = hasPublic ? await resolvePublicUrl() : undefined;
  const orPublic = publicUrl === undefined ? "" : " Or add --public: R2_PUBLIC_URL is set.";
  try {
    const settings = await resolveBucket();
    if (settings !== undefined) return settings;
  } catch (thrown) {
    if (!(thrown instanceof SplatError)) throw thrown;
    const { code, message, hint = "" } = thrown;
    throw new SplatError(code, message, { hint: `${hint}${orPublic}`, cause: thrown.cause });
  }
  throw new SplatError("not_configured", "no bucket is configured", {
    hint: `${NO_BUCKET_HINT}${orPublic || (hasPublic ? " To read a public bucket, R2_PUBLIC_URL and --public are enough." : "")}`,
  });
}
