/** The deployment itself: a copy of the backend, its secrets, Modal's program, the address. */
import { SplatError } from "../errors.ts";
import { copyTemplate } from "./deploy-folder.ts";
import {
  deployArgs,
  deployVariables,
  SERVED,
  type BucketChoice,
  type DeploySettings,
} from "./deploy-settings.ts";
import { runModal, type Modal } from "./modal-run.ts";
import { BUCKET_SECRET, hasSecret, hiddenValues, TOKEN_SECRET, writeSecret } from "./modal-secrets.ts";
import { troubleOf } from "./modal-trouble.ts";
import { findDeployedUrl } from "./modal-url.ts";
import { withoutSecrets } from "./modal-text.ts";
import { parseBucketAddress, type BucketSettings } from "./r2-settings.ts";

export interface Deploying {
  readonly settings: DeploySettings;
  /** Folder with `modal_app.py`. */
  readonly template: string;
  /** What the API is to ask for. */
  readonly token: string;
  /** Values of the bucket's secret; undefined when no bucket is set here. */
  readonly bucket: Readonly<Record<string, string>> | undefined;
  /** Whether the bucket that a secret on Modal names already is taken where none is set here. */
  readonly takesBucket: boolean;
  /** Whether the bucket's secret, should it be on Modal already, was written from here. */
  readonly isBucketOurs: boolean;
  /** Asked before a secret of somebody's is written over; throws where it shall not be. */
  readonly onOverwrite: (name: string) => Promise<void>;
  /** Told when Modal has the token: containers that start from now on ask for it, deployed anew or not. */
  readonly onToken: () => Promise<void>;
  /** Null when it is not known. */
  readonly workspace: string | null;
  readonly signal: AbortSignal;
  /** Told what is done next, in a few words. */
  readonly onStep: (what: string) => void;
  /** Told what Modal's program prints while it builds and deploys. */
  readonly onLine: (line: string) => void;
}

export interface Deployed {
  /** No slash at its end. */
  readonly url: string;
  readonly bucket: BucketChoice;
}

/**
 * Deploy. Throws `bad_input` for a template that is none, what Modal's program complains of, `partial` when it is deployed
 * but nobody knows where, and the signal's reason as long as it is not deployed.
 */
export async function deployBackend(modal: Modal, deploying: Deploying): Promise<Deployed> {
  const { settings, template, signal, onStep } = deploying;
  onStep("copying the backend");
  const folder = await copyTemplate(template);
  try {
    const bucket = await writeSecrets(modal, deploying);
    onStep("building and deploying (the first time takes minutes)");
    const output = await deploy(modal, deploying, { bucket, cwd: folder.path });
    onStep("asking for its URL");
    const served = { ...SERVED, environment: settings.environment, workspace: deploying.workspace };
    const url = await findDeployedUrl(modal, served, output, signal);
    if (url !== null) return { url, bucket };
  } finally {
    await folder.remove();
  }
  throw new SplatError("partial", "deployed, but its URL could not be found out", {
    hint: "`modal app list` and its page on modal.com show it; `splatctl undeploy` stops it.",
  });
}

async function writeSecrets(modal: Modal, deploying: Deploying): Promise<BucketChoice> {
  const { token, bucket, takesBucket, isBucketOurs, signal, onStep, onOverwrite, onToken } = deploying;
  const place = { environment: deploying.settings.environment, signal };
  onStep("writing the secrets on Modal");
  const isKnown = bucket === undefined ? !takesBucket : isBucketOurs;
  const isThere = !isKnown && (await hasSecret(modal, BUCKET_SECRET, place));
  if (bucket !== undefined && isThere) await onOverwrite(BUCKET_SECRET);
  await writeSecret(modal, TOKEN_SECRET, { SPLAT_API_TOKEN: token }, place);
  await onToken();
  if (bucket === undefined) return !takesBucket ? "unwanted" : isThere ? "on Modal" : "none";
  await writeSecret(modal, BUCKET_SECRET, bucket, place);
  return "given";
}

async function deploy(
  modal: Modal,
  { settings, token, bucket: values, signal, onLine }: Deploying,
  { bucket, cwd }: { readonly bucket: BucketChoice; readonly cwd: string },
): Promise<string> {
  const secrets = [token, ...hiddenValues(values ?? {})];
  const ran = await runModal(modal, deployArgs(settings), {
    cwd,
    variables: deployVariables(settings, bucket),
    signal,
    onLine: (line) => onLine(withoutSecrets(line, secrets)),
  });
  if (ran.code === 0) return ran.stdout;
  throw troubleOf("deploying", ran, secrets);
}

/**
 * The bucket's secret, by the names that the backend reads. Throws `not_configured` naming the setting that cannot be
 * right, one that means this machine among them: a container would look for it in itself.
 */
export function bucketSecret(settings: BucketSettings): Record<string, string> {
  const { endpoint, host, bucket, pathStyle, publicUrl } = parseBucketAddress(settings);
  if (pathStyle) {
    throw new SplatError(
      "not_configured",
      `R2_ENDPOINT_URL names this machine (${host}), which Modal cannot reach`,
      {
        hint: "Set it to the endpoint of your account on Cloudflare, or unset every R2_ variable to go without a bucket.",
      },
    );
  }
  return {
    R2_ENDPOINT_URL: endpoint,
    R2_BUCKET_NAME: bucket,
    AWS_ACCESS_KEY_ID: settings.accessKeyId,
    AWS_SECRET_ACCESS_KEY: settings.secretAccessKey,
    ...(publicUrl === null ? {} : { R2_PUBLIC_URL: publicUrl }),
  };
}
