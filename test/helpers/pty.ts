/** A serial cable for a test. */
import type { TestContext } from "vitest";
import { openPtyPair, type PtyPair } from "../../src/sim/pty-pair.ts";

/** The pair for a test, which closes it when done, or skips saying why there is none. */
export async function ptyPairFor(context: TestContext, folder?: string): Promise<PtyPair> {
  const pair = await openPtyPair(folder);
  if ("reason" in pair) return context.skip(pair.reason);
  context.onTestFinished(() => pair.close());
  return pair;
}
