/** Goes back to an earlier version of the backend in the cloud. */
import { modalEnvironment, resolveProxyAuth, type Config } from "../config.ts";
import { rollBackApp } from "../remote/modal-app.ts";
import { findModal } from "../remote/modal-find.ts";
import { readSecrets } from "../secrets-file.ts";
import type { Deployment } from "../user-config.ts";
import { awaitBackend } from "./await-backend.ts";
import { confirm } from "./confirm.ts";
import type { BuildFlags } from "./deploy-flags.ts";
import { keptProxyAuth } from "./deploy-kept.ts";
import { withDeployLock } from "./deploy-lock.ts";
import { openDeployTerminal, type DeployTerminal } from "./deploy-terminal.ts";
import { interruptSignal, printResult } from "./terminal.ts";

/** What to go back to. */
export interface RollbackTo {
  readonly config: Config;
  readonly deployment: Deployment;
  /** Null = the version before. */
  readonly version: string | null;
}

/** Roll back, wait, and print the URL. */
export async function runRollback(flags: BuildFlags, to: RollbackTo): Promise<void> {
  const { config, deployment, version } = to;
  const { app, url } = deployment;
  const signal = interruptSignal();
  if (flags.dryRun === true) {
    printResult(flags, { dry_run: true, app, to: version }, `roll ${app} back to ${nameOf(to)}`);
    return;
  }
  if (flags.yes !== true) await confirm(`Roll ${app} back to ${nameOf(to)}?`, signal);
  const terminal = await openDeployTerminal(flags);
  try {
    await withDeployLock(config.userFile, signal, (held) => rollBack(flags, to, { terminal, signal: held }));
    terminal.end();
    printResult(flags, { success: true, app, url, version, ready: flags.wait }, url);
  } finally {
    terminal.end();
  }
}

async function rollBack(
  flags: BuildFlags,
  to: RollbackTo,
  { terminal, signal }: { readonly terminal: DeployTerminal; readonly signal: AbortSignal },
): Promise<void> {
  const { config, deployment, version } = to;
  const { app, url, environment, strategy, proxyAuth } = deployment;
  const modal = await findModal(modalEnvironment, signal);
  terminal.step(`rolling ${app} back to ${nameOf(to)}`);
  const note = await rollBackApp(modal, app, { environment, version, strategy, signal });
  if (note !== null) terminal.log.warn(note);
  if (!flags.wait) return;
  const kept = keptProxyAuth(await readSecrets(config.secretsFile, url));
  const sent = proxyAuth ? (resolveProxyAuth() ?? kept) : undefined;
  await awaitBackend({ url, proxyAuth: sent, signal, onProgress: (what) => terminal.progress(what) });
}

function nameOf({ version }: RollbackTo): string {
  return version ?? "the version before";
}
