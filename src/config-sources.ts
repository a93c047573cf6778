/** Reads all that settings may stand in. What is not there is not loaded for. */
import { DEFAULT_PORT } from "./api/limits.ts";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { lookUpText, type Found, type Sources } from "./config-lookup.ts";
import { cacheDir, configDir } from "./config-places.ts";
import type { Project } from "./project-file.ts";
import type { BackendSecrets } from "./secrets-file.ts";
import type { UserConfig } from "./user-config.ts";

/** The project file, in the folder where splatctl is called. */
export const PROJECT_FILE = "splatctl.json";

/** All that is given for one run, and the backend that it leads to. */
export interface Read {
  readonly sources: Sources;
  readonly project: Project;
  readonly user: UserConfig;
  readonly kept: BackendSecrets;
  readonly url: Found<string>;
}

/** Read them. Throws what `parse` does of the backend's URL, and `bad_input` when a file cannot be read. */
export async function readSources(
  flags: object,
  env: NodeJS.ProcessEnv,
  folder: string,
  parse: (text: string) => string,
): Promise<Read> {
  const projectFile = join(folder, PROJECT_FILE);
  const { userFile, secretsFile } = userPlaces(env);
  const [project, user] = [await readProject(projectFile), await readUser(userFile)];
  const given: Sources = {
    flags: { ...flags },
    env,
    project,
    projectFile: PROJECT_FILE,
    user,
    userFile,
    kept: {},
    secretsFile,
  };
  const found = lookUpText("url", given, `http://127.0.0.1:${DEFAULT_PORT}`);
  const url = { ...found, value: parse(found.value) };
  const kept = await readKept(secretsFile, url.value);
  // Half a pair of the environment is never made whole with half of another.
  const isProxyGiven = lookUpText("proxy.key", given) ?? lookUpText("proxy.secret", given);
  const pair =
    isProxyGiven === undefined ? { "proxy.key": kept.proxyKey, "proxy.secret": kept.proxySecret } : {};
  return { sources: { ...given, kept: { token: kept.token, ...pair } }, project, user, kept, url };
}

/** Files and folders of one user, whatever is in them. */
export interface Places {
  readonly userFile: string;
  readonly secretsFile: string;
  readonly cacheDir: string;
}

/** Where they are; nothing is read. */
export function placesOf(env: NodeJS.ProcessEnv): Places {
  return { ...userPlaces(env), cacheDir: join(cacheDir(env), "splatctl") };
}

/** The user's own files. */
export function userPlaces(env: NodeJS.ProcessEnv): {
  readonly userFile: string;
  readonly secretsFile: string;
} {
  const folder = configDir(env);
  return { userFile: join(folder, "config.json"), secretsFile: join(folder, "secrets.json") };
}

/** What reads it is loaded only where there is one: it takes a tenth of a second. */
async function readProject(path: string): Promise<Project> {
  if (!existsSync(path)) return {};
  const { readProjectFile } = await import("./project-file.ts");
  return await readProjectFile(path);
}

/** Loaded only where there is one, like the project file. */
export async function readUser(path: string): Promise<UserConfig> {
  if (!existsSync(path)) return {};
  const { readUserConfig } = await import("./user-config.ts");
  return await readUserConfig(path);
}

async function readKept(path: string, url: string): Promise<BackendSecrets> {
  if (!existsSync(path)) return {};
  const { readSecrets } = await import("./secrets-file.ts");
  return await readSecrets(path, url);
}
