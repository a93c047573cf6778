/** Which of the places that a setting may stand in counts: the one function that knows their order. */
import { ruleOf, type SettingRule } from "./config-keys.ts";
import { given } from "./config-places.ts";

/** Where each setting came from; printed so nobody wonders which backend a command talks to. */
export type Origin = "flag" | "environment" | "project file" | "user settings" | "default";

export type SettingValue = string | number | boolean | readonly string[];

/** A setting that has a value. */
export interface Found<T = SettingValue> {
  readonly value: T;
  readonly origin: Origin;
  /** The flag, the variable or the file itself; for a default, that word. */
  readonly source: string;
}

/** All that is given, in any place. */
export interface Sources {
  /** By the flag's name, without dashes. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: NodeJS.ProcessEnv;
  readonly project: object;
  readonly projectFile: string;
  readonly user: object;
  readonly userFile: string;
  /** What the file of secrets holds for the backend, by key of the setting. */
  readonly kept: Readonly<Record<string, string | undefined>>;
  readonly secretsFile: string;
}

/** The value that counts: flag over environment over project file over the user's own; undefined when nobody gives one. */
export function lookUp(rule: SettingRule, sources: Sources): Found | undefined {
  const { flag, variable, inProject, inUser, isSecret, key } = rule;
  const flagName = flag?.split("--")[1];
  const candidates: readonly (readonly [value: unknown, origin: Origin, source: string])[] = [
    [flagName === undefined ? undefined : sources.flags[flagName], "flag", `--${flagName}`],
    [
      variable === undefined ? undefined : fromVariable(rule, sources.env[variable]),
      "environment",
      `${variable}`,
    ],
    [inProject === true ? valueAt(sources.project, key) : undefined, "project file", sources.projectFile],
    [inUser === undefined ? undefined : valueAt(sources.user, inUser), "user settings", sources.userFile],
    [isSecret === true ? sources.kept[key] : undefined, "user settings", sources.secretsFile],
  ];
  const found = candidates.find(([value]) => value !== undefined && value !== null);
  return found && { value: found[0] as SettingValue, origin: found[1], source: found[2] };
}

/** As {@link lookUp}, for what is text in every place; `usual` where nobody gives one. */
export function lookUpText(key: string, sources: Sources): Found<string> | undefined;
export function lookUpText(key: string, sources: Sources, usual: string): Found<string>;
export function lookUpText(key: string, sources: Sources, usual?: string): Found<string> | undefined {
  const rule = ruleOf(key);
  const found = rule && (lookUp(rule, sources) as Found<string> | undefined);
  return found ?? (usual === undefined ? undefined : { value: usual, origin: "default", source: "default" });
}

/** As {@link lookUp}, for what is a list in every place; empty where nobody gives one. */
export function lookUpList(key: string, sources: Sources): readonly string[] {
  const rule = ruleOf(key);
  return ((rule && lookUp(rule, sources)?.value) ?? []) as readonly string[];
}

/** Lists have commas between their parts, and are lists of origins: a slash at the end of one means nothing. */
function fromVariable({ kind }: SettingRule, text: string | undefined): SettingValue | undefined {
  const value = given(text);
  if (value === undefined || kind !== "list") return value;
  return value
    .split(",")
    .map((part) => part.trim().replace(/\/$/, ""))
    .filter((part) => part !== "");
}

function valueAt(holder: object, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>(
      (at, name) =>
        typeof at === "object" && at !== null && Object.hasOwn(at, name)
          ? (at as Readonly<Record<string, unknown>>)[name]
          : undefined,
      holder,
    );
}
