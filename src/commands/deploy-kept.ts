/** What is kept here about the backend in the cloud. */
import type { Config, ProxyAuth } from "../config.ts";
import type { Deployed } from "../remote/deploy-backend.ts";
import { APP_NAME, usesBucket, type DeploySettings } from "../remote/deploy-settings.ts";
import { forgetSecrets, readSecrets, saveSecrets, type BackendSecrets } from "../secrets-file.ts";
import { readUserConfig, saveUserConfig, type Deployment } from "../user-config.ts";

type Files = Pick<Config, "userFile" | "secretsFile">;

export interface Kept {
  /** The deployment in the same place before. */
  readonly before: Deployment | undefined;
  readonly secrets: BackendSecrets;
}

/** Read it for the deployment in an environment of the workspace; null = its default one. */
export async function readKept({ userFile, secretsFile }: Files, environment: string | null): Promise<Kept> {
  const { deployment } = await readUserConfig(userFile);
  const isSamePlace = deployment?.app === APP_NAME && deployment.environment === environment;
  const before = isSamePlace ? deployment : undefined;
  const secrets = {
    ...(before === undefined ? {} : await readSecrets(secretsFile, before.url)),
    ...(await readSecrets(secretsFile, keyOf(environment))),
  };
  return { before, secrets };
}

/** Keep secrets before anything on Modal asks for them: whatever happens until the URL is known, they are not lost. */
export async function keepBeforehand(
  { secretsFile }: Files,
  environment: string | null,
  secrets: BackendSecrets,
): Promise<void> {
  await saveSecrets(secretsFile, keyOf(environment), secrets);
}

/** Keep the URL of what was deployed, how, and its secrets. */
export async function keepDeployed(
  { userFile, secretsFile }: Files,
  settings: DeploySettings,
  { deployed, before, secrets }: Kept & { readonly deployed: Deployed },
): Promise<void> {
  const { url, bucket } = deployed;
  const { environment } = settings;
  await saveSecrets(secretsFile, url, secrets);
  const deployment = {
    ...settings,
    gpu: [...settings.gpu],
    scenes: [...settings.scenes],
    corsOrigins: [...settings.corsOrigins],
    app: APP_NAME,
    url,
    withBucket: usesBucket(bucket),
    // Where none is wanted nobody has looked whether it is still there.
    wroteBucketSecret: bucket === "given" || (bucket !== "none" && before?.wroteBucketSecret === true),
    deployedAt: new Date().toISOString(),
  };
  await saveUserConfig(userFile, { url, deployment });
  await forgetSecrets(secretsFile, keyOf(environment));
}

/** Commands go back to this machine. How it was deployed stays known, for `splatctl redeploy`. */
export async function forgetDeployed(
  { userFile, secretsFile }: Files,
  environment: string | null,
  withSecrets: boolean,
): Promise<void> {
  const { url, deployment } = await readUserConfig(userFile);
  const isMeant = deployment !== undefined && deployment.environment === environment;
  if (isMeant && url === deployment.url) await saveUserConfig(userFile, { url: undefined });
  if (!withSecrets) return;
  if (isMeant) {
    await saveUserConfig(userFile, { deployment: { ...deployment, wroteBucketSecret: false } });
    await forgetSecrets(secretsFile, deployment.url);
  }
  await forgetSecrets(secretsFile, keyOf(environment));
}

/** The proxy token among secrets. */
export function keptProxyAuth({ proxyKey: key, proxySecret: secret }: BackendSecrets): ProxyAuth | undefined {
  return key === undefined || secret === undefined ? undefined : { key, secret };
}

/** A proxy token as it is kept. */
export function asKept(proxyAuth: ProxyAuth | undefined): BackendSecrets {
  return proxyAuth === undefined ? {} : { proxyKey: proxyAuth.key, proxySecret: proxyAuth.secret };
}

/** What secrets are kept under until the URL is known. No URL, so that they are sent nowhere. */
function keyOf(environment: string | null): string {
  return `modal:${APP_NAME}${environment === null ? "" : `@${environment}`}`;
}
