/** The bucket that a command is about, and the file that its keys are kept in. */
import { resolveBucket, resolveUserFiles } from "../config.ts";
import { NO_BUCKET_HINT, type BucketConfig } from "../config-bucket.ts";
import { SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import { describeOrigin } from "./choose-bucket.ts";
import { logFor, type BackendFlags } from "./flags.ts";

/**
 * The bucket of the settings, told on stderr with where they came from. Throws `not_configured` when there is none.
 */
export async function openBucketSettings(
  flags: BackendFlags,
): Promise<{ readonly bucket: BucketConfig; readonly log: Log }> {
  const log = logFor(flags);
  await mendSecrets((await resolveUserFiles()).secretsFile, log);
  const bucket = await resolveBucket();
  if (bucket === undefined) {
    throw new SplatError("not_configured", "no bucket is set", {
      hint: NO_BUCKET_HINT,
    });
  }
  const { parseBucketAddress } = await import("../remote/r2-settings.ts");
  const { bucket: name, host } = parseBucketAddress(bucket);
  log.info(`bucket "${name}" at ${host} (${describeOrigin(bucket)})`);
  return { bucket, log };
}

/** Close the file of secrets where others could read it, and say so; whether that was so. */
export async function mendSecrets(path: string, log: Log): Promise<boolean> {
  const { closeSecrets } = await import("../secrets-file.ts");
  const wasOpen = await closeSecrets(path);
  if (wasOpen) {
    log.warn(
      `others on this machine could read ${path}: it is closed now (mode 0600). Make new keys if they may have`,
    );
  }
  return wasOpen;
}

/** Whether the keys came from the environment though the bucket did not: then they may be those of something else. */
export function keysHint({ namesFrom, keysFrom }: BucketConfig): string | undefined {
  return namesFrom === "user settings" && keysFrom === "environment"
    ? "The keys are those of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment: unset both to use kept ones."
    : undefined;
}
