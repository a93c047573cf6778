/** The bucket that a backend is to write to, and in words where its settings came from. */
import { resolveBucket, resolveBucketParts } from "../config.ts";
import type { BucketConfig } from "../config-bucket.ts";
import type { Log } from "../log.ts";

/** A bucket, or none. */
export interface ChosenBucket {
  readonly config: BucketConfig | undefined;
  /** Goes behind the place where chunks go: where the settings came from, or why there is no bucket. */
  readonly note: string;
}

/**
 * The bucket that the settings name, unless it is not wanted, or the keys kept for it are known to read only: those were
 * kept to look into it, and a backend could only fail with them. Throws as `resolveBucket`.
 */
export async function chooseBucket({ bucket: isWanted = true } = {}): Promise<ChosenBucket> {
  if (!isWanted) return { config: undefined, note: " (--no-bucket)" };
  const config = await resolveBucket();
  if (config === undefined) {
    const { publicUrl } = resolveBucketParts();
    return { config, note: publicUrl === undefined ? "" : " (R2_PUBLIC_URL alone names none to write to)" };
  }
  if (config.mayWrite) return { config, note: ` (${describeOrigin(config)})` };
  const why = `the keys kept for bucket "${config.bucket}" only read; splatctl bucket init takes others`;
  return { config: undefined, note: ` (${why})` };
}

/**
 * Say where chunks go, before any goes there. With --quiet too where only what is kept names the bucket: it may have been
 * kept to look into it.
 * @param place name and host of the bucket, or the folder
 */
export function tellPlace({ config, note }: ChosenBucket, place: string, log: Log): void {
  const text = `chunks go to ${config === undefined ? "" : "bucket "}${place}${note}`;
  if (config?.namesFrom === "user settings") log.warn(`${text}; --no-bucket keeps them on this machine`);
  else log.info(text);
}

/** Where the settings of a bucket came from. */
export function describeOrigin({ namesFrom, keysFrom }: BucketConfig): string {
  const kept = "kept by splatctl bucket init";
  if (namesFrom === keysFrom) return namesFrom === "environment" ? "from the environment" : kept;
  return namesFrom === "environment"
    ? "from the environment, its keys kept by splatctl bucket init"
    : `${kept}, its keys from the environment`;
}

/** The backend in Python takes keys that last. */
export function warnOfTemporaryKeys(bucket: BucketConfig | undefined, log: Log): void {
  if (bucket?.sessionToken === undefined) return;
  log.warn(
    "AWS_SESSION_TOKEN is set: this backend cannot use keys that hold for some hours, and its chunks will wait. Give it keys that last",
  );
}
