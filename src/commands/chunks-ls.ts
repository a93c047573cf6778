/** `splatctl chunks ls`: what lies in the bucket. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import type { ListFlags } from "./chunks-ls-text.ts";
import { useSessions, withBucket } from "./open-reader.ts";
import { columnsOf, interruptSignal, printResult } from "./terminal.ts";

/** Add the verb. */
export function registerChunksLs(chunks: Command): void {
  withBucket(
    withExamples(chunks.command("ls"), [
      ["splatctl chunks ls", "those of the latest session"],
      ["splatctl chunks ls --session all --long", "of every session, with keys, SHA-256 and URLs"],
      ["splatctl chunks ls --json", "as one JSON object"],
    ]),
  )
    .description("list what lies in the bucket: frames, Gaussians, size and age of each chunk")
    .option("--long", "keys, SHA-256, times and URLs as well")
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => list(command.optsWithGlobals<ListFlags>()));
}

async function list(flags: ListFlags): Promise<void> {
  const load = () => import("./chunks-ls-text.ts");
  await useSessions(
    flags,
    interruptSignal(),
    load,
    ({ open, sessions }, { describeSessions, sessionsJson }) =>
      printResult(
        flags,
        sessionsJson(sessions, open),
        describeSessions(sessions, open, flags.long === true, columnsOf(process.stdout)),
      ),
  );
}
