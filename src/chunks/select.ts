/** Which entries of some sessions a user means. */
import picomatch from "picomatch";
import { SplatError } from "../errors.ts";
import type { Entry, Session } from "./entry.ts";
import { printable } from "../printable.ts";

/** What the user named. Patterns are compared with an entry's name and with `SESSION/NAME`. */
export interface Choice {
  /** Names, numbers of chunks, whole keys, globs, or `latest`. */
  readonly wanted: readonly string[];
  /** Everything there is. */
  readonly all: boolean;
  /** Globs that an entry must match, unless there are none. */
  readonly include: readonly string[];
  /** Globs that an entry must not match, whatever else it does. */
  readonly exclude: readonly string[];
}

/** The newest one, by a word. */
const LATEST = "latest";
/** Names that an error offers. */
const MOST_OFFERED = 3;

/**
 * The entries that are meant, from the oldest to the newest: those wanted, else all of them, else the newest one, always
 * without what include and exclude leave out. Throws `bad_input` for a name or a glob that nothing has, `usage` for an
 * empty one.
 */
export function selectEntries(sessions: readonly Session[], choice: Choice): readonly Entry[] {
  const entries = sessions.flatMap((session) => session.entries);
  const passes = filterOf(choice);
  if (choice.wanted.length > 0) {
    const chosen = new Set(choice.wanted.flatMap((text) => wantedBy(text, entries)));
    return entries.filter((entry) => chosen.has(entry) && passes(entry));
  }
  const passing = entries.filter(passes);
  return choice.all ? passing : passing.slice(-1);
}

/** Never empty. */
function wantedBy(text: string, entries: readonly Entry[]): readonly Entry[] {
  const matches = globMatcher(text);
  // A name may hold what a glob would: whoever writes all of it means it.
  const exact = entries.filter(({ name, key, sessionId }) =>
    [name, key, `${sessionId}/${name}`].includes(text),
  );
  if (exact.length > 0) return exact;
  const numbered = /^\d{1,9}$/.test(text) ? entries.filter(({ index }) => index === Number(text)) : [];
  if (numbered.length > 0) return numbered;
  if (text === LATEST && entries.length > 0) return entries.slice(-1);
  const matched = entries.filter(matches);
  if (matched.length > 0) return matched;
  throw new SplatError("bad_input", `nothing there is called ${printable(text)}`, {
    hint: offer(text, entries),
  });
}

function filterOf({ include, exclude }: Choice): (entry: Entry) => boolean {
  const [wanted, unwanted] = [include.map(globMatcher), exclude.map(globMatcher)];
  return (entry) =>
    (wanted.length === 0 || wanted.some((matches) => matches(entry))) &&
    !unwanted.some((matches) => matches(entry));
}

function globMatcher(glob: string): (entry: Entry) => boolean {
  if (glob === "") throw new SplatError("usage", "a name or a glob cannot be empty");
  const matches = picomatch(glob, { nonegate: true });
  return ({ name, sessionId }) => matches(name) || matches(`${sessionId}/${name}`);
}

function offer(text: string, entries: readonly Entry[]): string {
  const names = [...new Set(entries.map(({ name }) => name))];
  if (names.length === 0) return "There are no chunks yet.";
  const close = names
    .map((name) => ({ name, distance: distanceBetween(text, name) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, MOST_OFFERED);
  const more = names.length - close.length;
  return `There ${names.length === 1 ? "is" : "are"} ${close.map(({ name }) => printable(name)).join(", ")}${more > 0 ? ` and ${more} more` : ""}; \`splatctl chunks ls\` shows them.`;
}

/** Letters to change, add or leave out (Levenshtein 1966), of the first few dozen. */
function distanceBetween(left: string, right: string): number {
  const [a, b] = [left.slice(0, 64), right.slice(0, 64)];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
