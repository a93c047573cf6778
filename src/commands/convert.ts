/** `splatctl convert`: a scene from one file format into another. */
import { Option, type Command } from "commander";
import { withExamples } from "./examples.ts";
import { wholeNumber, type BackendFlags } from "./flags.ts";
import { printResult } from "./terminal.ts";

export interface ConvertFlags extends BackendFlags {
  readonly maxGaussians?: number;
  readonly shDegree?: string;
}

/** Add the command. */
export function registerConvert(program: Command): void {
  withExamples(program.command("convert"), [
    ["splatctl convert scene.ply scene.spz", "a seventh of the size"],
    [
      "splatctl convert scene.compressed.ply scene.splat --max-gaussians 50000",
      "PlayCanvas's packed PLY into another format, at most so many Gaussians",
    ],
    ["splatctl convert scene.ply plain.ply --sh-degree 0", "without view-dependent colour"],
  ])
    .description("write a scene in another format, and say what that loses")
    .argument("<in>", "PLY (plain or compressed), SPZ (versions 2 to 4) or .splat")
    .argument("<out>", "file to write: .ply, .spz or .splat")
    .option("--max-gaussians <n>", "only the n that matter most", wholeNumber(1))
    .addOption(
      new Option("--sh-degree <d>", "leave out view-dependent colour above this degree").choices([
        "0",
        "1",
        "2",
        "3",
      ]),
    )
    .option("--json", "print one JSON object")
    .action(async (input: string, output: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<ConvertFlags>();
      const { convertScene, describeConversion } = await import("./convert-scene.ts");
      const result = await convertScene(input, output, flags);
      printResult(flags, result, describeConversion(result));
    });
}
