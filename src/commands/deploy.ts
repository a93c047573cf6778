/** `splatctl deploy`: the backend on a GPU in the cloud. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { resolveConfig } from "../config.ts";
import { settingsOf, withBuild, withDeployment, type DeployFlags } from "./deploy-flags.ts";

/** Add the command. */
export function registerDeploy(program: Command): void {
  withBuild(
    withDeployment(
      withExamples(program.command("deploy"), [
        ["splatctl deploy --dry-run", "every step, and what it costs; nothing is done"],
        ["splatctl deploy", "asks, builds, waits, prints the URL"],
        ["splatctl deploy --gpu L4 --idle-stop 5", "one type of GPU, and an idle session ends sooner"],
        ["splatctl deploy --scenes main,left-arm --yes", "two scenes, without asking"],
      ]),
    ),
  )
    .description("put the backend on a GPU of your account on Modal, and print its URL")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<DeployFlags>();
      const config = await resolveConfig(flags);
      const { runDeploy } = await import("./run-deploy.ts");
      await runDeploy(flags, settingsOf(flags, config), config);
    });
}
