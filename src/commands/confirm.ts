/** Ask before something is lost. */
import { createInterface } from "node:readline/promises";
import { SplatError } from "../errors.ts";

/**
 * Resolve when the user says yes. Throws `usage` where nobody can answer, `interrupted` on any other answer, and the
 * signal's reason.
 */
export async function confirm(question: string, signal: AbortSignal): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new SplatError("usage", "nobody is there to confirm", {
      hint: "Add --yes to go ahead without asking.",
    });
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C and Ctrl-D close the interface without answering.
  const closed = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
  try {
    const answer = await Promise.race([lines.question(`${question} [y/N] `, { signal }), closed]);
    if (!/^y(es)?$/i.test(answer.trim())) throw new SplatError("interrupted", "nothing was changed");
  } catch (error) {
    // The question rejects with an AbortError of its own.
    signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
  }
}
