/** What the environment alone says, whatever files of settings do: for whoever looks at those that cannot be read. */
import { join } from "node:path";

/** Where things lie. */
export interface Places {
  readonly userFile: string;
  readonly secretsFile: string;
  readonly dataDir: string;
  readonly spoolDir: string;
  readonly runDir: string;
}

export interface Surroundings {
  /** As `resolveConfig` has them without flags and without the project file. */
  readonly places: Places;
  /** Names of variables that are set and look like ours, or are the keys of a bucket; never what they hold. */
  readonly variables: readonly string[];
}

/** @param folders where the user's settings lie, and the state of programs */
export function surroundingsOf(
  env: NodeJS.ProcessEnv,
  folders: { readonly config: string; readonly state: string },
): Surroundings {
  const given = (name: string): string | undefined => env[name]?.trim() || undefined;
  return {
    places: {
      userFile: join(folders.config, "config.json"),
      secretsFile: join(folders.config, "secrets.json"),
      dataDir: given("SPLAT_DATA_DIR") ?? "splatctl-data",
      spoolDir: given("SPLAT_SPOOL_DIR") ?? join(folders.state, "spool"),
      runDir: given("SPLAT_RUN_DIR") ?? join(folders.state, "run"),
    },
    variables: Object.keys(env)
      .filter((name) => /^(?:SPLAT|R2)_|^AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)$/.test(name))
      .filter((name) => given(name) !== undefined)
      .toSorted(),
  };
}
