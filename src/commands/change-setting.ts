/** Changes of one setting: which file it goes into, what it may be, and what wins over it. */
import { existsSync } from "node:fs";
import { SCENE_NAME } from "../api/limits.ts";
import { requireSendable } from "../api/credentials.ts";
import type { SettingRule } from "../config-keys.ts";
import { PROJECT_FILE, resolveConfig, resolvePlaces, resolveSettings } from "../config.ts";
import { SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import { hasIn, namesIn, setIn, unsetIn } from "../project-file-edit.ts";
import { readProjectText, saveProjectText } from "../project-file-save.ts";
import { checkProjectValue, parseProject, requireJson } from "../project-file.ts";
import { readSecrets, saveSecrets, forgetSecrets, type BackendSecrets } from "../secrets-file.ts";
import { saveUserConfig } from "../user-config.ts";
import type { ChangeFlags } from "./config-set.ts";
import { shownValue } from "./describe-settings.ts";
import { logFor } from "./flags.ts";
import { mendSecrets } from "./open-bucket.ts";
import { readSecret } from "./read-secret.ts";
import { ruleNamed } from "./setting-named.ts";
import { interruptSignal, printResult } from "./terminal.ts";

type Place = "project" | "user" | "secrets";

/** The part of the secrets of a backend that a setting names. */
const SECRET_NAMES: Readonly<Record<string, "token" | "proxyKey" | "proxySecret" | undefined>> = {
  token: "token",
  "proxy.key": "proxyKey",
  "proxy.secret": "proxySecret",
};

/** Set it. Throws `usage` for a key that there is not, a value that it cannot have, and a place where it cannot stand. */
export async function setSetting(key: string, typed: string | undefined, flags: ChangeFlags): Promise<void> {
  const rule = ruleNamed(key);
  const place = placeOf(rule, flags);
  if (place === "secrets") return await setSecret(rule, typed, flags);
  if (typed === undefined) {
    throw new SplatError("usage", `no value is given for ${key}`, {
      hint: `splatctl config unset ${key} takes it away.`,
    });
  }
  const value = parseValue(rule, typed);
  const file = place === "project" ? PROJECT_FILE : resolvePlaces().userFile;
  if (place === "project") {
    const text = await readProjectText(PROJECT_FILE);
    parseProject(PROJECT_FILE, text);
    requireSource(rule, text);
    await saveProjectText(PROJECT_FILE, text, setIn(text, key.split("."), value));
  } else await saveUserConfig(file, { [key]: value });
  await tell(rule, file, flags, `${key} is ${shownValue(rule, value)}`, value);
}

/** Take it away; a name that begins several takes all of them away. Throws as {@link setSetting}. */
export async function unsetSetting(key: string, flags: ChangeFlags): Promise<void> {
  const text = await readProjectText(PROJECT_FILE);
  // Also what has no business there, so that the file can be mended.
  if (flags.user !== true && key !== "" && hasIn(text, key.split("."))) {
    const left = unsetIn(text, pathToUnset(key, text));
    await saveProjectText(PROJECT_FILE, text, left, requireJson);
    return await tell(ruleOrNull(key), PROJECT_FILE, flags, `${printable(key)} is not set any more`, null);
  }
  if (key === "capture" || key === "relay")
    return await tell(null, PROJECT_FILE, flags, `${key} was not set`, null);
  const rule = ruleNamed(key);
  const place = placeOf(rule, flags);
  const { userFile, secretsFile } = resolvePlaces();
  if (place === "secrets") {
    const { url } = await resolveConfig(flags);
    const { [SECRET_NAMES[key] ?? "token"]: gone, ...rest } = await readSecrets(secretsFile, url);
    if (gone !== undefined && Object.keys(rest).length === 0) await forgetSecrets(secretsFile, url);
    else if (gone !== undefined) await saveSecrets(secretsFile, url, rest);
    const what = gone === undefined ? `no ${key} was kept for ${url}` : `the ${key} for ${url} is forgotten`;
    return await tell(rule, secretsFile, flags, what, null);
  }
  if (rule.inUser !== undefined && flags.project !== true) {
    await saveUserConfig(userFile, { [key]: undefined });
    return await tell(rule, userFile, flags, `${key} is not set any more`, null);
  }
  await tell(rule, PROJECT_FILE, flags, `${key} was not set`, null);
}

async function setSecret(rule: SettingRule, typed: string | undefined, flags: ChangeFlags): Promise<void> {
  if (typed !== undefined) {
    throw new SplatError(
      "usage",
      `${rule.key} is a secret: command lines are visible to all, and kept in histories`,
      {
        hint: `Leave the value out, or pipe it in: splatctl config set ${rule.key} < FILE. Make a new one if this one counts.`,
      },
    );
  }
  const { url } = await resolveConfig(flags);
  const { secretsFile } = resolvePlaces();
  await mendSecrets(secretsFile, logFor(flags));
  const secret = await readSecret(`${rule.key} for ${url}`, interruptSignal());
  requireSendable(secret);
  const kept: BackendSecrets = await readSecrets(secretsFile, url);
  await saveSecrets(secretsFile, url, { ...kept, [SECRET_NAMES[rule.key] ?? "token"]: secret });
  await tell(rule, secretsFile, flags, `${rule.key} for ${url} is kept`, null);
}

/** Where it goes: as told, else where it alone can, else the project file where there is one. */
function placeOf(rule: SettingRule, flags: ChangeFlags): Place {
  const { key, isSecret, inProject, inUser, setBy, variable } = rule;
  if (isSecret === true && flags.project === true) {
    throw new SplatError("usage", `${key} is a secret, and ${PROJECT_FILE} is shared and committed`, {
      hint: `splatctl config set ${key} keeps it in a file of yours alone.`,
    });
  }
  if (setBy !== undefined) {
    const how =
      variable === setBy || variable === undefined ? setBy : `${setBy}, or ${variable} in the environment`;
    throw new SplatError("usage", `${key} is not set by this command`, { hint: `It is set by ${how}.` });
  }
  if (isSecret === true) return "secrets";
  const canUser = inUser !== undefined;
  if (flags.user === true ? canUser : inProject === true) {
    return flags.user === true || (flags.project !== true && canUser && !existsSync(PROJECT_FILE))
      ? "user"
      : "project";
  }
  const where = [
    ...(inProject === true ? [`${PROJECT_FILE} (--project)`] : []),
    ...(canUser ? ["your settings (--user)"] : []),
    ...(variable === undefined ? [] : [variable]),
    ...(rule.flag === undefined ? [] : [rule.flag]),
  ];
  throw new SplatError("usage", `${key} cannot be kept there`, {
    hint: `It is set by ${where.join(" or ")}.`,
  });
}

/** Other keys of a relay say how its source is read. */
function requireSource({ key }: SettingRule, text: string): void {
  if (!key.startsWith("relay.") || key === "relay.source" || hasIn(text, ["relay", "source"])) return;
  throw new SplatError("usage", `${key} says nothing without relay.source`, {
    hint: "First: splatctl config set relay.source serial (or lerobot, or http).",
  });
}

/** What goes with it: a relay is nothing without its source. */
function pathToUnset(key: string, text: string): readonly string[] {
  if (key !== "relay.source") return key.split(".");
  const others = namesIn(text, ["relay"]).filter((name) => name !== "source");
  if (others.length === 0) return ["relay"];
  throw new SplatError("usage", `relay.${others[0]} says nothing without relay.source`, {
    hint: "splatctl config unset relay takes all of it away.",
  });
}

function parseValue(rule: SettingRule, typed: string): string | number | boolean | readonly string[] {
  const { key } = rule;
  const value = coerce(rule, typed);
  checkProjectValue(key, value);
  if (key === "url") return parseUrl(typed);
  if (key === "scene" && !SCENE_NAME.test(typed)) throw wrong(rule, "1 to 32 of a-z, 0-9 and -");
  return value;
}

function coerce(rule: SettingRule, typed: string): string | number | boolean | readonly string[] {
  const { kind } = rule;
  if (kind === "number") {
    const value = typed.trim() === "" ? Number.NaN : Number(typed);
    if (!Number.isFinite(value)) throw wrong(rule, "a number");
    return value;
  }
  if (kind === "switch") {
    if (/^(true|yes|on)$/i.test(typed)) return true;
    if (/^(false|no|off)$/i.test(typed)) return false;
    throw wrong(rule, "true or false");
  }
  return kind === "list" ? typed.split(",").map((part) => part.trim()) : typed;
}

/** As every command will read it, without a slash at its end. */
function parseUrl(typed: string): string {
  const url = URL.canParse(typed) ? new URL(typed) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new SplatError("usage", "url must be one like http://127.0.0.1:7860");
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function wrong({ key }: SettingRule, what: string): SplatError {
  return new SplatError("usage", `${key} must be ${what}`);
}

function ruleOrNull(key: string): SettingRule | null {
  try {
    return ruleNamed(key);
  } catch {
    return null;
  }
}

async function tell(
  rule: SettingRule | null,
  file: string,
  flags: ChangeFlags,
  text: string,
  value: unknown,
): Promise<void> {
  // What was taken away is shadowed by nothing, and the rest of the file may be wrong still.
  const now =
    rule === null || value === null
      ? undefined
      : (await resolveSettings(flags)).find((each) => each.rule === rule)?.found;
  const isShadowed = now !== undefined && now.source !== file;
  if (isShadowed)
    logFor(flags).warn(`${now.source} gives it too, and wins: ${shownValue(rule as SettingRule, now.value)}`);
  const shadow = isShadowed ? now.source : null;
  printResult(
    flags,
    { success: true, key: rule?.key ?? null, value, file, shadowed_by: shadow },
    `${text} (${file})`,
  );
}
