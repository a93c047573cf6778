/** The list of all settings, as `splatctl config` shows them. */
import type { BucketFound } from "./config-bucket.ts";
import { SETTING_RULES, type SettingRule } from "./config-keys.ts";
import { lookUp, type Found, type Sources } from "./config-lookup.ts";

/** One setting, and what it is now. */
export interface Setting {
  readonly rule: SettingRule;
  /** Undefined where it is not set and nothing is usual. */
  readonly found: Found | undefined;
}

/** All of them, in the order that they are shown. */
export type Settings = readonly Setting[];

/** `usual`: what was found, or is usual, of those that have a value in any case. */
export function listSettings(
  sources: Sources,
  usual: Readonly<Record<string, Found>>,
  bucket: BucketFound,
): Settings {
  return SETTING_RULES.map((rule) => {
    const [group, name] = rule.key.split(".");
    const found =
      group === "bucket"
        ? bucket[name as keyof BucketFound]
        : Object.hasOwn(usual, rule.key)
          ? usual[rule.key]
          : lookUp(rule, sources);
    return { rule, found };
  });
}
