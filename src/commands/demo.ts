/** `splatctl demo`: the whole way from a simulated arm to a splat, on this machine alone. */
import type { Command } from "commander";
import { createLog } from "../log.ts";
import { logFor, nonNegativeNumber, wholeNumber } from "./flags.ts";
import { interruptSignal, printResult } from "./terminal.ts";
import type { BackendFlags } from "./flags.ts";

interface DemoFlags extends BackendFlags {
  readonly arm?: boolean;
  readonly output: string;
  readonly frames: number;
  readonly seconds: number;
}

/** Add the command. */
export function registerDemo(program: Command): void {
  program
    .command("demo")
    .description(
      "try it: a simulated arm scans a table, a local backend trains on the pictures as they appear",
    )
    .option("-o, --output <dir>", "where scene.ply and preview.png go", "demo")
    .option(
      "--arm",
      "with the joints of a simulated arm, read from its serial bus and relayed as a real arm's",
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
        frames: flags.frames,
        seconds: flags.seconds,
        progress,
        log: createLog(logFor(flags).level, (text) => progress.say(text.trimEnd())),
      };
      const result = await runDemo(plan, interruptSignal()).finally(() => progress.end());
      printResult(flags, result, describeDemo(result));
    });
}
