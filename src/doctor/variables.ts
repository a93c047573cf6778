/** Variables of the environment that nothing reads: slips of the pen, most of them. */
import { KNOWN_VARIABLES, strayAmong } from "../config-keys.ts";
import { nearestName } from "../nearest-name.ts";

const BUCKET_VARIABLES = ["R2_BUCKET_NAME", "R2_ENDPOINT_URL", "R2_PUBLIC_URL"];

/** A variable that looks like one of ours and is none. */
export interface StrayVariable {
  readonly name: string;
  /** The one that is near enough to have been meant; null when none is. */
  readonly meant: string | null;
}

/** Those of `names` that nothing reads. Other programs may have R2_ variables of their own: of these only near misses count. */
export function strayVariables(names: readonly string[]): readonly StrayVariable[] {
  const ours = strayAmong(names).map((name) => ({ name, meant: nearestName(name, KNOWN_VARIABLES) }));
  const others = names
    .filter((name) => name.startsWith("R2_") && !BUCKET_VARIABLES.includes(name))
    .map((name) => ({ name, meant: nearestName(name, BUCKET_VARIABLES) }));
  return [...ours, ...others.filter(({ meant }) => meant !== null)];
}
