/** Rows of text of a known width, for a screen: pieces in styles, cut and filled to columns of a terminal. */
import stringWidth from "string-width";
import { printable } from "../printable.ts";

/** How a piece looks. What is said never depends on it. */
export type Style = "plain" | "dim" | "bold" | "good" | "bad" | "warn" | "graph";

/** A piece of a row. */
export interface Span {
  readonly text: string;
  readonly style: Style;
}

/** One row of a screen. */
export type Row = readonly Span[];

/** For terminals that show no more than ASCII: one column each, as what they stand for. */
const ASCII: Readonly<Record<string, string>> = {
  "→": ">",
  "–": "-",
  "−": "-",
  "…": "~",
  "°": " ",
  "·": ",",
  "×": "x",
  "●": "o",
  "○": "o",
  "✓": "+",
  "✗": "!",
  "▶": ">",
  "◐": "~",
  "█": "#",
  "░": ".",
  "─": "-",
  "│": "|",
};

export function span(text: string, style: Style = "plain"): Span {
  return { text, style };
}

/** Columns that a row takes. */
export function widthOf(row: Row): number {
  return row.reduce((sum, { text }) => sum + textWidth(text), 0);
}

/** Most text is plain, and drawn again and again. */
function textWidth(text: string): number {
  return /^[\x20-\x7e]*$/.test(text) ? text.length : stringWidth(text);
}

/** The same row in as few pieces as it has styles one after the other: each costs something to draw. */
export function joined(row: Row): Row {
  const pieces: Span[] = [];
  for (const { text, style } of row) {
    const last = pieces.at(-1);
    if (last?.style === style) pieces[pieces.length - 1] = span(last.text + text, style);
    else pieces.push(span(text, style));
  }
  return pieces;
}

/** Text that others chose, on one line, with nothing in it that a terminal obeys. */
export function foreign(text: string): string {
  return printable(text.replace(/\s*\n\s*/g, " ").trim());
}

/** A row whose every character is ASCII and takes one column. */
export function asciiRow(row: Row): Row {
  const ascii = (text: string): string =>
    text.replace(/[^\x20-\x7e]/gu, (character) => ASCII[character] ?? "?");
  return row.map(({ text, style }) => span(ascii(text), style));
}

const segmenter = new Intl.Segmenter();

/** A row that takes no more than `columns`; what is cut off shows as an ellipsis. */
export function clip(row: Row, columns: number): Row {
  if (widthOf(row) <= columns) return row;
  const kept: Span[] = [];
  let room = columns - 1;
  if (room < 0) return [];
  for (const { text, style } of row) {
    const head = headOf(text, room);
    room -= textWidth(head);
    if (head.length < text.length) {
      kept.push(span(`${head}…`, style));
      return kept;
    }
    kept.push(span(text, style));
  }
  return kept;
}

/** As much of the beginning as fits. */
function headOf(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let head = "";
  let width = 0;
  for (const { segment } of segmenter.segment(text)) {
    width += textWidth(segment);
    if (width > columns) break;
    head += segment;
  }
  return head;
}

/** A row of exactly `columns`, unless it is longer. */
export function padRow(row: Row, columns: number): Row {
  const missing = columns - widthOf(row);
  return missing > 0 ? [...row, span(" ".repeat(missing))] : row;
}

/** Left and right of one row; the left one is cut where both do not fit, the right one before it vanishes. */
export function spread(left: Row, right: Row, columns: number): Row {
  const room = columns - widthOf(right) - 2;
  if (room < Math.min(12, widthOf(left))) return clip([...left, span("  "), ...right], columns);
  return [...padRow(clip(left, room), room + 2), ...right];
}

/** Text in lines of at most `columns`, broken between words; no more than `most`, the last one cut. */
export function wrap(text: string, columns: number, most: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && textWidth(longer) > columns && lines.length < most - 1) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
