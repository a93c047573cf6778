/** The program in a terminal, for a test. */
import { fileURLToPath } from "node:url";
import { onTestFinished, type TestContext } from "vitest";
import { openTerminal, whyNoTerminal, type Terminal, type TerminalOptions } from "./pseudo-terminal.ts";

export type { Terminal, TerminalOptions } from "./pseudo-terminal.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

/** Run `splatctl ...args` in a terminal, which goes when the test ends. Skips the test, with the reason, where none is to be had. */
export async function splatctlInTerminal(
  context: TestContext,
  args: readonly string[],
  options: TerminalOptions = {},
): Promise<Terminal> {
  const reason = await whyNoTerminal();
  if (reason !== null) return context.skip(reason);
  const terminal = openTerminal([process.execPath, BIN, ...args], options);
  onTestFinished(() => terminal.close());
  return terminal;
}
