/** Flags that commands share, and the client that they lead to. */
import { existsSync } from "node:fs";
import { InvalidArgumentError, type Command } from "commander";
import type { Client, ClientOptions } from "../api/client.ts";
import { LIMITS, MAIN_SCENE, SCENE_NAME } from "../api/limits.ts";
import type { OnStarting } from "../api/waking.ts";
import { PROJECT_FILE, resolveConfig, type Config, type Origin } from "../config.ts";
import { SplatError } from "../errors.ts";
import { createLog, type Log } from "../log.ts";
import { tellStarting } from "./starting-note.ts";

/** Flags of every command that talks to a backend, the program's own included. */
export interface BackendFlags {
  readonly url?: string;
  readonly scene?: string;
  readonly spool?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const ORIGIN_WORDS: Readonly<Record<Origin, string>> = {
  flag: "from --url",
  environment: "from SPLAT_API_URL",
  "project file": `from ${PROJECT_FILE}`,
  "user settings": "from your settings",
  default: "the default; --url or SPLAT_API_URL name another",
};

/** Add `--url` and `--scene`. */
export function withBackend(command: Command): Command {
  return withScene(
    command
      .optionsGroup("Backend:")
      .option("--url <url>", "backend to talk to (default: SPLAT_API_URL, else this machine)"),
  );
}

/** Add `--scene`. */
export function withScene(command: Command): Command {
  return command
    .optionsGroup("Backend:")
    .option("--scene <name>", "which of its scenes (default: SPLAT_SCENE, else main)")
    .optionsGroup("Options:");
}

/** The scene that a command is about. Throws `usage` when no scene can be called so. */
export function sceneOf({ scene = MAIN_SCENE }: Pick<Config, "scene">): string {
  if (SCENE_NAME.test(scene)) return scene;
  throw new SplatError("usage", `"${scene}" is no name of a scene: it must be 1 to 32 of a-z, 0-9 and -`, {
    hint: `Name another one with --scene, SPLAT_SCENE or in ${PROJECT_FILE}.`,
  });
}

/** A backend in words: its URL, and the scene where it is not the main one. */
export function describeBackend(url: string, scene: string): string {
  return scene === MAIN_SCENE ? url : `${url} scene ${scene}`;
}

/** Add `--spool`. */
export function withSpool(command: Command): Command {
  return command
    .optionsGroup("Delivery:")
    .option("--spool <dir>", "where captures keep frames until they are safe (default: SPLAT_SPOOL_DIR)")
    .optionsGroup("Options:");
}

/** The logger that the program's own flags ask for. */
export function logFor(flags: Pick<BackendFlags, "quiet" | "verbose">): Log {
  return createLog(flags.verbose === true ? "verbose" : flags.quiet === true ? "quiet" : "normal");
}

/**
 * A client of the configured backend; says on stderr which one that is and where its URL came from. A backend that has
 * to be started first is told about by `onStarting`, else in a line now and then.
 */
export async function openClient(
  flags: BackendFlags,
  onStarting?: OnStarting,
): Promise<{ client: Client; log: Log; config: Config }> {
  const config = await resolveConfig(flags);
  const log = logFor(flags);
  const scene = sceneOf(config);
  log.info(`backend ${describeBackend(config.url, scene)} (${ORIGIN_WORDS[config.urlOrigin]})`);
  tellFiles(log, config);
  const { createClient } = await import("../api/client.ts");
  const client = createClient({
    ...backendOf(config),
    scene,
    onStarting: onStarting ?? tellStarting(log),
    onRequest: log.level === "verbose" ? (line) => log.debug(line) : undefined,
  });
  return { client, log, config };
}

/** Where the configured backend is, what lets us in, and whether it is known to be in the cloud. */
export function backendOf({
  url,
  token,
  ownToken,
  proxyAuth,
  proxy,
  user,
}: Config): Pick<ClientOptions, "url" | "token" | "tokenFrom" | "proxyAuth" | "cloud" | "proxy"> {
  // A deployment may have a name of its user's own; of any other backend its URL tells.
  const cloud = url === user.deployment?.url ? true : undefined;
  return { url, token, tokenFrom: ownToken === undefined ? "kept" : "environment", proxyAuth, cloud, proxy };
}

/** Which files of settings there are, for who wonders where a value comes from. */
export function tellFiles(
  log: Log,
  { userFile, secretsFile }: Pick<Config, "userFile" | "secretsFile">,
): void {
  if (log.level !== "verbose") return;
  for (const path of [PROJECT_FILE, userFile, secretsFile]) {
    log.debug(`${existsSync(path) ? "read" : "not there:"} ${path}`);
  }
}

/** Most threads, pixels, Gaussians and MiB that make sense here; more would only end in no memory. */
export const MOST = {
  threads: 256,
  pixels: LIMITS.imagePixels,
  gaussians: LIMITS.gaussians,
  frameMemoryMib: 1 << 20,
} as const;

/** The bytes that a flag in MiB asks for. */
export function bytesOfMib(mib: number | undefined): number | undefined {
  return mib === undefined ? undefined : mib * 2 ** 20;
}

/** A parser for flags that count something, from `low` to `high`. */
export function wholeNumber(low: number, high: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
    const range = high === Number.MAX_SAFE_INTEGER ? `≥ ${low}` : `from ${low} to ${high}`;
    throw new InvalidArgumentError(`It must be a whole number ${range}.`);
  };
}

/** Parse the value of a flag that is a size, a rate or another quantity that cannot be 0. */
export function positiveNumber(text: string): number {
  const value = nonNegativeNumber(text);
  if (value === 0) throw new InvalidArgumentError("It must be more than 0.");
  return value;
}

/** Parse the value of a flag that is a duration, seconds. */
export function nonNegativeNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError("It must be a number ≥ 0.");
  return value;
}

/** Parse the value of a flag that is a port; 0 = any free one. */
export function portNumber(text: string): number {
  const port = Number(text);
  if (text.trim() === "" || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError("It must be a port, 0 to 65535.");
  }
  return port;
}
