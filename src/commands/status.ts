/** `splatctl status`: one look at the scene. */
import type { Command } from "commander";
import { interruptSignal, openClient, printResult, withBackend, type BackendFlags } from "./common.ts";

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
