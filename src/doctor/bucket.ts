/** The bucket of chunks: what `bucket check --no-write` finds out. Nothing is stored. */
import { resolveBucket, resolvePublicUrl } from "../config.ts";
import type { BucketConfig } from "../config-bucket.ts";
import { SplatError } from "../errors.ts";
import { checkBucket, type CheckLine } from "../remote/r2-check.ts";
import { reach } from "../remote/r2-check-reach.ts";
import { parseBucketAddress, parsePublicUrl } from "../remote/r2-settings.ts";
import type { Check, Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";

/** The checks. */
export const bucketChecks: readonly Check[] = [
  { id: "bucket", group: "bucket", limitMs: 15_000, run: checkBucketOf },
];

async function checkBucketOf({ asked }: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  const bucket = await resolveBucket();
  if (bucket === undefined) return await withoutBucket(asked.offline, signal);
  const { host } = parseBucketAddress(bucket);
  const name = `bucket "${bucket.bucket}" at ${host}`;
  const facts = { bucket: bucket.bucket, host, names_from: bucket.namesFrom, keys_from: bucket.keysFrom };
  if (asked.offline)
    return [{ state: "skipped", message: `${name} is set up, and not asked with --offline`, facts }];
  const report = await checkBucket(bucket, {
    write: false,
    signal,
    onLine: () => undefined,
    onWrite: () => undefined,
  });
  const lines = report.lines.map(({ name: what, state, says }) => ({ name: what, state, message: says }));
  const found = report.lines.filter(isTrouble).map((line) => lineFinding(line, bucket));
  const all = { ...facts, lines };
  const { failure: why } = report;
  if (why === null)
    return [{ state: "ok", message: `${name} can be read${writes(bucket)}`, facts: all }, ...found];
  const failed = found.filter(({ state }) => state === "failed");
  // A server in trouble: the lines say only that they do not know.
  const reason = failed[0] ?? { message: why.message, fix: why.hint };
  const aside = found.filter((one) => one.state === "warning" && one.id === "bucket-clock");
  const first: Finding = {
    state: "failed",
    message: `${name}: ${reason.message}`,
    fix: reason.fix,
    facts: all,
  };
  return [first, ...failed.slice(1), ...aside];
}

/** Writing is not tried. */
function writes({ mayWrite }: BucketConfig): string {
  return mayWrite
    ? " (writing is not tried: `splatctl bucket check` does)"
    : ", and with these keys not written";
}

/** That writing was not tried, and that a token does not tell the rules of its bucket, is as it should be. */
function isTrouble({ name, state }: CheckLine): boolean {
  return (
    state === "no" || (state === "unknown" && !["write", "cors", "public-address", "browser"].includes(name))
  );
}

const TITLES: Readonly<Partial<Record<CheckLine["name"], string>>> = {
  clock: "clock: ",
  keys: "keys: ",
  "public-address": "public address: ",
  browser: "web pages: ",
};

/** Chunks are written and read without a public address and without web pages. */
function lineFinding({ name, state, says, hint }: CheckLine, { namesFrom, keysFrom }: BucketConfig): Finding {
  const isAside = name === "public-address" || name === "browser" || name === "cors";
  const areMixed =
    namesFrom === "user settings" && keysFrom === "environment" && ["keys", "list"].includes(name);
  const mixed =
    "The keys are those of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment: unset both to use kept ones";
  return {
    id: `bucket-${name}`,
    state: state === "no" && !isAside ? "failed" : "warning",
    message: `${TITLES[name] ?? ""}${says}`,
    fix: areMixed ? mixed : hint,
  };
}

async function withoutBucket(isOffline: boolean, signal: AbortSignal): Promise<Finding[]> {
  const publicUrl = await resolvePublicUrl();
  if (publicUrl === undefined) {
    return [
      {
        state: "absent",
        message: "no bucket is set up: chunks stay on the disk",
        fix: "`splatctl bucket init` sets one up",
      },
    ];
  }
  const { host, origin } = new URL(parsePublicUrl(publicUrl));
  const facts = { public_host: host };
  if (isOffline)
    return [{ state: "skipped", message: `a public bucket at ${host}, not asked with --offline`, facts }];
  try {
    const { latencyMs } = await reach(origin, signal);
    const message = `a public bucket at ${host} answers in ${Math.round(latencyMs)} ms; without keys it is read only`;
    return [{ state: "ok", message, facts }];
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof SplatError)) throw error;
    return [{ state: "failed", message: error.message, fix: error.hint, facts }];
  }
}
