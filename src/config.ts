/**
 * Settings: flags over environment over the project file over the user's own over defaults, resolved once into one
 * frozen value.
 * The only reader of `process.env`.
 */
import { join } from "node:path";
import { MAIN_SCENE } from "./api/limits.ts";
import {
  bucketOf,
  findBucket,
  bucketVariables,
  givenParts,
  publicUrlOf,
  type BucketConfig,
  type BucketParts,
} from "./config-bucket.ts";
import { commandVariables, modalVariables } from "./config-child.ts";
import { lookUpList, lookUpText, type Found, type Origin, type Sources } from "./config-lookup.ts";
import { cacheDir, configDir, given, stateDir } from "./config-places.ts";
import { strayAmong } from "./config-keys.ts";
import { placesOf, PROJECT_FILE, readSources, readUser, userPlaces, type Places } from "./config-sources.ts";
import { DEFAULT_PORT } from "./api/limits.ts";
import { listSettings, type Settings } from "./config-settings.ts";
import { surroundingsOf, type Surroundings } from "./config-surroundings.ts";
import { proxyOf, type Proxy } from "./config-proxy.ts";
import { loadedForProduction, terminalTraits, type TerminalTraits } from "./config-terminal.ts";
import { SplatError } from "./errors.ts";
import type { Project } from "./project-file.ts";
import { keepSecret, loginOf } from "./redact.ts";
import type { BackendSecrets } from "./secrets-file.ts";
import type { UserConfig } from "./user-config.ts";

export { DEFAULT_PORT } from "./api/limits.ts";
export { PROJECT_FILE } from "./config-sources.ts";
export type { Origin } from "./config-lookup.ts";
export type { Setting, Settings } from "./config-settings.ts";

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
  /** Address of a network camera, which may hold its password. Never printed. */
  readonly cameraUrl: string | undefined;
  /** What requests over https go through. Never printed. */
  readonly proxy: Proxy | undefined;
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
  const { sources, project, user, kept, url } = await readSources(flags, env, folder, parseUrl);
  const { dataDir, spoolDir, runDir, logDir } = ownFolders(sources);
  const { userFile, secretsFile } = sources;
  const token = lookUpText("token", sources);
  const cameraUrl = lookUpText("camera_url", sources)?.value;
  keepSecret(token?.value, ...loginOf(cameraUrl));
  return Object.freeze({
    url: url.value,
    urlOrigin: url.origin,
    token: token?.value,
    ownToken: token?.origin === "environment" ? token.value : undefined,
    proxyAuth: resolveProxyAuth(env) ?? proxyAuthOf(kept),
    scene: lookUpText("scene", sources)?.value,
    user,
    userFile,
    secretsFile,
    dataDir: dataDir.value,
    spoolDir: spoolDir.value,
    runDir: runDir.value,
    logDir: logDir.value,
    cacheDir: join(cacheDir(env), "splatctl"),
    python: lookUpText("python", sources)?.value,
    detachedLog: given(env[DETACHED_LOG_VARIABLE]),
    project,
    corsOrigins: lookUpList("cors_origins", sources),
    cameraUrl,
    proxy: resolveProxy(env),
  });
}

/**
 * Every setting with its value and where that came from, whether it can be used or not. Throws `bad_input` when a file of
 * settings cannot be read.
 */
export async function resolveSettings(
  flags: ConfigFlags,
  env: NodeJS.ProcessEnv = process.env,
  folder = ".",
): Promise<Settings> {
  const { sources, user, url } = await readSources(flags, env, folder, usableUrl);
  const { dataDir, spoolDir, runDir, logDir } = ownFolders(sources);
  const { userFile, secretsFile } = sources;
  const bucket = await findBucket(env, { user, userFile, secretsFile });
  const scene = lookUpText("scene", sources, MAIN_SCENE);
  const usual = { url, scene, data: dataDir, spool: spoolDir, run_dir: runDir, log_dir: logDir };
  return listSettings(sources, usual, bucket);
}

/** Folders that have a usual place. */
function ownFolders(
  sources: Sources,
): Readonly<Record<"dataDir" | "spoolDir" | "runDir" | "logDir", Found<string>>> {
  const state = join(stateDir(sources.env), "splatctl");
  return {
    dataDir: lookUpText("data", sources, "splatctl-data"),
    spoolDir: lookUpText("spool", sources, join(state, "spool")),
    runDir: lookUpText("run_dir", sources, join(state, "run")),
    logDir: lookUpText("log_dir", sources, join(state, "log")),
  };
}

/** Files and folders of settings and of what is kept, whatever is in them; nothing is read. */
export function resolvePlaces(env: NodeJS.ProcessEnv = process.env): Places {
  return placesOf(env);
}

/** Variables that begin as ours do and mean nothing to splatctl. */
export function resolveStrayVariables(env: NodeJS.ProcessEnv = process.env): string[] {
  return strayAmong(Object.keys(env));
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

/** What the environment alone says, whatever files of settings do. Throws nothing. */
export function resolveSurroundings(env: NodeJS.ProcessEnv = process.env): Surroundings {
  return surroundingsOf(env, { config: configDir(env), state: join(stateDir(env), "splatctl") });
}

/** The user's own settings and the files that hold them. Throws `bad_input` when they cannot be read. */
export async function resolveUserFiles(env: NodeJS.ProcessEnv = process.env): Promise<UserFiles> {
  const places = userPlaces(env);
  return { user: await readUser(places.userFile), ...places };
}

/**
 * The proxy token that the environment holds; undefined when it holds none.
 * Throws `not_configured` naming what is missing of half a one.
 */
export function resolveProxyAuth(env: NodeJS.ProcessEnv = process.env): ProxyAuth | undefined {
  const key = given(env["SPLAT_PROXY_KEY"]);
  const secret = given(env["SPLAT_PROXY_SECRET"]);
  keepSecret(key, secret);
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

/** What may be shown on this process's terminal: the one place that decides about colours. */
export function resolveTerminal(): TerminalTraits {
  return terminalTraits(process.env, given(process.env[DETACHED_LOG_VARIABLE]) !== undefined);
}

/** Load a library in its production build. */
export function loadForProduction<T>(load: () => Promise<T>): Promise<T> {
  return loadedForProduction(process.env, load);
}

/** What a request over https goes through, where HTTPS_PROXY names something. Its login is never printed. */
export function resolveProxy(env: NodeJS.ProcessEnv = process.env): Proxy | undefined {
  return proxyOf(env);
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
 * The environment for a Python backend: this process's, where its token is, what is given, and the bucket alone that it
 * is to use: what is kept here travels as variables, because command lines are visible to all, and none is left over.
 */
export function pythonEnvironment(
  variables: NodeJS.ProcessEnv,
  bucket: BucketConfig | undefined,
): NodeJS.ProcessEnv {
  return { ...process.env, ...variables, ...bucketVariables(bucket), PYTHONUNBUFFERED: "1" };
}

/** The environment for a detached daemon: this process's, and where the daemon's output goes. */
export function detachedEnvironment(logPath: string): NodeJS.ProcessEnv {
  return { ...process.env, [DETACHED_LOG_VARIABLE]: logPath };
}

/** As `config-child.ts` says: this process's environment for Modal's program. */
export function modalEnvironment(
  variables: Readonly<Record<string, string>> = {},
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  return modalVariables(variables, env);
}

/** As `config-child.ts` says: this process's environment for a command of the user's. */
export function commandEnvironment(
  variables: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  return commandVariables(variables, env);
}

/** What cannot be a URL is shown as it is. */
function usableUrl(text: string): string {
  return URL.canParse(text) ? withoutSlash(new URL(text)) : text;
}

function withoutSlash({ origin, pathname }: URL): string {
  return `${origin}${pathname}`.replace(/\/+$/, "");
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new SplatError("usage", `"${text}" is not a backend URL`, {
      hint: `Give one like http://127.0.0.1:${DEFAULT_PORT} with --url, SPLAT_API_URL or in ${PROJECT_FILE}.`,
    });
  }
  return withoutSlash(url);
}
