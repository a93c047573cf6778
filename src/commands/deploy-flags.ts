/** Flags of the commands that deploy. */
import { InvalidArgumentError, Option, type Command } from "commander";
import type { Config } from "../config.ts";
import type { DeploySettings } from "../remote/deploy-settings.ts";
import { DEFAULT_GPUS, parseGpus } from "../remote/gpus.ts";
import { SplatError } from "../errors.ts";
import { MOST, nonNegativeNumber, wholeNumber, type BackendFlags } from "./flags.ts";

/** Flags of everything that drives Modal's program. */
export interface ModalFlags extends BackendFlags {
  readonly env?: string;
  readonly yes?: boolean;
}

/** Flags of both ways to deploy. */
export interface BuildFlags extends ModalFlags {
  /** False with --no-bucket. */
  readonly bucket: boolean;
  readonly template?: string;
  readonly wait: boolean;
  readonly dryRun?: boolean;
}

export interface DeployFlags extends BuildFlags {
  readonly gpu?: readonly string[];
  readonly strategy: "rolling" | "recreate";
  readonly idleStop: number;
  readonly scenes: readonly string[];
  readonly corsOrigins?: readonly string[];
  readonly proxyAuth?: boolean;
  readonly maxGaussians?: number;
}

const DEFAULT_IDLE_STOP_MIN = 15;
/** What the backend takes, minutes. */
const MOST_IDLE_STOP_MIN = 100_000;

/** Add the flags of both ways to deploy. */
export function withBuild(command: Command): Command {
  return command
    .optionsGroup("Backend:")
    .option("--template <dir>", "deploy a backend of your own making instead of the one that splatctl brings")
    .option("--no-bucket", "give it no bucket, whatever bucket is set: chunks stay on Modal's volume")
    .optionsGroup("Options:")
    .option("--no-wait", "do not wait until it has started")
    .option("--dry-run", "print what would be done, and do nothing")
    .option("--yes", "do not ask")
    .option("--json", "print one JSON object");
}

/** Add the flags that say how the backend is to stand. */
export function withDeployment(command: Command): Command {
  return command
    .optionsGroup("GPU:")
    .option(
      "--gpu <types>",
      `types of GPU, the first that is free (default: ${DEFAULT_GPUS.join(",")})`,
      gpuList,
    )
    .option(
      "--env <name>",
      "environment of your workspace on Modal (default: its own default)",
      environmentName,
    )
    .optionsGroup("GPU:")
    .addOption(
      new Option(
        "--strategy <how>",
        "recreate ends the old container at once, rolling lets it finish its requests",
      )
        .choices(["rolling", "recreate"])
        .default("recreate"),
    )
    .option(
      "--idle-stop <min>",
      "finish a session when no frame and no joint came for so long, 0 = never",
      idleMinutes,
      DEFAULT_IDLE_STOP_MIN,
    )
    .optionsGroup("Backend:")
    .option("--scenes <names>", "names that scenes may have, the first being the default", sceneNames, [
      "main",
    ])
    .option(
      "--cors-origins <origins>",
      "browser origins that may call (default: SPLAT_CORS_ORIGINS)",
      originList,
    )
    .option(
      "--proxy-auth",
      "have Modal ask for a proxy token before any container starts; no browser can pass",
    )
    .option("--max-gaussians <n>", "grow new scenes to at most so many", wholeNumber(100, MOST.gaussians));
}

/** A parser for names of environments. */
export function environmentName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be the name of an environment: letters, digits, dots, dashes.");
}

/** What the flags ask for. */
export function settingsOf(flags: DeployFlags, { corsOrigins }: Config): DeploySettings {
  return {
    environment: flags.env ?? null,
    gpu: flags.gpu ?? DEFAULT_GPUS,
    strategy: flags.strategy,
    idleStopMin: flags.idleStop,
    scenes: flags.scenes,
    corsOrigins: flags.corsOrigins ?? corsOrigins.map(origin),
    proxyAuth: flags.proxyAuth === true,
    maxGaussians: flags.maxGaussians ?? null,
  };
}

function gpuList(text: string): readonly string[] {
  try {
    return parseGpus(text);
  } catch (error) {
    if (!(error instanceof SplatError)) throw error;
    throw new InvalidArgumentError(`${error.message}. ${error.hint}`);
  }
}

function idleMinutes(text: string): number {
  const minutes = nonNegativeNumber(text);
  if (minutes <= MOST_IDLE_STOP_MIN) return minutes;
  throw new InvalidArgumentError(`It must be at most ${MOST_IDLE_STOP_MIN}.`);
}

function sceneNames(text: string): readonly string[] {
  const names = parts(text);
  if (names.length > 0 && names.every((name) => /^[a-z0-9-]{1,32}$/.test(name))) return [...new Set(names)];
  throw new InvalidArgumentError(
    "They must be names of 1 to 32 of a-z, 0-9 and -, with commas between them.",
  );
}

function originList(text: string): readonly string[] {
  return parts(text).map(origin);
}

/** Exactly what a browser sends: no path, and no `*`, which would let any page use the GPU. */
function origin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && text.replace(/\/$/, "") === url.origin)
    return url.origin;
  throw new InvalidArgumentError(
    `"${text}" is no origin: give it like https://example.com or http://localhost:5173.`,
  );
}

function parts(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
