/** `splatctl pull`: the scene as it is now, into a file. */
import { Option, type Command } from "commander";
import { withExamples } from "./examples.ts";
import { openClient, wholeNumber, withBackend } from "./flags.ts";
import { printResult } from "./terminal.ts";
import type { PullOptions } from "./pull-scene.ts";

/** Add the command. */
export function registerPull(program: Command): void {
  withBackend(
    withExamples(program.command("pull"), [
      ["splatctl pull", "the scene as it is now, into scene.ply"],
      ["splatctl pull -o scene.spz", "in a seventh of the size"],
      ["splatctl pull -o small.splat --max-gaussians 20000", "only the Gaussians that matter most"],
      ["splatctl pull -o - > scene.ply", "to stdout"],
    ]),
  )
    .description("download the scene as it is now")
    .option("-o, --output <file>", "where to write it, - for stdout (default: scene.ply)")
    .addOption(
      new Option("--format <format>", "format to write (default: by the file's name, else ply)").choices([
        "ply",
        "splat",
        "spz",
      ]),
    )
    .option("--max-gaussians <n>", "only the n that matter most", wholeNumber(1))
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<PullOptions>();
      const { pullToFile, pullToStdout } = await import("./pull-scene.ts");
      const { client } = await openClient(flags);
      if (flags.output === "-") return pullToStdout(client, flags);
      const result = await pullToFile(client, flags);
      const { bytes, count } = await import("../quantities.ts");
      const text = `wrote ${result.path}: ${count(result.gaussian_count)} Gaussians, ${bytes(result.bytes)}`;
      return printResult(flags, result, text);
    });
}
