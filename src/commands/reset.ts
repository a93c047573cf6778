/** `splatctl reset`: begin a new capture. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { describeBackend, openClient, withBackend, type BackendFlags } from "./flags.ts";
import { interruptSignal } from "./terminal.ts";

interface ResetFlags extends BackendFlags {
  readonly yes?: boolean;
}

/** Add the command. */
export function registerReset(program: Command): void {
  withBackend(
    withExamples(program.command("reset"), [
      ["splatctl reset", "asks, then clears the scene"],
      ["splatctl reset --yes --scene left-arm", "another scene, without asking"],
    ]),
  )
    .description("clear frames, joints and Gaussians; settings and written chunks stay")
    .option("--yes", "do not ask")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<ResetFlags>();
      const { client, log } = await openClient(flags);
      const signal = interruptSignal();
      if (flags.yes !== true) {
        const { confirm } = await import("./confirm.ts");
        await confirm(`Clear the scene at ${describeBackend(client.url, client.sceneName)}?`, signal);
      }
      await client.reset(signal);
      log.info("cleared; the next frame begins a new session");
    });
}
