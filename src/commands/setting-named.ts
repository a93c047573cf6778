/** The setting that a command names. */
import { ruleOf, SETTING_RULES, type SettingRule } from "../config-keys.ts";
import { SplatError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { printable } from "../printable.ts";

/** The rule of that key. Throws `usage`, naming the one that may be meant, when there is none. */
export function ruleNamed(key: string): SettingRule {
  const rule = ruleOf(key);
  if (rule !== undefined) return rule;
  const keys = SETTING_RULES.map((each) => each.key);
  const inGroup = keys.filter((each) => each.startsWith(`${key}.`));
  // People leave the group out.
  const meant = nearestName(key, keys) ?? keys.find((each) => each.endsWith(`.${key}`)) ?? null;
  const hint =
    inGroup.length > 0
      ? `There are ${inGroup.join(", ")}.`
      : `${meant === null ? "" : `Is ${meant} meant? `}splatctl config list has them all.`;
  throw new SplatError("usage", `no setting is called "${printable(key)}"`, { hint });
}
