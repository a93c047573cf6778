/** Reports are pasted into public issues: what says who somebody is, or is secret, is taken out of them. */
import { realpathSync } from "node:fs";
import { homedir, hostname, userInfo } from "node:os";
import { redact } from "../redact.ts";
import type { Reported } from "./check.ts";

/** What is not to be told. */
export interface Private {
  readonly homes: readonly string[];
  readonly user: string;
  readonly host: string;
}

/** Names that say nothing about anybody. */
const COMMON_USERS = ["root", "user", "node", "pi", "ubuntu", "runner"];

/** Hosts are called so, and sentences say it too. */
const COMMON_HOSTS =
  /^(?:localhost|arm|robot|machine|computer|server|desktop|laptop|ok|failed|backend|bucket|camera|daemon|modal|settings|system|linux|ubuntu|debian|node|python|home|user|main|scene|port|disk|clock|token|splatctl|splat|ffmpeg|serial|true|false|null|[\da-z]{1,2})$/i;

/** Of this process's user and machine. */
export function privateHere(): Private {
  const home = homedir();
  return {
    homes: [...new Set([home, realOf(home)])].filter((path) => path.length > 1),
    user: userInfo().username,
    host: hostname(),
  };
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * A finding without it: home is `~`, the user `USER`, this host `HOST`, a secret `[hidden]`. What scripts and we ourselves
 * go by, such as the state, stays: it is never anybody's.
 */
export function discreet(found: Reported, what: Private): Reported {
  const hide = (text: string): string => discreetText(text, what);
  const [kind, ...names] = found.id.split(":");
  return {
    ...found,
    id: names.length === 0 ? kind : `${kind}:${hide(names.join(":"))}`,
    message: hide(found.message),
    fix: found.fix === undefined ? undefined : hide(found.fix),
    facts: found.facts === undefined ? undefined : (mapTexts(found.facts, hide) as Reported["facts"]),
  };
}

/** One text without it. */
export function discreetText(text: string, { homes, user, host }: Private): string {
  let told = redact(text);
  for (const home of homes) told = told.replaceAll(new RegExp(`${escaped(home)}(?![\\w-])`, "g"), "~");
  // In a path: as a word it may mean anything.
  if (!COMMON_USERS.includes(user)) {
    told = told.replaceAll(new RegExp(`(?<=[/\\\\])${escaped(user)}(?=[/\\\\]|\\s|$)`, "g"), "USER");
  }
  if (host !== "" && !COMMON_HOSTS.test(host))
    told = told.replaceAll(new RegExp(`(?<![\\w.-])${escaped(host)}(?![\\w-])`, "g"), "HOST");
  told = told
    .replaceAll(/(?<=\bworkspace ["']?)[\w][\w-]*(?=["']?(?:$|[\s,;.)]))/g, "WORKSPACE")
    .replaceAll(/(?<![\w-])[a-z0-9][a-z0-9-]{0,62}?(?=--[a-z0-9-]{1,63}\.modal\.run)/gi, "WORKSPACE");
  return told.replaceAll(/\b[0-9a-f]{32}(?=\.(?:[a-z]+\.)?r2\.cloudflarestorage\.com)/gi, "ACCOUNT");
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((one) => mapTexts(one, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      key === "workspace" && typeof one === "string" ? "WORKSPACE" : mapTexts(one, change),
    ]),
  );
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
