/** Folders of one user on this machine. What is read of the environment is handed in. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Where programs of this user keep state that outlives them (XDG Base Directory Specification 0.8; the platform's own
 * place on macOS and Windows). Relative paths in the variable are to be ignored, says the specification.
 */
export function stateDir(env: NodeJS.ProcessEnv): string {
  const named = given(env["XDG_STATE_HOME"]);
  if (named !== undefined && isAbsolute(named)) return named;
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support");
  if (process.platform === "win32") return env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local");
  return join(homedir(), ".local", "state");
}

/**
 * Where the user's own settings lie: a folder of ours alone (XDG Base Directory Specification 0.8; the platform's own
 * place on macOS and Windows).
 */
export function configDir(env: NodeJS.ProcessEnv): string {
  const named = given(env["SPLAT_CONFIG_DIR"]);
  if (named !== undefined) return named;
  const base = given(env["XDG_CONFIG_HOME"]);
  if (base !== undefined && isAbsolute(base)) return join(base, "splatctl");
  if (process.platform === "darwin") return join(homedir(), "Library", "Preferences", "splatctl");
  if (process.platform === "win32") {
    return join(env["APPDATA"] ?? join(homedir(), "AppData", "Roaming"), "splatctl");
  }
  return join(homedir(), ".config", "splatctl");
}

/** Where programs of this user keep what can be made again; as {@link stateDir}. */
export function cacheDir(env: NodeJS.ProcessEnv): string {
  const named = given(env["XDG_CACHE_HOME"]);
  if (named !== undefined && isAbsolute(named)) return named;
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches");
  if (process.platform === "win32") return env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local");
  return join(homedir(), ".cache");
}

/** A variable's value, without blanks around it; one that is blank counts as not set. */
export function given(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}
