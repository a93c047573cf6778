/** `splatctl redeploy`: the backend in the cloud again, as it was, or as it was before. */
import { InvalidArgumentError, type Command } from "commander";
import { withExamples } from "./examples.ts";
import { resolveConfig } from "../config.ts";
import { SplatError } from "../errors.ts";
import { withBuild, type BuildFlags } from "./deploy-flags.ts";

interface RedeployFlags extends BuildFlags {
  /** True = the version before. */
  readonly rollback?: true | string;
}

/** Add the command. */
export function registerRedeploy(program: Command): void {
  withBuild(
    withExamples(program.command("redeploy"), [
      ["splatctl redeploy", "as it was, after an update or an undeploy"],
      ["splatctl redeploy --rollback", "the version before"],
      ["splatctl redeploy --rollback v3 --yes", "a version of your choice, without asking"],
    ]),
  )
    .description("deploy again with the settings of the last time, after an update or an undeploy")
    .option(
      "--rollback [version]",
      "go back to an earlier version instead, such as v3 (default: the one before)",
      version,
    )
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<RedeployFlags>();
      const config = await resolveConfig(flags);
      const { deployment } = config.user;
      if (deployment === undefined) {
        throw new SplatError("not_configured", "nothing has been deployed from here", {
          hint: "`splatctl deploy` does it the first time.",
        });
      }
      if (flags.rollback === undefined) {
        const { runDeploy } = await import("./run-deploy.ts");
        // What went without a bucket is given one by `deploy` alone: nothing is uploaded that was not before.
        await runDeploy({ ...flags, bucket: flags.bucket && deployment.withBucket }, deployment, config);
      } else {
        const { runRollback } = await import("./run-rollback.ts");
        await runRollback(flags, {
          config,
          deployment,
          version: flags.rollback === true ? null : flags.rollback,
        });
      }
    });
}

function version(text: string): string {
  if (/^v?[1-9]\d{0,5}$/.test(text)) return `v${text.replace("v", "")}`;
  throw new InvalidArgumentError("It must be a version such as v3; `modal app history` shows them.");
}
