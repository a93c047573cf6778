/** What the environment says of the terminal, and how libraries for it are loaded. */
import { given } from "./config-places.ts";

/** What may be shown on a terminal. */
export interface TerminalTraits {
  /** Whether what is printed there may be coloured; `isTerminal`: where nobody has a wish, a terminal takes colours. */
  readonly mayColour: (isTerminal: boolean) => boolean;
  /** Columns that COLUMNS asks for. */
  readonly columns: number | undefined;
  /** The file of the shell that the user works in, as the login says. */
  readonly shell: string | undefined;
  /** It prints, and can do nothing else. */
  readonly isDumb: boolean;
  /** It shows more than ASCII. */
  readonly isUnicode: boolean;
}

/** By the names that terminals, locales and wishes go by. @param isLog whether what is printed is a daemon's log */
export function terminalTraits(
  env: NodeJS.ProcessEnv,
  isLog = false,
  platform: NodeJS.Platform = process.platform,
): TerminalTraits {
  // The first that is set and not empty counts (POSIX.1-2017, 8.2).
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((name) => (name ?? "") !== "") ?? "";
  return {
    mayColour: (isTerminal) => !isLog && (wishForColours(env) ?? (isTerminal && env["TERM"] !== "dumb")),
    columns: wholeColumns(given(env["COLUMNS"])),
    shell: given(env["SHELL"]),
    isDumb: env["TERM"] === "dumb",
    isUnicode: platform === "win32" || /utf-?8/i.test(locale),
  };
}

/** NO_COLOR (no-color.org) wins, then FORCE_COLOR as Node knows it, then CLICOLOR_FORCE and CLICOLOR (bixense.com/clicolors). */
function wishForColours(env: NodeJS.ProcessEnv): boolean | undefined {
  const forced = given(env["FORCE_COLOR"]);
  if (given(env["NO_COLOR"]) !== undefined || forced === "0" || forced === "false") return false;
  const isForced = forced !== undefined || (given(env["CLICOLOR_FORCE"]) ?? "0") !== "0";
  return isForced ? true : env["CLICOLOR"] === "0" ? false : undefined;
}

function wholeColumns(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,4}$/.test(text) ? Number(text) : undefined;
}

/**
 * Load a library in its production build, as NODE_ENV says while it is loaded: React's other one keeps a measurement of
 * every drawing in memory for ever. Whatever paints in it paints what it is told to: by itself it would look at stdout.
 */
export async function loadedForProduction<T>(env: NodeJS.ProcessEnv, load: () => Promise<T>): Promise<T> {
  const before = LOADED_WITH.map(([name]) => [name, env[name]] as const);
  for (const [name, value] of LOADED_WITH) env[name] = value;
  try {
    return await load();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete env[name];
      else env[name] = value;
    }
  }
}

const LOADED_WITH = [
  ["NODE_ENV", "production"],
  ["FORCE_COLOR", "1"],
] as const;
