/** The list of commands, in the order help shows them. Each file declares its flags and loads its work lazily. */
import type { Command } from "commander";

/** Add every command to the program. */
export function registerCommands(program: Command): void {
  void program;
}
