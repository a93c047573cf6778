/** Removes what `splatctl bucket init` has kept. */
import { resolveUserFiles } from "../config.ts";
import { forgetBucketKeys } from "../secrets-file.ts";
import { saveUserConfig } from "../user-config.ts";
import type { BackendFlags } from "./flags.ts";
import { printResult } from "./terminal.ts";

/** Forget the bucket and the keys of every bucket, and say what is gone. Throws `bad_input` when that cannot be done. */
export async function forgetBucket(flags: BackendFlags): Promise<void> {
  const { user, userFile, secretsFile } = await resolveUserFiles();
  const keys = await forgetBucketKeys(secretsFile);
  const name = user.bucket?.name ?? null;
  if (name !== null) await saveUserConfig(userFile, { bucket: undefined });
  const pairs = keys === 1 ? "1 pair of keys" : `${keys} pairs of keys`;
  const what = name === null ? pairs : `the settings of bucket "${name}" and ${pairs}`;
  const text =
    name === null && keys === 0
      ? "nothing was kept"
      : `forgotten: ${what}. The token itself works until it is removed in Cloudflare's dashboard`;
  printResult(flags, { success: true, bucket: name, forgotten_keys: keys }, text);
}
