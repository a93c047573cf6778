/** Ask before something is lost. */
import { SplatError } from "../errors.ts";
import { openQuestions } from "./questions.ts";

const UNCHANGED = "nothing was changed";

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
  const questions = openQuestions(signal, UNCHANGED);
  try {
    if (!(await questions.askYes(question, false))) throw new SplatError("interrupted", UNCHANGED);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    questions.close();
  }
}
