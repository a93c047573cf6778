/** The end of the program's help: where to begin, and where there is more. */
import type { Command } from "commander";
import { exampleText, withNotes, type Example } from "./examples.ts";

const BEGIN: readonly Example[] = [
  ["splatctl demo", "see all of it work in a minute and a half, with a simulated arm"],
  ["splatctl init", "set up the folder you are in, question by question"],
  ["splatctl doctor", "look whether everything is as it should be, and what mends it"],
];

/** Show where to begin below the program's help. */
export function withWhereToBegin(program: Command): void {
  program.addHelpText("after", ({ error }) => exampleText("Where to begin:", BEGIN, error));
  withNotes(program, ["`splatctl help COMMAND` shows its options and examples."]);
}
