/** Settings in words, for a terminal and for scripts. */
import { KNOWN_VARIABLES, type SettingRule } from "../config-keys.ts";
import { PROJECT_FILE, resolveStrayVariables, type Setting, type Settings } from "../config.ts";
import { nearestName } from "../nearest-name.ts";
import { printable } from "../printable.ts";
import { alignTable } from "./table.ts";

/** What stands where a secret would. */
const SECRET = "set (not shown)";

/** All of them: a table where it fits into so many columns, else a few lines for each. */
export function describeSettings(settings: Settings, columns: number): string {
  // Of a deployment there is all or nothing.
  const shown = settings.filter(
    ({ rule, found }) => found !== undefined || !rule.key.startsWith("deployment."),
  );
  const rows = shown.map(({ rule, found }) => [
    rule.key,
    found === undefined ? "–" : shownValue(rule, found.value),
    found === undefined ? "not set" : found.source,
    settableBy(rule),
  ]);
  const titles = ["SETTING", "VALUE", "FROM", "SET IT WITH"];
  const table = alignTable(
    titles.map((title) => ({ title })),
    rows,
  );
  if (table.every(({ length }) => length <= columns)) return table.join("\n");
  return rows
    .map(([key, value, from, by]) => `${key}\n  ${value}${value === "–" ? "" : `  (${from})`}\n  ${by}`)
    .join("\n");
}

/** One setting for scripts; a secret's value is null. */
export function settingJson({ rule, found }: Setting): { readonly value: unknown } & Record<string, unknown> {
  const { key, about, isSecret = false, flag, variable, inProject = false, inUser, setBy } = rule;
  return {
    key,
    about,
    set: found !== undefined,
    value: isSecret ? null : toldValue(found?.value ?? null),
    secret: isSecret,
    origin: found?.origin ?? null,
    source: found?.source ?? null,
    settable: {
      flag: flag ?? null,
      variable: variable ?? null,
      project_file: inProject,
      user_settings: inUser !== undefined && setBy === undefined,
      command: setBy ?? null,
    },
  };
}

/** What is set and means nothing, or cannot be used. */
export function warningsOf(settings: Settings): string[] {
  const stray = resolveStrayVariables().map((name) => {
    const meant = nearestName(name, KNOWN_VARIABLES);
    const question = meant === null ? "" : `: is ${meant} meant?`;
    return `${printable(name)} is set, and means nothing to splatctl${question}`;
  });
  const url = settings.find(({ rule }) => rule.key === "url")?.found;
  const isUrl =
    url !== undefined && /^https?:\/\/./i.test(String(url.value)) && URL.canParse(String(url.value));
  return isUrl ? stray : [...stray, `url (${url?.source}) is no http or https URL: no backend can be asked`];
}

/** A value on one line, such as is printed; lists with commas. */
export function shownValue({ isSecret }: SettingRule, value: unknown): string {
  if (isSecret === true) return SECRET;
  return printable(withoutPassword(Array.isArray(value) ? value.join(", ") : String(value)));
}

/** As scripts get it. */
function toldValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toldValue);
  return typeof value === "string" ? withoutPassword(value) : value;
}

/** An address in a variable may hold what no setting should. */
function withoutPassword(text: string): string {
  return text.replace(/(\w:\/\/)(?:[^/@\s]*@|[^\s:/]{0,512}:\S{0,2048}@)/g, "$1…@");
}

/** Where a setting can be set, in the order that they win. */
function settableBy({ key, flag, variable, inProject, inUser, isSecret, setBy }: SettingRule): string {
  const places = [
    flag,
    variable,
    inProject === true ? PROJECT_FILE : undefined,
    setBy ?? (inUser !== undefined ? "your settings" : isSecret === true ? `config set ${key}` : undefined),
  ];
  return [...new Set(places.filter((place) => place !== undefined))].join(", ");
}
