/** A deployment from the user's side: what is asked, kept and said around `remote/deploy-backend.ts`. */
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { requireSendable } from "../api/credentials.ts";
import { modalEnvironment, resolveProxyAuth, type Config, type ProxyAuth } from "../config.ts";
import { SplatError } from "../errors.ts";
import { bucketSecret, deployBackend, type Deployed, type Deploying } from "../remote/deploy-backend.ts";
import { checkTemplate } from "../remote/deploy-folder.ts";
import { APP_NAME, costNotes, planOf, type DeploySettings } from "../remote/deploy-settings.ts";
import { describePrice } from "../remote/gpus.ts";
import { checkAccount } from "../remote/modal-account.ts";
import { findModal } from "../remote/modal-find.ts";
import { checkProxyTokens } from "../remote/modal-secrets.ts";
import { saveSecrets } from "../secrets-file.ts";
import { chooseBucket, warnOfTemporaryKeys } from "./choose-bucket.ts";
import { confirm } from "./confirm.ts";
import type { BuildFlags } from "./deploy-flags.ts";
import { asKept, keepBeforehand, keepDeployed, keptProxyAuth, readKept, type Kept } from "./deploy-kept.ts";
import { withDeployLock } from "./deploy-lock.ts";
import { openDeployed } from "./deploy-open.ts";
import { openDeployTerminal, type DeployTerminal } from "./deploy-terminal.ts";
import { interruptSignal, printResult } from "./terminal.ts";

/** The backend that splatctl brings; the same place from src/ and from dist/. */
const TEMPLATE = fileURLToPath(new URL("../../templates/modal", import.meta.url));
const TOKEN_BYTES = 32;
const NO_BUCKET =
  "no bucket is given to it: chunks stay on Modal's volume. splatctl deploy without --no-bucket gives it one";

/** What one deployment is about. */
interface Asked {
  readonly flags: BuildFlags;
  readonly settings: DeploySettings;
  readonly config: Config;
  readonly template: string;
  readonly bucket: Readonly<Record<string, string>> | undefined;
  readonly terminal: DeployTerminal;
  readonly signal: AbortSignal;
}

/** The same, and what is kept about the backend that stands in that place already. */
interface Job extends Asked {
  readonly kept: Kept;
  readonly proxyAuth: ProxyAuth | undefined;
}

/** Deploy, keep URL and token, wait, and print the URL. */
export async function runDeploy(flags: BuildFlags, settings: DeploySettings, config: Config): Promise<void> {
  const template = flags.template ?? TEMPLATE;
  await checkTemplate(template);
  const { config: bucketConfig, note } = await chooseBucket(flags);
  const bucket = bucketConfig && bucketSecret(bucketConfig);
  requireSendable(config.ownToken);
  if (settings.proxyAuth) resolveProxyAuth();
  const signal = interruptSignal();
  if (flags.dryRun !== true && flags.yes !== true) {
    const price = describePrice(settings.gpu);
    await confirm(`Deploy ${APP_NAME} to Modal? While it is used its GPU costs ${price}.`, signal);
  }
  const terminal = await openDeployTerminal(flags);
  if (bucketConfig !== undefined) {
    terminal.log.info(
      `chunks go to bucket "${bucketConfig.bucket}"${note}, and its keys to a secret on Modal`,
    );
    warnOfTemporaryKeys(bucketConfig, terminal.log);
  } else if (!flags.bucket) terminal.log.info(NO_BUCKET);
  else if (note !== "") terminal.log.warn(`no bucket is given to it${note}`);
  const asked: Asked = { flags, settings, config, template, bucket, terminal, signal };
  try {
    terminal.step("looking for Modal's program");
    if (flags.dryRun === true) return await printPlan(await withKept(asked));
    await withDeployLock(config.userFile, signal, async (held) =>
      deploy(await withKept({ ...asked, signal: held })),
    );
  } finally {
    terminal.end();
  }
}

async function withKept(asked: Asked): Promise<Job> {
  const { settings, config } = asked;
  const kept = await readKept(config, settings.environment);
  const proxyAuth = settings.proxyAuth ? (resolveProxyAuth() ?? keptProxyAuth(kept.secrets)) : undefined;
  return { ...asked, kept, proxyAuth };
}

async function printPlan({
  flags,
  settings,
  template,
  bucket,
  proxyAuth,
  terminal,
  signal,
}: Job): Promise<void> {
  const found = await findModal(modalEnvironment, signal).catch((error: unknown) => {
    if (!(error instanceof SplatError) || error.code !== "not_configured") throw error;
    terminal.log.warn(`${error.message}. ${error.hint}`);
    return null;
  });
  terminal.end();
  const plan = planOf(settings, {
    modal: found?.command ?? ["modal"],
    template,
    bucket: bucket !== undefined ? "given" : flags.bucket ? "none" : "unwanted",
    bucketKeys: Object.keys(bucket ?? {}),
    wait: flags.wait,
    makesProxyToken: settings.proxyAuth && proxyAuth === undefined,
  });
  const steps = plan.steps.map(({ what, command }, index) =>
    [`${index + 1}. ${what}`, ...(command === undefined ? [] : [`     ${command}`])].join("\n"),
  );
  const variables = Object.entries(plan.variables).map(([name, value]) => `     ${name}=${value}`);
  const price = describePrice(settings.gpu);
  const cost = `While it is used its GPU costs ${price}.`;
  const text = [...steps, "with the settings", ...variables, cost].join("\n");
  printResult(flags, { dry_run: true, ...plan, price }, text);
}

async function deploy(job: Job): Promise<void> {
  const { flags, settings, config, kept, terminal, signal } = job;
  const modal = await findModal(modalEnvironment, signal);
  terminal.log.info(`Modal's program ${modal.version} (${modal.command.join(" ")})`);
  if (settings.proxyAuth && job.proxyAuth === undefined) checkProxyTokens(modal);
  terminal.step("asking Modal whose account this is");
  const workspace = await checkAccount(modal, signal);
  if (workspace !== null) terminal.log.info(`workspace ${workspace}`);
  const token = config.ownToken ?? kept.secrets.token ?? randomBytes(TOKEN_BYTES).toString("base64url");
  const secrets = { ...kept.secrets, token, ...asKept(job.proxyAuth) };
  await keepBeforehand(config, settings.environment, secrets);
  const deployed = await deployBackend(modal, { ...deployingOf(job, token), workspace }).catch(
    (error: unknown) => {
      if (error instanceof SplatError && error.code === "partial")
        terminal.log.info(`its token is in ${config.secretsFile}`);
      throw error;
    },
  );
  await keepDeployed(config, settings, { deployed, before: kept.before, secrets });
  sayWhere(job, deployed);
  const { url } = deployed;
  try {
    const readyAfterS = await openDeployed(modal, {
      url,
      token,
      secretsFile: config.secretsFile,
      proxyAuth: job.proxyAuth,
      hasProxy: settings.proxyAuth,
      isAwaited: flags.wait,
      terminal,
      signal,
    });
    if (flags.json !== true) return;
    const state = { success: true, url, workspace, ready: flags.wait, ready_after_s: readyAfterS };
    printResult(flags, { ...state, ...told(settings) }, url);
  } catch (error) {
    throw flags.json === true ? naming(url, error) : error;
  } finally {
    // Also when it does not come up: it is deployed, and costs.
    terminal.end();
    if (flags.json !== true) process.stdout.write(`${url}\n`);
  }
}

function deployingOf(job: Job, token: string): Omit<Deploying, "workspace"> {
  const { flags, settings, config, template, bucket, kept, terminal, signal } = job;
  const { before } = kept;
  return {
    settings,
    template,
    token,
    bucket,
    takesBucket: flags.bucket,
    isBucketOurs: before?.wroteBucketSecret === true,
    signal,
    onStep: terminal.step,
    onLine: (line) => terminal.log.info(line),
    onToken: async () => {
      if (before !== undefined) await saveSecrets(config.secretsFile, before.url, { ...kept.secrets, token });
    },
    onOverwrite: async (name) => {
      const what = `the secret ${name} is on Modal already, and was not made from here`;
      if (flags.yes === true) return terminal.log.warn(`${what}: writing over it`);
      await terminal.ask(`${what}. Write over it?`, signal);
    },
  };
}

/** The error with the URL in it: with --json it is the one thing printed, and the backend stands, and costs. */
function naming(url: string, error: unknown): unknown {
  if (!(error instanceof SplatError)) return error;
  const { code, message, hint, refusal, cause } = error;
  return new SplatError(code, `${message} (it is deployed to ${url})`, { hint, refusal, cause });
}

function sayWhere({ settings, config, kept, terminal: { log } }: Job, { url, bucket }: Deployed): void {
  log.info(`deployed to ${url}; its token is in ${config.secretsFile}`);
  if (bucket === "none")
    log.info("no bucket is set: chunks stay on Modal's volume. See R2_ENDPOINT_URL in the README");
  if (bucket === "none" && kept.before?.withBucket === true)
    log.warn(
      "it sent chunks to a bucket before, and does not any more: set the R2_ variables and deploy again",
    );
  if (bucket === "on Modal")
    log.info("chunks go to the bucket that the secret r2-credentials on Modal names");
  for (const note of costNotes(settings)) log.info(note);
  if (settings.proxyAuth && settings.corsOrigins.length > 0) {
    log.warn("no browser can pass Modal's proxy: with --proxy-auth, --cors-origins lets nobody in");
  }
  const isElsewhere = config.urlOrigin === "environment" || config.urlOrigin === "project file";
  if (isElsewhere && config.url !== url) {
    const where = config.urlOrigin === "environment" ? "SPLAT_API_URL" : "the project file";
    log.warn(`${where} names another backend, ${config.url}, and wins over this one`);
  }
}

function told({ environment, gpu, strategy, scenes }: DeploySettings): object {
  return { app: APP_NAME, environment, gpu, strategy, scenes, price: describePrice(gpu) };
}
