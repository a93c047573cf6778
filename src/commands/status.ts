/** `splatctl status`: one look at the scene. */
import type { Command } from "commander";
import { openClient, withBackend, type BackendFlags } from "./flags.ts";
import { interruptSignal, printResult } from "./terminal.ts";

/** Add the command. */
export function registerStatus(program: Command): void {
  withBackend(program.command("status"))
    .description("show how the scene stands")
    .option("--json", "print the backend's status as one JSON object")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<BackendFlags>();
      const { client } = await openClient(flags);
      const { describeStatus } = await import("./describe.ts");
      const status = await client.status(interruptSignal());
      printResult(flags, status, describeStatus(status));
    });
}
