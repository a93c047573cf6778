/** `splatctl chunks push`: a scene of one's own into the bucket. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { withScene } from "./flags.ts";
import type { PushFlags } from "./push-chunk.ts";
import { interruptSignal, printResult } from "./terminal.ts";

/** Add the verb. */
export function registerChunksPush(chunks: Command): void {
  withScene(
    withExamples(chunks.command("push"), [
      ["splatctl chunks push scene.ply", "a finished session of its own"],
      [
        "splatctl chunks push scene.spz --session table --name first.spz",
        "into a session, under a name, of your choice",
      ],
    ]),
  )
    .description("store a scene in the bucket, as a chunk of a finished session; nothing is overwritten")
    .argument("<file>", "PLY (plain or compressed), SPZ or .splat")
    .option(
      "--session <id>",
      "add it to this session, or begin one of this id (default: one that the file has of its own)",
    )
    .option("--name <name>", "its name there (default: chunk_0001.ply, and so on)")
    .option("--json", "print one JSON object")
    .action(async (path: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<PushFlags>();
      const signal = interruptSignal();
      const { describePushed, pushChunk, pushedJson } = await import("./push-chunk.ts");
      const pushed = await pushChunk(path, flags, signal);
      printResult(flags, pushedJson(pushed), describePushed(pushed));
    });
}
