/**
 * Settings: flags over environment over defaults, resolved once into one frozen value.
 * The only reader of `process.env`.
 */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { SplatError } from "./errors.ts";

/** Port `splatctl serve` listens on and the other commands look for, unless told otherwise. */
export const DEFAULT_PORT = 7860;

/** All of these are needed for a bucket; `R2_PUBLIC_URL` may be added. */
const BUCKET_VARIABLES = [
  "R2_ENDPOINT_URL",
  "R2_BUCKET_NAME",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
] as const;

/** Where each setting came from; printed so nobody wonders which backend a command talks to. */
export type Origin = "flag" | "environment" | "default";

export interface Config {
  /** Base URL of the backend, no trailing slash. */
  readonly url: string;
  readonly urlOrigin: Origin;
  /** Bearer token the backend asks for, if any. Never printed. */
  readonly token: string | undefined;
  /** Folder where the embedded backend keeps frames, state and chunks. */
  readonly dataDir: string;
  /** Folder below which captures keep what they have taken and not delivered. */
  readonly spoolDir: string;
  /** Browser origins the embedded backend accepts. */
  readonly corsOrigins: readonly string[];
}

/** The bucket that chunks go to, as the user gave it; `remote/r2-settings.ts` says whether it can be one. */
export interface BucketConfig {
  readonly endpoint: string;
  readonly bucket: string;
  /** Never printed, like the secret. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Where browsers read the bucket; null when they cannot. */
  readonly publicUrl: string | null;
}

export interface ConfigFlags {
  readonly url?: string | undefined;
  readonly data?: string | undefined;
  readonly spool?: string | undefined;
}

/** Resolve the settings of one run. Throws `usage` when a value cannot be one. */
export function resolveConfig(flags: ConfigFlags, env: NodeJS.ProcessEnv = process.env): Config {
  const [rawUrl, urlOrigin] = pick(flags.url, env["SPLAT_API_URL"], `http://127.0.0.1:${DEFAULT_PORT}`);
  const [dataDir] = pick(flags.data, env["SPLAT_DATA_DIR"], "splatctl-data");
  const [spoolDir] = pick(flags.spool, env["SPLAT_SPOOL_DIR"], join(stateDir(env), "splatctl", "spool"));
  return Object.freeze({
    url: parseUrl(rawUrl),
    urlOrigin,
    token: nonEmpty(env["SPLAT_API_TOKEN"]),
    dataDir,
    spoolDir,
    corsOrigins: (env["SPLAT_CORS_ORIGINS"] ?? "")
      .split(",")
      .map((origin) => origin.trim().replace(/\/$/, ""))
      .filter((origin) => origin !== ""),
  });
}

/**
 * The bucket to write to; undefined when none is asked for. The two keys alone ask for none: whoever uses AWS has them
 * set for other purposes. Throws `not_configured`, naming what is missing of a set that is incomplete.
 */
export function resolveBucket(env: NodeJS.ProcessEnv = process.env): BucketConfig | undefined {
  const [endpoint, bucket, accessKeyId, secretAccessKey] = BUCKET_VARIABLES.map((name) =>
    nonEmpty(env[name]),
  );
  const publicUrl = nonEmpty(env["R2_PUBLIC_URL"]) ?? null;
  if (endpoint === undefined && bucket === undefined && publicUrl === null) return undefined;
  if (
    endpoint === undefined ||
    bucket === undefined ||
    accessKeyId === undefined ||
    secretAccessKey === undefined
  ) {
    const missing = BUCKET_VARIABLES.filter((name) => nonEmpty(env[name]) === undefined);
    throw new SplatError(
      "not_configured",
      `the settings of the bucket are incomplete: no ${missing.join(", ")}`,
      {
        hint: "Set what is missing, or unset every R2_ variable to keep chunks on this machine.",
      },
    );
  }
  return Object.freeze({ endpoint, bucket, accessKeyId, secretAccessKey, publicUrl });
}

/**
 * Where programs of this user keep state that outlives them (XDG Base Directory Specification 0.8; the platform's own
 * place on macOS and Windows). Relative paths in the variable are to be ignored, says the specification.
 */
function stateDir(env: NodeJS.ProcessEnv): string {
  const named = nonEmpty(env["XDG_STATE_HOME"]);
  if (named !== undefined && isAbsolute(named)) return named;
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support");
  if (process.platform === "win32") return env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local");
  return join(homedir(), ".local", "state");
}

function pick(flag: string | undefined, env: string | undefined, fallback: string): [string, Origin] {
  if (flag !== undefined) return [flag, "flag"];
  const value = nonEmpty(env);
  return value === undefined ? [fallback, "default"] : [value, "environment"];
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new SplatError("usage", `"${text}" is not a backend URL`, {
      hint: `Give one like http://127.0.0.1:${DEFAULT_PORT} with --url or SPLAT_API_URL.`,
    });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}
