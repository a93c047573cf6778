/** A person who is asked by the program: waits for a question, and types the answer. */
import { stripVTControlCharacters } from "node:util";
import type { TestContext } from "vitest";
import type { Terminal, TerminalOptions } from "./pseudo-terminal.ts";
import { splatctlInTerminal } from "./terminal.ts";

export interface Conversation extends Terminal {
  /** All that was shown, as text. */
  readonly said: () => string;
  /** Wait until this is said, after what was waited for before. */
  hear(words: string): Promise<void>;
  /** Wait for a question and type the answer, with Enter. */
  answer(question: string, typed?: string): Promise<void>;
}

/** Begin one; see `splatctlInTerminal`. */
export async function converse(
  context: TestContext,
  args: readonly string[],
  options: TerminalOptions = {},
): Promise<Conversation> {
  const terminal = await splatctlInTerminal(context, args, options);
  let heard = 0;
  const said = (): string => stripVTControlCharacters(terminal.raw()).replaceAll("\r", "");
  const hear = async (words: string): Promise<void> => {
    await terminal
      .until(() => said().includes(words, heard))
      .catch((error: unknown) => {
        throw new Error(
          `"${words}" was not said after:\n${said().slice(0, heard)}\n--- but:\n${said().slice(heard)}`,
          { cause: error },
        );
      });
    heard = said().indexOf(words, heard) + words.length;
  };
  return {
    ...terminal,
    said,
    hear,
    async answer(question, typed = "") {
      await hear(question);
      terminal.press(`${typed}\r`);
    },
  };
}
