/** JSON with comments and trailing commas as text: what it says, and where. */
import { parseTree, printParseErrorCode, visit, type Node, type ParseError } from "jsonc-parser";

/** A place in a text; both count from 1, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a text, without a word of it. */
export interface Fault {
  readonly says: string;
  readonly place: Place;
}

/** A text that was read. */
export interface ReadText {
  /** Undefined where there is nothing but comments. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
  /** Where the value at a path begins, or the nearest thing around it that is there. */
  readonly placeOf: (path: readonly PropertyKey[]) => Place;
}

const WORDS: Readonly<Record<string, string>> = {
  InvalidSymbol: "something that is neither a string, a number, true, false nor null",
  InvalidNumberFormat: "a number that is not whole",
  PropertyNameExpected: "a name in double quotes should stand here",
  ValueExpected: "a value should stand here",
  ColonExpected: "a colon should stand here",
  CommaExpected: "a comma should stand before this",
  CloseBraceExpected: "a } is missing",
  CloseBracketExpected: "a ] is missing",
  EndOfFileExpected: "nothing more should follow",
  UnexpectedEndOfComment: "a comment without an end",
  UnexpectedEndOfString: "a string without an end",
};

/** Read a text; what is wrong with it is in `faults`, first things first. */
export function readText(text: string): ReadText {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const faults = errors.map(({ error, offset }) => ({
    says: WORDS[printParseErrorCode(error)] ?? "something that JSON does not have",
    place: placeAt(text, offset),
  }));
  const value = root === undefined ? undefined : valueOf(root, (node) => faults.push(twice(text, node)));
  return { value, faults, placeOf: (path) => placeAt(text, offsetOf(root, path)) };
}

/** The comments of a text, and where each begins. */
export function commentsOf(text: string): readonly { readonly text: string; readonly place: Place }[] {
  const found: { text: string; place: Place }[] = [];
  visit(text, {
    onComment: (offset, length) =>
      void found.push({ text: text.slice(offset, offset + length), place: placeAt(text, offset) }),
  });
  return found;
}

/** A place in words. */
export function describePlace({ line, column }: Place): string {
  return `line ${line}, column ${column}`;
}

function twice(text: string, node: Node): Fault {
  return { says: "a name that is there already", place: placeAt(text, node.offset) };
}

/** Not the library's own, which lets `__proto__` do what it does. */
function valueOf(node: Node, onTwice: (node: Node) => void): unknown {
  const { type, children = [] } = node;
  if (type === "array") return children.map((child) => valueOf(child, onTwice));
  if (type !== "object") return node.value as unknown;
  const names = new Set<unknown>();
  const pairs = children.flatMap(({ children: pair = [] }): [string, unknown][] => {
    const [key, inner] = pair as readonly (Node | undefined)[];
    if (key === undefined || inner === undefined) return [];
    if (names.has(key.value)) onTwice(key);
    names.add(key.value);
    return [[String(key.value), valueOf(inner, onTwice)]];
  });
  return Object.fromEntries(pairs);
}

function offsetOf(root: Node | undefined, path: readonly PropertyKey[]): number {
  let at = root;
  let offset = root?.offset ?? 0;
  for (const step of path) {
    const child = at?.type === "array" ? at.children?.[Number(step)] : undefined;
    const pair = at?.children?.find(({ children }) => children?.[0]?.value === step)?.children;
    at = child ?? pair?.[1];
    offset = child?.offset ?? pair?.[0].offset ?? offset;
  }
  return offset;
}

function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: before.length, column: before[before.length - 1].length + 1 };
}
