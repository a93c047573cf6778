/** What the flags of a command say of which entries are meant. */
import type { Choice } from "../chunks/select.ts";
import { SplatError } from "../errors.ts";

export interface ChoiceFlags {
  readonly all?: boolean;
  readonly latest?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

/** The choice that flags and names make together. Throws `usage` when they contradict one another. */
export function choiceOf(wanted: readonly string[], flags: ChoiceFlags): Choice {
  const { all = false, latest = false, include = [], exclude = [] } = flags;
  const said = [
    ...(wanted.length > 0 ? ["names"] : []),
    ...(all ? ["--all"] : []),
    ...(latest ? ["--latest"] : []),
  ];
  if (said.length > 1) {
    throw new SplatError("usage", `${said.join(" and ")} contradict one another`, {
      hint: "Give one of them.",
    });
  }
  // Whoever filters and names nothing means everything that passes.
  const onlyFilters = said.length === 0 && include.length + exclude.length > 0;
  return { wanted, all: all || onlyFilters, include, exclude };
}
