/** `splatctl stop`: end the capture and wait for the finished scene. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { nonNegativeNumber, openClient, withBackend, type BackendFlags } from "./flags.ts";
import { openStartingNote } from "./starting-note.ts";
import { interruptSignal, printResult } from "./terminal.ts";

interface StopFlags extends BackendFlags {
  readonly finishSeconds?: number;
  readonly wait: boolean;
}

/** Add the command. */
export function registerStop(program: Command): void {
  withBackend(
    withExamples(program.command("stop"), [
      ["splatctl stop", "finish training, write the last chunk, and wait for it"],
      ["splatctl stop --finish-seconds 120", "with two minutes of finishing"],
      ["splatctl stop --no-wait", "and come back at once; `splatctl status` tells the end"],
    ]),
  )
    .description("end the capture, finish training and write the last chunk")
    .option("--finish-seconds <s>", "time for finishing (default: the scene's setting)", nonNegativeNumber)
    .option("--no-wait", "do not wait until finishing is complete")
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<StopFlags>();
      const starting = openStartingNote();
      const { client } = await openClient(flags, starting.onStarting);
      const { stopAndWait } = await import("../api/stop-and-wait.ts");
      const { describeChunks, describeProgress } = await import("./describe.ts");
      const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
      const progress = flags.quiet === true ? hiddenProgressLine() : await openProgressLine();
      starting.listen(() => progress.update(starting.addTo("")));
      const result = await stopAndWait(client, {
        finishSeconds: flags.finishSeconds,
        wait: flags.wait,
        onStatus: (status) => progress.update(describeProgress(status)),
        signal: interruptSignal(),
      }).finally(() => progress.end());
      const state = result.complete ? "complete" : "finishing; `splatctl status` tells the end";
      const chunks = result.chunks.length === 0 ? "no chunks" : describeChunks(result.chunks);
      printResult(flags, result, `${state}\n${chunks}`);
    });
}
