/** `splatctl deploy`: the backend on a GPU in the cloud. */
import type { Command } from "commander";
import { resolveConfig } from "../config.ts";
import { settingsOf, withBuild, withDeployment, type DeployFlags } from "./deploy-flags.ts";

/** Add the command. */
export function registerDeploy(program: Command): void {
  withBuild(withDeployment(program.command("deploy")))
    .description("put the backend on a GPU of your account on Modal, and print its URL")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<DeployFlags>();
      const config = await resolveConfig(flags);
      const { runDeploy } = await import("./run-deploy.ts");
      await runDeploy(flags, settingsOf(flags, config), config);
    });
}
