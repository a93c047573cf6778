/**
 * Settings: flags over environment over the project file over the user's own over defaults, resolved once into one
 * frozen value.
 * The only reader of `process.env`.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import {
  bucketOf,
  bucketVariables,
  givenParts,
  publicUrlOf,
  type BucketConfig,
  type BucketParts,
} from "./config-bucket.ts";
import { SplatError } from "./errors.ts";
import type { Project } from "./project-file.ts";
import type { BackendSecrets } from "./secrets-file.ts";
import type { UserConfig } from "./user-config.ts";

/** Port `splatctl serve` listens on and the other commands look for, unless told otherwise. */
export const DEFAULT_PORT = 7860;

/** Where each setting came from; printed so nobody wonders which backend a command talks to. */
export type Origin = "flag" | "environment" | "project file" | "user settings" | "default";

export interface Config {
  /** Base URL of the backend, no trailing slash. */
  readonly url: string;
  readonly urlOrigin: Origin;
  /** Bearer token for the backend at `url`: SPLAT_API_TOKEN, else what is kept for that very URL. Never printed. */
  readonly token: string | undefined;
  /** Token that a backend started here asks for: SPLAT_API_TOKEN alone, whatever backends are known. Never printed. */
  readonly ownToken: string | undefined;
  /** What Modal's proxy in front of `url` asks for, where it does. Never printed. */
  readonly proxyAuth: ProxyAuth | undefined;
  /** Scene that commands are about; undefined = the backend's own default. */
  readonly scene: string | undefined;
  /** The user's own settings, and the file that they come from. */
  readonly user: UserConfig;
  readonly userFile: string;
  /** File of the secrets that belong to backends. */
  readonly secretsFile: string;
  /** Folder where the embedded backend keeps frames, state and chunks. */
  readonly dataDir: string;
  /** Folder below which captures keep what they have taken and not delivered. */
  readonly spoolDir: string;
  /** Folder where running daemons say that they run. */
  readonly runDir: string;
  /** Folder of what detached daemons print. */
  readonly logDir: string;
  /** Folder of what can be made again: the environment of the Python backend. */
  readonly cacheDir: string;
  /** The Python that the Python backend is to run with, where one is named. */
  readonly python: string | undefined;
  /** The file that this process's output goes to, when it is a detached daemon. */
  readonly detachedLog: string | undefined;
  /** What the project file of the current folder says; empty when there is none. */
  readonly project: Project;
  /** Browser origins the embedded backend accepts. */
  readonly corsOrigins: readonly string[];
}

/** A proxy token of Modal's: headers `Modal-Key` and `Modal-Secret`. */
export interface ProxyAuth {
  readonly key: string;
  readonly secret: string;
}

/** The user's own settings, and where they and the secrets lie. */
export type UserFiles = Pick<Config, "user" | "userFile" | "secretsFile">;

export interface ConfigFlags {
  readonly url?: string | undefined;
  readonly data?: string | undefined;
  readonly spool?: string | undefined;
  readonly scene?: string | undefined;
  readonly python?: string | undefined;
}

/** The project file, in the folder where splatctl is called. */
export const PROJECT_FILE = "splatctl.json";

/** How a detached daemon is told where its output goes; set for it alone. */
const DETACHED_LOG_VARIABLE = "SPLAT_DETACHED_LOG";

/**
 * Resolve the settings of one run. Throws `usage` when a value cannot be one, `bad_input` when a file of settings
 * cannot be read, `not_configured` when half of a pair is missing.
 */
export async function resolveConfig(
  flags: ConfigFlags,
  env: NodeJS.ProcessEnv = process.env,
  folder = ".",
): Promise<Config> {
  const project = await readProject(join(folder, PROJECT_FILE));
  const ownDir = configDir(env);
  const userFile = join(ownDir, "config.json");
  const secretsFile = join(ownDir, "secrets.json");
  const user = await readUser(userFile);
  const state = join(stateDir(env), "splatctl");
  const localUrl = `http://127.0.0.1:${DEFAULT_PORT}`;
  const [rawUrl, urlOrigin] = pickUrl(flags.url, env["SPLAT_API_URL"], project.url, user.url, localUrl);
  const url = parseUrl(rawUrl);
  const kept = await readKept(secretsFile, url);
  const ownToken = nonEmpty(env["SPLAT_API_TOKEN"]);
  const [dataDir] = pick(flags.data, env["SPLAT_DATA_DIR"], undefined, "splatctl-data");
  const [spoolDir] = pick(flags.spool, env["SPLAT_SPOOL_DIR"], project.spool, join(state, "spool"));
  return Object.freeze({
    url,
    urlOrigin,
    token: ownToken ?? kept.token,
    ownToken,
    proxyAuth: resolveProxyAuth(env) ?? proxyAuthOf(kept),
    scene: flags.scene ?? nonEmpty(env["SPLAT_SCENE"]) ?? project.scene ?? user.scene,
    user,
    userFile,
    secretsFile,
    dataDir,
    spoolDir,
    runDir: nonEmpty(env["SPLAT_RUN_DIR"]) ?? join(state, "run"),
    logDir: nonEmpty(env["SPLAT_LOG_DIR"]) ?? join(state, "log"),
    cacheDir: join(cacheDir(env), "splatctl"),
    python: flags.python ?? nonEmpty(env["SPLAT_PYTHON"]),
    detachedLog: nonEmpty(env[DETACHED_LOG_VARIABLE]),
    project,
    corsOrigins: (env["SPLAT_CORS_ORIGINS"] ?? "")
      .split(",")
      .map((origin) => origin.trim().replace(/\/$/, ""))
      .filter((origin) => origin !== ""),
  });
}

/**
 * The bucket to use, of the environment over what `splatctl bucket init` has kept; undefined when none is named. The two
 * keys alone name none: whoever uses AWS has them set for other purposes; nor does R2_PUBLIC_URL, which only reads. Throws `not_configured`, naming what is
 * missing of a set that is incomplete, and `bad_input` when a file of settings cannot be read.
 */
export async function resolveBucket(env: NodeJS.ProcessEnv = process.env): Promise<BucketConfig | undefined> {
  return await bucketOf(env, await resolveUserFiles(env));
}

/**
 * Where anybody may read the bucket, without keys: R2_PUBLIC_URL, else what is kept for the bucket; undefined when that
 * is not known. Throws `bad_input` when the file of settings cannot be read.
 */
export async function resolvePublicUrl(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  return publicUrlOf(env, (await resolveUserFiles(env)).user.bucket);
}

/** What of a bucket is given, whether or not it is enough: `splatctl bucket init` asks for the rest. */
export function resolveBucketParts(env: NodeJS.ProcessEnv = process.env): BucketParts {
  return givenParts(env);
}

/** The user's own settings and the files that hold them. Throws `bad_input` when they cannot be read. */
export async function resolveUserFiles(env: NodeJS.ProcessEnv = process.env): Promise<UserFiles> {
  const folder = configDir(env);
  const userFile = join(folder, "config.json");
  return { user: await readUser(userFile), userFile, secretsFile: join(folder, "secrets.json") };
}

/**
 * The proxy token that the environment holds; undefined when it holds none.
 * Throws `not_configured` naming what is missing of half a one.
 */
export function resolveProxyAuth(env: NodeJS.ProcessEnv = process.env): ProxyAuth | undefined {
  const key = nonEmpty(env["SPLAT_PROXY_KEY"]);
  const secret = nonEmpty(env["SPLAT_PROXY_SECRET"]);
  if (key === undefined && secret === undefined) return undefined;
  if (key !== undefined && secret !== undefined) return { key, secret };
  const missing = key === undefined ? "SPLAT_PROXY_KEY" : "SPLAT_PROXY_SECRET";
  throw new SplatError("not_configured", `half of the proxy token is missing: no ${missing}`, {
    hint: "Set both SPLAT_PROXY_KEY and SPLAT_PROXY_SECRET, or neither.",
  });
}

function proxyAuthOf({ proxyKey, proxySecret }: BackendSecrets): ProxyAuth | undefined {
  return proxyKey === undefined || proxySecret === undefined
    ? undefined
    : { key: proxyKey, secret: proxySecret };
}

type LerobotVariable = "HF_LEROBOT_CALIBRATION" | "HF_LEROBOT_HOME" | "HF_HOME" | "XDG_CACHE_HOME";

/** The variables by which LeRobot's files are found, as its own programs read them. */
export function resolveLerobotPlaces(
  env: NodeJS.ProcessEnv = process.env,
): Readonly<Record<LerobotVariable, string | undefined>> {
  const { HF_LEROBOT_CALIBRATION, HF_LEROBOT_HOME, HF_HOME, XDG_CACHE_HOME } = env;
  return { HF_LEROBOT_CALIBRATION, HF_LEROBOT_HOME, HF_HOME, XDG_CACHE_HOME };
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

/**
 * Where the user's own settings lie: a folder of ours alone (XDG Base Directory Specification 0.8; the platform's own
 * place on macOS and Windows).
 */
function configDir(env: NodeJS.ProcessEnv): string {
  const named = nonEmpty(env["SPLAT_CONFIG_DIR"]);
  if (named !== undefined) return named;
  const base = nonEmpty(env["XDG_CONFIG_HOME"]);
  if (base !== undefined && isAbsolute(base)) return join(base, "splatctl");
  if (process.platform === "darwin") return join(homedir(), "Library", "Preferences", "splatctl");
  if (process.platform === "win32") {
    return join(env["APPDATA"] ?? join(homedir(), "AppData", "Roaming"), "splatctl");
  }
  return join(homedir(), ".config", "splatctl");
}

/** Where programs of this user keep what can be made again; as {@link stateDir}. */
function cacheDir(env: NodeJS.ProcessEnv): string {
  const named = nonEmpty(env["XDG_CACHE_HOME"]);
  if (named !== undefined && isAbsolute(named)) return named;
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches");
  if (process.platform === "win32") return env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local");
  return join(homedir(), ".cache");
}

/**
 * The environment for a Python backend: this process's, where its token is, what is given, and the bucket alone that it
 * is to use: what is kept here travels as variables, because command lines are visible to all, and none is left over.
 */
export function pythonEnvironment(
  given: NodeJS.ProcessEnv,
  bucket: BucketConfig | undefined,
): NodeJS.ProcessEnv {
  return { ...process.env, ...given, ...bucketVariables(bucket), PYTHONUNBUFFERED: "1" };
}

/** The environment for a detached daemon: this process's, and where the daemon's output goes. */
export function detachedEnvironment(logPath: string): NodeJS.ProcessEnv {
  return { ...process.env, [DETACHED_LOG_VARIABLE]: logPath };
}

/**
 * The environment for Modal's program: this process's without what is ours to know, and with `variables`,
 * and so set that it prints plain text, at once, and folds no line: it takes a pipe for a terminal of 80 columns.
 */
export function modalEnvironment(
  variables: Readonly<Record<string, string>> = {},
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const ours =
    /^(?:SPLAT_.*|R2_.*|AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)|FORCE_COLOR|CLICOLOR_FORCE)$/;
  const inherited = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || ours.test(name) ? [] : [[name, value] as const],
  );
  const printing = {
    COLUMNS: "1000",
    NO_COLOR: "1",
    PYTHONUTF8: "1",
    PYTHONIOENCODING: "utf-8",
    PYTHONUNBUFFERED: "1",
  };
  return { ...Object.fromEntries(inherited), ...printing, ...variables };
}

/**
 * The environment for a command of the user's: this process's without the secrets that are ours to know, nor which bucket
 * is read, and with `variables`.
 */
export function commandEnvironment(
  variables: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const ours = /^(?:(?:AWS|R2)_.*|SPLAT_CHUNK_.*|(?:SPLAT|MODAL)_.*(?:TOKEN|KEY|SECRET).*)$/i;
  const inherited = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || ours.test(name) ? [] : [[name, value] as const],
  );
  return { ...Object.fromEntries(inherited), ...variables };
}

/** What reads it is loaded only where there is one: it takes a tenth of a second. */
async function readProject(path: string): Promise<Project> {
  if (!existsSync(path)) return {};
  const { readProjectFile } = await import("./project-file.ts");
  return await readProjectFile(path);
}

/** Loaded only where there is one, like the project file. */
async function readUser(path: string): Promise<UserConfig> {
  if (!existsSync(path)) return {};
  const { readUserConfig } = await import("./user-config.ts");
  return await readUserConfig(path);
}

async function readKept(path: string, url: string): Promise<BackendSecrets> {
  if (!existsSync(path)) return {};
  const { readSecrets } = await import("./secrets-file.ts");
  return await readSecrets(path, url);
}

/** As `pick`, and the user's own settings before what is usual. */
function pickUrl(
  flag: string | undefined,
  env: string | undefined,
  project: string | undefined,
  user: string | undefined,
  fallback: string,
): [string, Origin] {
  const [url, origin] = pick(flag, env, project, fallback);
  return origin === "default" && user !== undefined ? [user, "user settings"] : [url, origin];
}

function pick(
  flag: string | undefined,
  env: string | undefined,
  project: string | undefined,
  fallback: string,
): [string, Origin] {
  if (flag !== undefined) return [flag, "flag"];
  const value = nonEmpty(env);
  if (value !== undefined) return [value, "environment"];
  return project === undefined ? [fallback, "default"] : [project, "project file"];
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new SplatError("usage", `"${text}" is not a backend URL`, {
      hint: `Give one like http://127.0.0.1:${DEFAULT_PORT} with --url, SPLAT_API_URL or in ${PROJECT_FILE}.`,
    });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}
