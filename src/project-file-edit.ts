/** Changes to the text of a project file that leave its comments and its layout alone. */
import { parseTree, visit, type Node } from "jsonc-parser";

type Path = readonly string[];

const SHIFT = "  ";

/**
 * Put a value at a path. Where the file has the setting commented out (`// "name": …`), it takes that line's place.
 * `text` must be one that `readText` finds no fault with.
 */
export function setIn(text: string, path: Path, value: unknown): string {
  const root = treeOf(text);
  if (root === undefined)
    return setIn(
      `${text}${text === "" || text.endsWith("\n") ? "" : eolOf(text)}{}${eolOf(text)}`,
      path,
      value,
    );
  const pair = pairAt(root, path);
  const old = pair?.children?.[1];
  if (old !== undefined) return splice(text, old.offset, old.length, written(value));
  const holder = path.length === 1 ? root : pairAt(root, path.slice(0, -1))?.children?.[1];
  if (holder?.type !== "object") return setIn(setIn(text, path.slice(0, -1), {}), path, value);
  return addTo(text, holder, path.length, path[path.length - 1], written(value));
}

/** Take what is at a path away; the text as it is where nothing is there. */
export function unsetIn(text: string, path: Path): string {
  const pair = pairAt(treeOf(text), path);
  if (pair === undefined) return text;
  const siblings = pair.parent?.children ?? [];
  const at = siblings.indexOf(pair);
  const commas = commasOf(text);
  const end = pair.offset + pair.length;
  const next = siblings[at + 1]?.offset ?? (pair.parent?.offset ?? 0) + (pair.parent?.length ?? 0);
  const before = siblings[at - 1];
  const after = commas.find((comma) => comma >= end && comma < next);
  let result = text;
  // The last one takes the comma before it along, unless commas may trail here anyhow.
  if (after !== undefined) result = splice(result, after, 1, "");
  const lost =
    before && commas.find((comma) => comma >= before.offset + before.length && comma < pair.offset);
  const isLast = siblings[at + 1] === undefined;
  if (after === undefined && isLast && lost !== undefined) {
    result = splice(result, lost, 1, "");
    return withoutRange(result, pair.offset - 1, pair.length);
  }
  return withoutRange(result, pair.offset, pair.length);
}

/** The names in the object at a path; none where there is no object. */
export function namesIn(text: string, path: Path): string[] {
  const pairs = pairAt(treeOf(text), path)?.children?.[1]?.children ?? [];
  return pairs.map(({ children }) => String(children?.[0].value));
}

/** Whether anything is at a path. */
export function hasIn(text: string, path: Path): boolean {
  return pairAt(treeOf(text), path) !== undefined;
}

function addTo(text: string, holder: Node, depth: number, name: string, value: string): string {
  const property = `${JSON.stringify(name)}: ${value}`;
  const children = holder.children ?? [];
  const place = placeFor(text, holder, name);
  const at = place.kind === "comment" ? place.offset : place.offset;
  const before = children.filter((child) => child.offset < at).at(-1);
  const hasAfter = children.some((child) => child.offset > at);
  const eol = eolOf(text);
  const indent = before === undefined ? SHIFT.repeat(depth) : indentAt(text, before.offset);
  const put =
    place.kind === "comment"
      ? `${property}${hasAfter || place.hasComma ? "," : ""}`
      : `${eol}${indent}${property}${place.isEmpty ? `${eol}${SHIFT.repeat(depth - 1)}` : ""}`;
  const result = splice(text, at, place.length, put);
  if (before === undefined) return result;
  const end = before.offset + before.length;
  const isParted = commasOf(text).some((comma) => comma >= end && comma < at);
  return isParted ? result : splice(result, end, 0, ",");
}

interface AddPlace {
  readonly kind: "comment" | "new";
  readonly offset: number;
  readonly length: number;
  /** The braces have nothing between them. */
  readonly isEmpty: boolean;
  readonly hasComma: boolean;
}

/** In the place of the setting that is commented out, else behind all that is there, else behind the brace. */
function placeFor(text: string, holder: Node, name: string): AddPlace {
  const end = holder.offset + holder.length - 1;
  const children = holder.children ?? [];
  const isInside = (offset: number): boolean =>
    offset > holder.offset &&
    offset < end &&
    !children.some((child) => offset >= child.offset && offset < child.offset + child.length);
  const start = `// ${JSON.stringify(name)}:`;
  for (const { offset, length } of commentsIn(text)) {
    const comment = text.slice(offset, offset + length);
    if (!isInside(offset) || !comment.startsWith(start)) continue;
    return { kind: "comment", offset, length, isEmpty: false, hasComma: comment.trimEnd().endsWith(",") };
  }
  const last = children.at(-1);
  const none = { kind: "new", length: 0, hasComma: false } as const;
  if (last === undefined) {
    const inner = text.slice(holder.offset + 1, end);
    const isEmpty = inner.trim() === "";
    return { ...none, offset: holder.offset + 1, length: isEmpty ? inner.length : 0, isEmpty };
  }
  const after = last.offset + last.length;
  // What is said of the last one on its own line stays with it.
  const [rest] = /^(?:\s*,)?[^\S\r\n]*(?:\/\/[^\r\n]*|\/\*[^\r\n*]*\*\/[^\S\r\n]*)?(?=[\r\n])/.exec(
    text.slice(after, end),
  ) ?? [""];
  return { ...none, offset: after + rest.length, isEmpty: false };
}

/** Without the property, and without its line where nothing else stands on it. */
function withoutRange(text: string, offset: number, length: number): string {
  const before = /[^\S\r\n]*$/.exec(text.slice(0, offset))?.[0].length ?? 0;
  const after = /^[^\S\r\n]*(?:\r\n|\n|\r)/.exec(text.slice(offset + length))?.[0].length ?? 0;
  const start = offset - before;
  const isFirst = start > 0 && /[\r\n]/.test(text[start - 1]);
  if (isFirst && after > 0) return splice(text, start, before + length + after, "");
  // What follows on the line takes its place.
  const blanks = isFirst ? (/^[^\S\r\n]*/.exec(text.slice(offset + length))?.[0].length ?? 0) : 0;
  return splice(text, offset, length + blanks, "");
}

/** Without the mark that some editors put before a file, which would move every offset. */
function treeOf(text: string): Node | undefined {
  return parseTree(text, [], { allowTrailingComma: true });
}

function pairAt(root: Node | undefined, path: Path): Node | undefined {
  const [name, ...rest] = path;
  const pair = root?.children?.find(
    ({ type, children }) => type === "property" && children?.[0].value === name,
  );
  return rest.length === 0 ? pair : pairAt(pair?.children?.[1], rest);
}

function commasOf(text: string): number[] {
  const found: number[] = [];
  visit(
    text,
    { onSeparator: (character, offset) => void (character === "," && found.push(offset)) },
    { allowTrailingComma: true },
  );
  return found;
}

function commentsIn(text: string): { offset: number; length: number }[] {
  const found: { offset: number; length: number }[] = [];
  visit(text, { onComment: (offset, length) => void found.push({ offset, length }) });
  return found;
}

function indentAt(text: string, offset: number): string {
  const line =
    text
      .slice(0, offset)
      .split(/[\r\n]/)
      .at(-1) ?? "";
  return /^\s*/.exec(line)?.[0] ?? "";
}

/** Lists on one line, as people write them; what a terminal would obey is escaped. */
function written(value: unknown): string {
  const json = Array.isArray(value)
    ? `[${value.map((each) => JSON.stringify(each)).join(", ")}]`
    : JSON.stringify(value);
  // Without `u`, so that what is two units long becomes two escapes.
  return json.replace(
    /[\u007f-\u009f\u00ad\u0600-\u0605\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    escaped,
  );
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function eolOf(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

function splice(text: string, offset: number, length: number, put: string): string {
  return `${text.slice(0, offset)}${put}${text.slice(offset + length)}`;
}
