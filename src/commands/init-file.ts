/** `splatctl init`: the project file that the answers come to. */
import { SETTING_RULES } from "../config-keys.ts";
import { hasIn, setIn, unsetIn } from "../project-file-edit.ts";
import { readText } from "../project-file-text.ts";
import { printable } from "../printable.ts";

/** What is to stand at a key; undefined = nothing. */
export type FileChanges = Readonly<Record<string, string | number | undefined>>;

const HEAD = [
  "// What is always the same in this folder's work. Flags and the environment win over it: splatctl config list",
  "// tells what counts. Tokens and keys belong elsewhere: this file is shared. Comments and trailing commas may stand.",
];

/** The text with the changes in it, all else as it was; an empty one becomes a file that explains every key. */
export function withChanges(before: string, changes: FileChanges): string {
  const start = before.trim() === "" ? explained() : before;
  return Object.entries(changes).reduce((text, [key, value]) => {
    const path = key.split(".");
    if (value !== undefined) return setIn(text, path, value);
    return hasIn(text, path) ? unsetIn(text, path) : text;
  }, start);
}

/** Each key that has another value in `after`, as one line. */
export function describeChanges(before: string, after: string): string[] {
  const [old, now] = [leavesOf(before), leavesOf(after)];
  const width = Math.max(...[...old.keys(), ...now.keys()].map(({ length }) => length));
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
    const [was, is] = [old.get(key), now.get(key)];
    if (was === is) return [];
    const note = is === undefined || was === undefined ? "" : ` (was ${was})`;
    return [printable(`${key.padEnd(width)}  ${is ?? `removed (was ${was})`}${note}`)];
  });
}

/** All keys as comments, each with what it does. */
function explained(): string {
  const keys = SETTING_RULES.filter(({ inProject }) => inProject === true);
  const groupOf = (key: string): string | null => (key.includes(".") ? key.split(".")[0] : null);
  const lines = (group: string | null, indent: string): string[] =>
    keys
      .filter(({ key }) => groupOf(key) === group)
      .flatMap(({ key, about, example = "null" }) => [
        `${indent}// ${about}`,
        `${indent}// ${JSON.stringify(key.split(".").at(-1))}: ${example},`,
      ]);
  const groups = [...new Set(keys.flatMap(({ key }) => groupOf(key) ?? []))];
  return [
    ...HEAD,
    "{",
    ...lines(null, "  "),
    ...groups.flatMap((group) => [`  ${JSON.stringify(group)}: {`, ...lines(group, "    "), "  },"]),
    "}",
    "",
  ].join("\n");
}

function leavesOf(text: string): Map<string, string> {
  const leaves = new Map<string, string>();
  const walk = (value: unknown, path: readonly string[]): void => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
    } else if (value !== undefined) leaves.set(path.join("."), JSON.stringify(value));
  };
  walk(readText(text).value, []);
  return leaves;
}
