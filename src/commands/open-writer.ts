/** The bucket of a command that changes it. */
import type { BucketConfig } from "../config-bucket.ts";
import type { BucketWriter } from "../chunks/status-file.ts";
import { messageOf, SplatError } from "../errors.ts";
import type { ProgressLine } from "../tui/progress-line.ts";
import { withKeysHint } from "./hint-of-keys.ts";
import type { OpenBucket } from "./open-reader.ts";

/**
 * Throws `usage` where nothing can be changed, and `not_configured` where the keys are kept ones that were found to read
 * only: then nothing need be asked, nor read.
 */
export function requireWritable({ settings }: Pick<OpenBucket, "settings">): BucketConfig {
  if (settings === null) throw new SplatError("usage", "a public address changes nothing");
  if (settings.mayWrite) return settings;
  throw new SplatError("not_configured", `the keys kept for bucket "${settings.bucket}" only read`, {
    hint: "`splatctl bucket init` takes others: those of a token with “Object Read & Write” for this bucket.",
  });
}

/** Requests with the bucket's keys; what passes is tried again and told above `progress`. */
export async function openWriter(
  open: Pick<OpenBucket, "settings">,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<BucketWriter> {
  const settings = requireWritable(open);
  const { openBucket } = await import("../remote/r2.ts");
  const { retrying } = await import("../remote/r2-pace.ts");
  const onWait = (error: SplatError, waitMs: number): void =>
    progress.say(`${messageOf(error)}; again in ${(waitMs / 1000).toFixed(1)} s`);
  return {
    bucket: await openBucket(settings),
    persist: (request) =>
      retrying(request, { signal, onWait }).catch((thrown: unknown) => {
        throw withKeysHint(thrown, settings);
      }),
    signal,
  };
}
