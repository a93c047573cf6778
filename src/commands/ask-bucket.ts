/** The settings of a bucket for `splatctl bucket init`: what is given, then what is kept, then what is asked. */
import { resolveBucketParts, type UserFiles } from "../config.ts";
import { bucketId, missingVariables } from "../config-bucket.ts";
import { SplatError } from "../errors.ts";
import { reach } from "../remote/r2-check-reach.ts";
import { parseBucketAddress, type BucketSettings } from "../remote/r2-settings.ts";
import { readBucketKeys, type BucketKeys } from "../secrets-file.ts";
import type { InitFlags } from "./bucket-init.ts";
import type { Questions } from "./questions.ts";

/**
 * Gather them; each answer is tried at once where it can be. `questions`: null where nobody can be asked. Throws
 * `not_configured`, naming what is missing, then, and `interrupted` when a question is not answered.
 */
export async function askBucket(
  flags: InitFlags,
  files: UserFiles,
  questions: Questions | null,
): Promise<BucketSettings> {
  const given = resolveBucketParts();
  const { bucket: kept } = files.user;
  const pasted = splitPasted(flags.endpoint ?? given.endpoint);
  const known = { endpoint: pasted.endpoint, bucket: flags.name ?? pasted.bucket ?? given.bucket };
  const keys = { accessKeyId: given.accessKeyId, secretAccessKey: given.secretAccessKey };
  if (questions === null) {
    const named = { endpoint: known.endpoint ?? kept?.endpoint, bucket: known.bucket ?? kept?.name };
    const found = hasAny(keys) ? keys : await keptKeys(files, named);
    return { ...complete({ ...named, ...found }), ...rest(flags, files, named) };
  }
  const named = await askNames(questions, known, kept);
  const answered = { ...named, ...(await askKeys(questions, keys, await keptKeys(files, named))) };
  return { ...answered, ...rest(flags, files, named) };
}

/** The same bucket with other keys: those that were typed are refused. */
export async function askOtherKeys(questions: Questions, settings: BucketSettings): Promise<BucketSettings> {
  const none = { accessKeyId: undefined, secretAccessKey: undefined };
  return { ...settings, ...(await askKeys(questions, none, none)) };
}

/** Whether keys can be asked for again: those of the environment would only be taken again. */
export function areKeysAsked(): boolean {
  const { accessKeyId, secretAccessKey } = resolveBucketParts();
  return !hasAny({ accessKeyId, secretAccessKey });
}

type Names = { readonly endpoint: string; readonly bucket: string };
type Given<T> = { readonly [Name in keyof T]: T[Name] | undefined };

/** The dashboard shows endpoint and bucket in one URL; R2's endpoints have no path of their own. */
function splitPasted(text: string | undefined): Given<Names> {
  const [, endpoint, bucket] =
    /^(https:\/\/[^/?#@]+\.r2\.cloudflarestorage\.com)\/([a-z0-9-]+)\/?$/.exec(text ?? "") ?? [];
  return endpoint === undefined ? { endpoint: text, bucket: undefined } : { endpoint, bucket };
}

async function askNames(
  questions: Questions,
  known: Given<Names>,
  kept: UserFiles["user"]["bucket"],
): Promise<Names> {
  const answer =
    known.endpoint ??
    (await questions.askUntil(
      () => questions.ask("S3 endpoint (https://ACCOUNT.r2.cloudflarestorage.com)", kept?.endpoint),
      async (typed) => {
        const { endpoint = typed } = splitPasted(typed);
        parseBucketAddress({ ...STAND_IN, endpoint });
        await reach(endpoint, questions.signal);
        return typed;
      },
    ));
  const { endpoint = answer, bucket } = splitPasted(answer);
  const name =
    known.bucket ??
    bucket ??
    (await questions.askUntil(
      () => questions.ask("bucket", kept?.name),
      (typed) => parseBucketAddress({ ...STAND_IN, endpoint, bucket: typed }).bucket,
    ));
  return { endpoint, bucket: name };
}

/** What is right in any case, where one setting alone is looked at. */
const STAND_IN = { bucket: "stand-in", accessKeyId: "id", secretAccessKey: "secret", publicUrl: null };

/** Half a pair of the environment is made whole: whoever gives one key means that token. */
async function askKeys(
  questions: Questions,
  given: Given<BucketKeys>,
  kept: Given<BucketKeys>,
): Promise<BucketKeys> {
  const accessKeyId = given.accessKeyId ?? (await questions.ask("access key id", kept.accessKeyId, "kept"));
  const usual = accessKeyId === kept.accessKeyId ? kept.secretAccessKey : undefined;
  const secretAccessKey = given.secretAccessKey ?? (await questions.askSecret("secret access key", usual));
  return { accessKeyId, secretAccessKey };
}

async function keptKeys(
  { secretsFile }: UserFiles,
  { endpoint, bucket }: Given<Names>,
): Promise<Given<BucketKeys>> {
  const none = { accessKeyId: undefined, secretAccessKey: undefined };
  if (endpoint === undefined || bucket === undefined) return none;
  return (await readBucketKeys(secretsFile, bucketId(endpoint, bucket))) ?? none;
}

/** A session token goes with the keys of the environment alone, a kept address with the bucket that it is kept for. */
function rest(
  flags: InitFlags,
  { user: { bucket: kept } }: UserFiles,
  { endpoint = "", bucket = "" }: Given<Names>,
): Pick<BucketSettings, "publicUrl" | "sessionToken"> {
  const given = resolveBucketParts();
  const isKept = kept !== undefined && bucketId(kept.endpoint, kept.name) === bucketId(endpoint, bucket);
  const publicUrl = flags.publicUrl ?? given.publicUrl ?? (isKept ? kept.publicUrl : null);
  return {
    publicUrl,
    sessionToken: given.accessKeyId === undefined ? undefined : given.sessionToken,
  };
}

function hasAny({ accessKeyId, secretAccessKey }: Given<BucketKeys>): boolean {
  return accessKeyId !== undefined || secretAccessKey !== undefined;
}

function complete(parts: Given<Names & BucketKeys>): Names & BucketKeys {
  const { endpoint, bucket, accessKeyId, secretAccessKey } = parts;
  if (
    endpoint !== undefined &&
    bucket !== undefined &&
    accessKeyId !== undefined &&
    secretAccessKey !== undefined
  ) {
    return { endpoint, bucket, accessKeyId, secretAccessKey };
  }
  const missing = missingVariables(parts).join(", ");
  throw new SplatError("not_configured", `nobody is there to ask for ${missing}`, {
    hint: "Set them in the environment (endpoint and name also as --endpoint and --name), or run this on a terminal.",
  });
}
