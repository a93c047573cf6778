/** Examples at the end of a command's help. */
import type { Command } from "commander";
import { always } from "../colour.ts";
import { helpColumns, wrap } from "./help-text.ts";

/** A command line as it is typed, and what it does. */
export type Example = readonly [call: string, does: string];

/** With fewer columns, what a line does goes below it. */
const LEAST_BESIDE_COLUMNS = 70;
const LEAST_WORDS = 24;

const shown = new WeakMap<Command, readonly Example[]>();

/** Show examples below the command's help. */
export function withExamples(command: Command, examples: readonly Example[]): Command {
  shown.set(command, examples);
  return command.addHelpText("after", ({ error }) => exampleText("Examples:", examples, error));
}

/** The examples of a command. */
export function examplesOf(command: Command): readonly Example[] {
  return shown.get(command) ?? [];
}

/** Examples under a heading, as wide as the terminal; `error` when they go to stderr. Commander takes the colours out. */
export function exampleText(title: string, examples: readonly Example[], error: boolean): string {
  const columns = helpColumns(error ? process.stderr : process.stdout);
  const text = layOut(examples, columns);
  return `\n${always("heading", title)}\n${text}`;
}

/** Show paragraphs below what help says of the command so far. */
export function withNotes(command: Command, paragraphs: readonly string[]): Command {
  return command.addHelpText("after", ({ error }) => `\n${noteText(paragraphs, error)}`);
}

/** Paragraphs as wide as the terminal. */
export function noteText(paragraphs: readonly string[], error: boolean): string {
  const columns = helpColumns(error ? process.stderr : process.stdout);
  return paragraphs.map((paragraph) => wrap(paragraph, columns, "")).join("\n");
}

/** Calls with what they do beside them, or below them where there is no room. */
export function layOut(examples: readonly Example[], columns: number): string {
  const width = Math.max(...examples.map(([call]) => call.length));
  const beside = columns - width - 4;
  if (columns >= LEAST_BESIDE_COLUMNS && beside >= LEAST_WORDS) {
    const indent = " ".repeat(width + 4);
    const lines = examples.map(
      ([call, does]) => `  ${call.padEnd(width)}  ${wrap(does, beside, "").replaceAll("\n", `\n${indent}`)}`,
    );
    return lines.join("\n");
  }
  return examples
    .map(([call, does]) => {
      // A shell takes the line as it stands, broken or not.
      const typed = wrap(call, columns - 2, "    ", " \\").replaceAll("\n", "\n  ");
      return `  ${typed}\n      ${wrap(does, columns - 6, "").replaceAll("\n", "\n      ")}`;
    })
    .join("\n");
}
