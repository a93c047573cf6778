/** `splatctl chunks rm`: take chunks out of the bucket for good. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { withScene } from "./flags.ts";
import type { RmFlags } from "./rm-chunks.ts";
import { interruptSignal } from "./terminal.ts";

/** Add the verb. */
export function registerChunksRm(chunks: Command): void {
  withScene(
    withExamples(chunks.command("rm"), [
      ['splatctl chunks rm "chunk_000*.ply" --dry-run', "only say what would go"],
      ['splatctl chunks rm "chunk_000*.ply"', "show them, ask, remove them"],
      ["splatctl chunks rm --all --session all --yes", "everything of the scene, without asking"],
    ]),
  )
    .description("remove chunks from the bucket for good; asks first")
    .argument("[name...]", "names, numbers, or globs in quotes, of NAME or SESSION/NAME")
    .option("--session <id>", "which of the scene's sessions: latest, all, or an id", "latest")
    .option("--all", "everything in the session, or in all of them with --session all")
    .option("--dry-run", "only say what would go")
    .option("--force", "even of a session that is not finished; a backend that goes on names them again")
    .option("--yes", "do not ask")
    .option("--json", "print one JSON object")
    .action(async (wanted: string[], _options, command: Command) => {
      const signal = interruptSignal();
      const { rmChunks } = await import("./rm-chunks.ts");
      await rmChunks(wanted, command.optsWithGlobals<RmFlags>(), signal);
    });
}
