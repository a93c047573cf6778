/** Setting a bucket up: ask, check, make, keep, and say what was done. */
import { resolveBucketParts, resolvePlaces, resolveUserFiles, type UserFiles } from "../config.ts";
import { bucketId } from "../config-bucket.ts";
import { EXIT_CODES, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import { openAdmin } from "../remote/r2-admin.ts";
import { checkBucket, type BucketReport } from "../remote/r2-check.ts";
import { parseOrigin } from "../remote/r2-cors.ts";
import { parseBucketAddress, type BucketAddress, type BucketSettings } from "../remote/r2-settings.ts";
import { forgetKeysOf, saveBucketKeys } from "../secrets-file.ts";
import { saveUserConfig, type KeptBucket } from "../user-config.ts";
import { areKeysAsked, askBucket, askOtherKeys } from "./ask-bucket.ts";
import type { InitFlags } from "./bucket-init.ts";
import { confirm } from "./confirm.ts";
import { checkFindings, describeAccess, describeCheckLine } from "./describe-bucket-check.ts";
import { logFor } from "./flags.ts";
import { mendSecrets } from "./open-bucket.ts";
import { openQuestions, type Questions } from "./questions.ts";
import { changeCors } from "./run-bucket-cors.ts";
import { interruptSignal, printResult } from "./terminal.ts";

interface Job {
  readonly flags: InitFlags;
  readonly files: UserFiles;
  readonly settings: BucketSettings;
  readonly address: BucketAddress;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Null where nobody is asked. */
  readonly questions: Questions | null;
}

/** A bucket that answers, and that nothing is kept of yet. */
export interface PreparedBucket {
  readonly report: BucketReport;
  readonly address: BucketAddress;
  /** It was not there before. */
  readonly isMade: boolean;
  /** Set on request; null when they are, and when nobody asked. */
  readonly corsFailure: SplatError | null;
  /** Keep its settings, unless they are not worth it; whether they are kept. */
  readonly keep: () => Promise<boolean>;
}

/** Set it up. Throws what stands in the way; nothing is kept then. */
export async function runBucketInit(flags: InitFlags): Promise<void> {
  const signal = interruptSignal();
  const log = logFor(flags);
  const canAsk = process.stdin.isTTY && flags.json !== true;
  const questions = canAsk ? openQuestions(signal) : null;
  try {
    await print(
      flags,
      await prepareBucket(flags, { log, signal: questions?.signal ?? signal, questions }),
      log,
    );
  } finally {
    questions?.close();
  }
}

/**
 * Ask for a bucket, try it, make it where it is missing, and let web pages read it as flags say. Throws what stands in the
 * way.
 */
export async function prepareBucket(
  flags: InitFlags,
  { log, signal, questions }: Pick<Job, "log" | "signal" | "questions">,
): Promise<PreparedBucket> {
  const origins = flags.origin?.map(parseOrigin);
  const files = await resolveUserFiles();
  await mendSecrets(files.secretsFile, log);
  tellGiven(log);
  let settings = await askBucket(flags, files, questions);
  for (;;) {
    const address = parseBucketAddress(settings);
    const job: Job = { flags, files, settings, address, log, signal, questions };
    if (flags.save) await tellReplaced(job);
    try {
      const { report, isMade } = await checkOrMake(job);
      const corsFailure = origins === undefined ? null : await setCors(job, origins);
      const save = async (): Promise<boolean> => flags.save && (await keep(job, report));
      return { report, address, isMade, corsFailure, keep: save };
    } catch (error) {
      if (questions === null || !areKeysAsked() || !isOfKeys(error)) throw error;
      log.warn(`${error.message}. ${error.hint ?? ""}`.trim());
      settings = await askOtherKeys(questions, settings);
    }
  }
}

/** Whether other keys would help. */
function isOfKeys(error: unknown): error is SplatError {
  return (
    error instanceof SplatError &&
    error.code === "not_configured" &&
    (error.refusal?.status === 401 || error.refusal?.status === 403)
  );
}

async function print(flags: InitFlags, prepared: PreparedBucket, log: Log): Promise<void> {
  const { report, address, isMade, corsFailure } = prepared;
  const { userFile, secretsFile } = resolvePlaces();
  const isKept = await prepared.keep();
  if (report.administers && isKept) {
    log.warn(
      "this token sees the configuration of the bucket: it is one for the whole account. Keep one for this bucket alone (SECURITY.md, “Keys of a bucket”), and remove this one",
    );
  }
  const did = [
    `bucket "${address.bucket}" at ${address.host} ${isMade ? "is made" : "is there"}`,
    describeAccess(report),
    ...(flags.origin !== undefined && corsFailure === null
      ? [`web pages of ${flags.origin.map(parseOrigin).join(", ")} may read it`]
      : []),
    isKept ? `kept in ${userFile}, the keys in ${secretsFile}` : "nothing is kept",
    `next: splatctl bucket check, splatctl chunks ls${report.mayWrite === true ? ", splatctl serve" : ""}`,
  ];
  const { bucket, endpoint, publicUrl } = address;
  const facts = { bucket, endpoint, public_url: publicUrl, created: isMade, kept: isKept };
  const cors = flags.origin === undefined ? {} : { cors_set: corsFailure === null };
  printResult(flags, { success: true, ...facts, ...cors, ...checkFindings(report) }, did.join("\n"));
  if (corsFailure !== null) process.exitCode = EXIT_CODES.partial;
}

/** What is set for another purpose, as keys of AWS may be, is used without a question otherwise. */
function tellGiven(log: Log): void {
  const { endpoint, bucket, publicUrl, accessKeyId, secretAccessKey } = resolveBucketParts();
  const variables = {
    R2_ENDPOINT_URL: endpoint,
    R2_BUCKET_NAME: bucket,
    R2_PUBLIC_URL: publicUrl,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const given = Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length > 0) log.info(`from the environment: ${given.join(", ")}`);
}

async function tellReplaced({ flags, files, address, log, signal, questions }: Job): Promise<void> {
  const { bucket: kept } = files.user;
  if (kept === undefined) return;
  if (!isAnother(kept, address)) {
    log.info(`settings are kept for bucket "${kept.name}" already: they are replaced`);
    return;
  }
  const what = `bucket "${kept.name}" at ${kept.endpoint} is kept already: it would be used no more, and its keys removed from this machine`;
  if (flags.yes === true) return log.warn(what);
  await agree(questions, `${what}. Keep "${address.bucket}" instead?`, signal);
}

function isAnother(kept: KeptBucket, { endpoint, bucket }: BucketAddress): boolean {
  return bucketId(kept.endpoint, kept.name) !== bucketId(endpoint, bucket);
}

/** A report of a bucket that can be read, after it was made where it was missing. */
async function checkOrMake(job: Job): Promise<{ readonly report: BucketReport; readonly isMade: boolean }> {
  const report = await check(job);
  if (report.failure === null) return { report, isMade: false };
  if (report.failure.refusal?.code !== "NoSuchBucket") throw failureOf(report.failure, report);
  await make(job);
  const again = await check(job);
  if (again.failure !== null) throw failureOf(again.failure, again);
  return { report: again, isMade: true };
}

async function check({ settings, log, signal }: Job): Promise<BucketReport> {
  return await checkBucket(settings, {
    write: true,
    signal,
    onLine: (line) => log.info(describeCheckLine(line)),
    onWrite: ({ key, bytes }) =>
      log.info(`to try writing, ${key} (${bytes.length} bytes) is stored and removed again`),
  });
}

async function make({ flags, settings, address, log, signal, questions }: Job): Promise<void> {
  const where = `bucket "${address.bucket}" at ${address.host}`;
  if (flags.yes !== true) await agree(questions, `There is no ${where}. Make it?`, signal);
  const admin = await openAdmin(settings);
  try {
    await admin.create(signal);
    log.info(`made ${where}`);
  } catch (error) {
    if (!(error instanceof SplatError) || error.refusal?.status !== 403) throw error;
    throw new SplatError("not_configured", `${where} is not there, and the token may not make it`, {
      hint: "Make it in Cloudflare's dashboard, or use a token with “Admin Read & Write” for a minute, and keep none.",
      refusal: error.refusal,
    });
  } finally {
    admin.close();
  }
}

/** As `confirm`, of those who are being asked already. */
async function agree(questions: Questions | null, question: string, signal: AbortSignal): Promise<void> {
  if (questions === null) return await confirm(question, signal);
  if (!(await questions.askYes(question, false))) throw new SplatError("interrupted", "nothing was kept");
}

/** Null when the pages may read it now; what stands in the way is told, and the rest of the work goes on. */
async function setCors(
  { settings, log, signal }: Job,
  origins: readonly string[],
): Promise<SplatError | null> {
  const admin = await openAdmin(settings);
  try {
    await changeCors(admin, { change: origins, isDry: false, log, signal });
    return null;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof SplatError) || error.code === "internal") throw error;
    log.warn(`${error.message}. ${error.hint ?? "`splatctl bucket cors` tries again."}`);
    return error;
  } finally {
    admin.close();
  }
}

/**
 * Keys first and those of the bucket before last, so that no bucket is ever kept whose keys are not. Keys that expire are
 * not worth keeping.
 */
async function keep({ files, settings, address, log }: Job, { mayWrite }: BucketReport): Promise<boolean> {
  const { endpoint, bucket: name, publicUrl } = address;
  const { accessKeyId, secretAccessKey, sessionToken } = settings;
  if (sessionToken !== undefined) {
    log.warn("keys with AWS_SESSION_TOKEN hold for some hours only: nothing is kept");
    return false;
  }
  await saveBucketKeys(files.secretsFile, bucketId(endpoint, name), { accessKeyId, secretAccessKey });
  const known = mayWrite === null ? {} : { mayWrite };
  await saveUserConfig(files.userFile, { bucket: { endpoint, name, publicUrl, ...known } });
  const { bucket: before } = files.user;
  if (before !== undefined && isAnother(before, address)) {
    await forgetKeysOf(files.secretsFile, bucketId(before.endpoint, before.name));
  }
  return true;
}

function failureOf({ code, message, hint, refusal }: SplatError, report: BucketReport): SplatError {
  return new SplatError(code, message, { hint, refusal, findings: checkFindings(report) });
}
