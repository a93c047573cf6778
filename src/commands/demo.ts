/** `splatctl demo`: the whole way from a simulated arm to a splat, on this machine alone. */
import { Option, type Command } from "commander";
import { withExamples } from "./examples.ts";
import { createLog } from "../log.ts";
import { logFor, nonNegativeNumber, wholeNumber } from "./flags.ts";
import { interruptSignal, printResult } from "./terminal.ts";
import type { BackendFlags } from "./flags.ts";

interface DemoFlags extends BackendFlags {
  readonly arm?: boolean;
  readonly output: string;
  readonly keep?: string;
  readonly frames: number;
  readonly seconds: number;
}

/** Add the command. */
export function registerDemo(program: Command): void {
  withExamples(program.command("demo"), [
    ["splatctl demo", "scan a simulated table and write demo/scene.ply and demo/preview.png"],
    ["splatctl demo --arm", "the same with the joints of a simulated arm, as a real one sends them"],
    ["splatctl demo --frames 16 --seconds 25 -o quick", "a quick look, into another folder"],
  ])
    .description(
      "try it: a simulated arm scans a table, a local backend trains on the pictures as they appear",
    )
    .option("-o, --output <dir>", "where scene.ply and preview.png go", "demo")
    .option("--keep <dir>", "keep the pictures there, with their poses, as a data set")
    .addOption(
      new Option(
        "--arm",
        "with the joints of a simulated arm, read from its serial bus and relayed as a real arm's",
      ).conflicts("keep"),
    )
    .option("--frames <n>", "pictures the arm takes", wholeNumber(2, 1000), 48)
    .option("--seconds <s>", "time for capture and training together", nonNegativeNumber, 70)
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<DemoFlags>();
      const { describeDemo, runDemo } = await import("./demo-run.ts");
      const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
      const progress = flags.quiet === true ? hiddenProgressLine() : await openProgressLine();
      const plan = {
        arm: flags.arm === true,
        outputDir: flags.output,
        keepDir: flags.keep,
        frames: flags.frames,
        seconds: flags.seconds,
        progress,
        log: createLog(logFor(flags).level, (text) => progress.say(text.trimEnd())),
      };
      const result = await runDemo(plan, interruptSignal()).finally(() => progress.end());
      printResult(flags, result, describeDemo(result));
    });
}
