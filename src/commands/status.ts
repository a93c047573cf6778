/** `splatctl status`: one look at the scene, or many. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { openClient, positiveNumber, withBackend } from "./flags.ts";
import type { StatusFlags } from "./status-watch.ts";
import { interruptSignal, printResult } from "./terminal.ts";

/** Add the command. */
export function registerStatus(program: Command): void {
  const command = withBackend(program.command("status"))
    .description("show how the scene stands, once or all the time")
    .option("-w, --watch", "go on: a screen on a terminal, else a line whenever something changes")
    .option("--interval <s>", "with --watch: seconds between two looks", positiveNumber)
    .option("--until-complete", "with --watch: end when training is complete (0) or has failed (5)")
    .option("--json", "print the backend's status as one JSON object; with --watch one a line")
    .action(async (_options, self: Command) => await show(self.optsWithGlobals<StatusFlags>()));
  withExamples(command, [
    ["splatctl status", "one look"],
    ["splatctl status --watch", "a screen with keys: ? shows them, q quits"],
    ["splatctl status --watch --until-complete --json", "a JSON object a line, until training is over"],
  ]);
}

async function show(flags: StatusFlags): Promise<void> {
  if (flags.watch === true || flags.untilComplete === true) {
    const { watchStatus } = await import("./status-watch.ts");
    return await watchStatus(flags);
  }
  const { client, config } = await openClient(flags);
  const { describeStatus } = await import("./describe.ts");
  const { describeLocal, LocalWatch, localJson } = await import("./status-local.ts");
  const [status, local] = await Promise.all([
    client.status(interruptSignal()),
    new LocalWatch(config, client).look(),
  ]);
  const here = local.capture === null ? "" : `\nhere       ${describeLocal(local.capture)}`;
  printResult(flags, { ...status, ...localJson(local) }, `${describeStatus(status)}${here}`);
}
