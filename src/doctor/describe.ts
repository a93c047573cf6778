/** Findings in words, for a terminal of any width and with any letters, and for scripts. */
import { GROUPS, type FindingState, type GroupName, type Reported } from "./check.ts";

/** What is printed to. */
export interface Paper {
  /** Columns; null = lines are as long as they are. */
  readonly width: number | null;
  /** Whether it shows more than ASCII. */
  readonly isUnicode: boolean;
  /** Sets off the mark of a finding; the mark says the same without. */
  readonly paint: (state: FindingState | "heading", text: string) => string;
}

const MARKS: Readonly<Record<FindingState, readonly [unicode: string, ascii: string]>> = {
  ok: ["✓", "ok"],
  warning: ["!", "! "],
  failed: ["✗", "X "],
  absent: ["–", "- "],
  skipped: ["–", "- "],
};

/** The title of a group, with an empty line above it unless it is the first. */
export function describeGroup(group: GroupName, isFirst: boolean, paper: Paper): string {
  return `${isFirst ? "" : "\n"}${paper.paint("heading", GROUPS[group])}`;
}

/** One finding: its mark and message, and below it what mends it. */
export function describeFinding({ state, message, fix }: Reported, paper: Paper): string {
  const [mark, asciiMark] = MARKS[state];
  const shown = paper.isUnicode ? mark : asciiMark;
  const indent = " ".repeat(2 + shown.length + 1);
  const arrow = paper.isUnicode ? "→ " : "-> ";
  const lines = wrap(spell(message, paper), indent, indent, paper.width);
  const first = `  ${paper.paint(state, shown)} ${lines[0].slice(indent.length)}`;
  const below = `${indent}${" ".repeat(arrow.length)}`;
  const mending = fix === undefined ? [] : wrap(spell(fix, paper), `${indent}${arrow}`, below, paper.width);
  return [first, ...lines.slice(1), ...mending].join("\n");
}

/** What all of it comes to, in one line. */
export function describeSum(found: readonly Reported[], paper: Paper): string {
  const count = (...states: readonly FindingState[]): number =>
    found.filter(({ state }) => states.includes(state)).length;
  const [failed, warnings, absent, skipped] = [
    count("failed"),
    count("warning"),
    count("absent"),
    count("skipped"),
  ];
  const parts = [
    failed === 0 ? "" : `${failed} failed`,
    warnings === 0 ? "" : `${warnings} ${warnings === 1 ? "warning" : "warnings"}`,
    `${count("ok")} ok`,
    absent === 0 ? "" : `${absent} not set up`,
    skipped === 0 ? "" : `${skipped} not looked at`,
  ].filter((part) => part !== "");
  const verdict = failed > 0 ? "something failed" : warnings > 0 ? "nothing failed" : "all is well";
  const text = `${verdict}: ${parts.join(", ")}`;
  return `\n${wrap(spell(text, paper), "", "", paper.width).join("\n")}`;
}

/** All of it for scripts. */
export function findingsJson(found: readonly Reported[]): object {
  return {
    success: !found.some(({ state }) => state === "failed"),
    checks: found.map(({ id, group, state, message, fix, facts }) => ({
      id,
      group,
      state,
      message,
      fix,
      ...facts,
    })),
  };
}

/** Signs that ASCII lacks. */
const SPELLED: readonly (readonly [sign: RegExp, ascii: string])[] = [
  [/…/g, "..."],
  [/°/g, " deg "],
  [/[–—]/g, "-"],
  [/≥/g, ">="],
  [/[“”„]/g, '"'],
  [/[’‘]/g, "'"],
  [/→/g, "->"],
  [/×/g, "x"],
];

function spell(text: string, { isUnicode }: Paper): string {
  if (isUnicode) return text;
  const spelled = SPELLED.reduce((told, [sign, ascii]) => told.replaceAll(sign, ascii), text);
  // What is left are names that others chose.
  return spelled.replaceAll(/[^\x20-\x7e]/g, "?");
}

/** Narrower than this nothing is wrapped: the terminal does as well. */
const LEAST_ROOM = 16;

/** Words over lines; a command in backticks stays on one, so that it can be copied. */
function wrap(text: string, first: string, other: string, width: number | null): string[] {
  const words = text.match(/`[^`]*`\S*|\S+/g) ?? [];
  if (width === null || width - other.length < LEAST_ROOM) return [`${first}${words.join(" ")}`];
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of words) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = other;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}
