/** A secret from whoever is there: asked for on a terminal, else read from stdin. */
import { text } from "node:stream/consumers";
import { SplatError } from "../errors.ts";
import { openQuestions } from "./questions.ts";

/** The secret, without blanks around it. Throws `usage` when there is none, and `interrupted`. */
export async function readSecret(what: string, signal: AbortSignal): Promise<string> {
  if (process.stdin.isTTY) {
    const questions = openQuestions(signal);
    try {
      return await questions.askSecret(what);
    } finally {
      questions.close();
    }
  }
  const secret = (await text(process.stdin)).trim();
  if (secret !== "") return secret;
  throw new SplatError("usage", `stdin holds no ${what}`, { hint: "Pipe it in, or run this on a terminal." });
}
