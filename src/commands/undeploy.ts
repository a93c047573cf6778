/** `splatctl undeploy`: nothing in the cloud runs or costs any more. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { modalEnvironment, resolveConfig, type Config } from "../config.ts";
import type { Log } from "../log.ts";
import type { Modal } from "../remote/modal-run.ts";
import type { Place } from "../remote/modal-secrets.ts";
import { environmentName, type ModalFlags } from "./deploy-flags.ts";
import { logFor } from "./flags.ts";
import { interruptSignal, printResult } from "./terminal.ts";

interface UndeployFlags extends ModalFlags {
  readonly deleteSecrets?: boolean;
}

/** Add the command. */
export function registerUndeploy(program: Command): void {
  withExamples(program.command("undeploy"), [
    ["splatctl undeploy", "asks, then stops what costs; redeploy brings it back"],
    ["splatctl undeploy --delete-secrets --yes", "forget its secrets too, without asking"],
  ])
    .description("stop the backend in the cloud for good; what its volume and the bucket hold stays")
    .option("--env <name>", "environment on Modal (default: where it was deployed)", environmentName)
    .option("--delete-secrets", "remove its secrets on Modal and its token here too")
    .option("--yes", "do not ask")
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => undeploy(command.optsWithGlobals<UndeployFlags>()));
}

async function undeploy(flags: UndeployFlags): Promise<void> {
  const config = await resolveConfig(flags);
  const signal = interruptSignal();
  const { APP_NAME } = await import("../remote/deploy-settings.ts");
  const environment = flags.env ?? config.user.deployment?.environment ?? null;
  if (flags.yes !== true) {
    const { confirm } = await import("./confirm.ts");
    await confirm(`Stop ${APP_NAME} on Modal? A session that is under way ends.`, signal);
  }
  const { withDeployLock } = await import("./deploy-lock.ts");
  const log = logFor(flags);
  let hasRun = false;
  await withDeployLock(config.userFile, signal, async (held) => {
    const { findModal } = await import("../remote/modal-find.ts");
    const { stopApp } = await import("../remote/modal-app.ts");
    const { forgetDeployed } = await import("./deploy-kept.ts");
    const modal = await findModal(modalEnvironment, held);
    log.info(`stopping ${APP_NAME} ...`);
    hasRun = await stopApp(modal, APP_NAME, { environment, signal: held });
    const withSecrets = flags.deleteSecrets === true;
    if (withSecrets) await deleteSecrets(modal, config, { environment, signal: held, log });
    await forgetDeployed(config, environment, withSecrets);
  });
  const text = hasRun ? `${APP_NAME} is stopped` : `${APP_NAME} did not run`;
  printResult(flags, { success: true, app: APP_NAME, environment, was_running: hasRun }, text);
}

/** The bucket's only when it was written from here: others may use what they have made. */
async function deleteSecrets(
  modal: Modal,
  config: Config,
  { log, ...place }: Place & { readonly log: Log },
): Promise<void> {
  const { BUCKET_SECRET, deleteSecret, hasSecret, TOKEN_SECRET } = await import("../remote/modal-secrets.ts");
  const { readKept } = await import("./deploy-kept.ts");
  await deleteSecret(modal, TOKEN_SECRET, place);
  const { before } = await readKept(config, place.environment);
  if (before?.wroteBucketSecret === true) await deleteSecret(modal, BUCKET_SECRET, place);
  else if (await hasSecret(modal, BUCKET_SECRET, place)) {
    log.warn(
      `the secret ${BUCKET_SECRET} stays on Modal: it is not known to have been made from here. \`modal secret delete ${BUCKET_SECRET}\` removes it`,
    );
  }
}
