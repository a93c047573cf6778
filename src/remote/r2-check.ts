/**
 * What the token of a bucket may do, found out by doing it: everything in order, until something stands in the way of
 * all that follows. Codes: R2's S3 API documentation, "Error codes"; permissions: "Authentication".
 */
import { SplatError } from "../errors.ts";
import { openAdmin, type BucketAdmin } from "./r2-admin.ts";
import { attempt, type Attempt, type CheckLine } from "./r2-check-line.ts";
import { checkPublic, type Sample } from "./r2-check-public.ts";
import { reach } from "./r2-check-reach.ts";
import { makeProbe, PROBE_FOLDER, tryWriting, type WriteProbe } from "./r2-check-write.ts";
import type { CorsRule } from "./r2-cors.ts";
import type { BucketSettings } from "./r2-settings.ts";

export type { CheckLine } from "./r2-check-line.ts";

export interface CheckOptions {
  /** Try writing too. */
  readonly write: boolean;
  readonly onLine: (line: CheckLine) => void;
  /** Told before the probe is stored. */
  readonly onWrite: (probe: WriteProbe) => void;
  /** Between two writes that the server finds too fast. */
  readonly pauseMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** What was found out. */
export interface BucketReport {
  readonly lines: readonly CheckLine[];
  /** Null when that was not tried, or the answer does not tell. */
  readonly mayWrite: boolean | null;
  /** The token may look into the bucket's configuration: it is one for the whole account. */
  readonly administers: boolean;
  /** Why the bucket cannot be read; null when it can. */
  readonly failure: SplatError | null;
}

/** From how far the clocks may be apart without a word, and from where on S3 refuses requests, seconds. */
const CLOCK_NOTE_S = 30;
const CLOCK_LIMIT_S = 15 * 60;

const WRONG_KEYS = [
  "Unauthorized",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "ExpiredToken",
  "InvalidToken",
  "TokenRefreshRequired",
];

/** Answers with 403 that do not speak of what the token may do. */
const OTHER_FORBIDDEN = [
  "NotEntitled",
  "RequestTimeTooSkewed",
  "ExpiredRequest",
  "AuthorizationHeaderMalformed",
];

/**
 * Check a bucket. Throws `not_configured` when the settings cannot be right, the signal's reason, and bugs; whatever a
 * server says is in the report.
 */
export async function checkBucket(settings: BucketSettings, options: CheckOptions): Promise<BucketReport> {
  const admin = await openAdmin(settings);
  const lines: CheckLine[] = [];
  const tell = (...found: readonly CheckLine[]): void => {
    for (const line of found) {
      lines.push(line);
      options.onLine(line);
    }
  };
  try {
    const failure =
      (await checkServer(admin, tell, options.signal)) ?? (await checkReading(admin, tell, options.signal));
    if (failure instanceof SplatError) return { lines, mayWrite: null, administers: false, failure };
    return { lines, ...(await checkRest(admin, failure.sample, tell, options)), failure: null };
  } finally {
    admin.close();
  }
}

type Tell = (...found: readonly CheckLine[]) => void;

async function checkServer(admin: BucketAdmin, tell: Tell, signal: AbortSignal): Promise<SplatError | null> {
  const { endpoint, host } = admin.address;
  const reached = await attempt(reach(endpoint, signal), signal);
  if ("error" in reached) {
    const { error } = reached;
    tell({ name: "endpoint", state: "no", says: error.message, hint: error.hint });
    return error;
  }
  const { latencyMs, tls, clockAheadS } = reached.value;
  const how = tls === null ? "without TLS" : `over ${tls.replace(/^TLSv/, "TLS ")}`;
  tell({ name: "endpoint", state: "ok", says: `${host} answers ${how} in ${Math.round(latencyMs)} ms` });
  tell(clockLine(clockAheadS));
  return null;
}

function clockLine(aheadS: number | null): CheckLine {
  const name = "clock";
  if (aheadS === null) return { name, state: "unknown", says: "the server tells no time" };
  const apartS = Math.abs(aheadS);
  if (apartS <= 1) return { name, state: "ok", says: "agrees with the server's" };
  const says = `this machine's is ${apartS} s ${aheadS > 0 ? "ahead of" : "behind"} the server's`;
  if (apartS <= CLOCK_NOTE_S) return { name, state: "ok", says };
  const hint = "Set it (turn on time synchronisation): from 15 minutes on every request is refused.";
  return { name, state: apartS < CLOCK_LIMIT_S ? "unknown" : "no", says, hint };
}

/** What lies in the bucket and can be read, or why nothing can. */
async function checkReading(
  admin: BucketAdmin,
  tell: Tell,
  signal: AbortSignal,
): Promise<{ readonly sample: Sample | null } | SplatError> {
  const listed = await attempt(admin.firstKey(signal), signal);
  if ("error" in listed && !isDenied(listed.error)) return blocked(listed.error, tell);
  tell({ name: "keys", state: "ok", says: "the server knows them" });
  tell(...listLines(listed));
  const key = "value" in listed ? listed.value : null;
  const read = await attempt(admin.readByte(key ?? `${PROBE_FOLDER}/none`, signal), signal);
  if ("error" in read) {
    const { message, hint } = read.error;
    const says = isDenied(read.error) ? "the token may not read objects" : message;
    tell({ name: "read", state: isDenied(read.error) ? "no" : "unknown", says, hint: readHint(hint) });
    return read.error;
  }
  const how = key === null ? "asked for one that is not there" : "read one byte of the first";
  tell({ name: "read", state: "ok", says: `may read objects (${how})` });
  if ("error" in listed) return listed.error;
  return { sample: key === null || read.value === null ? null : { key, bytes: read.value } };
}

function readHint(hint: string | undefined): string {
  return (
    hint?.replace("“Object Read & Write”", "“Object Read” at least") ??
    "Try again later, or with another token."
  );
}

function listLines(listed: Attempt<string | null>): CheckLine[] {
  if ("value" in listed) {
    const says = `may list objects${listed.value === null ? "; there are none" : ""}`;
    return [
      { name: "bucket", state: "ok", says: "is there" },
      { name: "list", state: "ok", says },
    ];
  }
  return [
    { name: "bucket", state: "unknown", says: "the token may not look" },
    {
      name: "list",
      state: "no",
      says: "the token may not list objects",
      hint: "Check the bucket's name, and that the token is for this bucket, with “Object Read” at least; a new one takes up to a minute to work.",
    },
  ];
}

/** Whether the keys, the bucket or the server is at fault. */
function blocked(error: SplatError, tell: Tell): SplatError {
  const { message: says, hint, refusal } = error;
  const isToken = refusal?.code === "InvalidArgument" && error.code === "not_configured";
  const isKeys =
    refusal !== undefined && (WRONG_KEYS.includes(refusal.code) || refusal.status === 401 || isToken);
  // Nothing was refused, and waiting does not help: the server is another than it should be.
  if (refusal === undefined && error.code === "not_configured")
    tell({ name: "list", state: "no", says, hint });
  else if (isKeys) tell({ name: "keys", state: "no", says, hint });
  else if (refusal?.code === "NoSuchBucket") {
    // Servers may look for the bucket before they look at the keys.
    tell({ name: "keys", state: "unknown", says: "not told: the server has no such bucket" });
    tell({ name: "bucket", state: "no", says, hint });
  } else {
    const later = "Try again later.";
    tell({ name: "keys", state: "unknown", says, hint: hint ?? later });
  }
  return error;
}

function isDenied({ refusal }: SplatError): boolean {
  return refusal?.status === 403 && ![...WRONG_KEYS, ...OTHER_FORBIDDEN].includes(refusal.code);
}

async function checkRest(
  admin: BucketAdmin,
  found: Sample | null,
  tell: Tell,
  options: CheckOptions,
): Promise<Pick<BucketReport, "mayWrite" | "administers">> {
  const { signal } = options;
  const { publicUrl } = admin.address;
  const rules = await attempt(admin.readCors(signal), signal);
  const known = "value" in rules ? rules.value : null;
  let shown: CheckLine[] | null = null;
  const look = async (sample: Sample): Promise<void> => {
    if (publicUrl !== null) shown = await checkPublic(publicUrl, sample, known, signal);
  };
  let written: readonly CheckLine[] = [NOT_TRIED];
  if (options.write) {
    const probe = makeProbe();
    options.onWrite(probe);
    written = await tryWriting(
      admin,
      probe,
      { look: async () => look(probe), pauseMs: options.pauseMs },
      signal,
    );
  }
  if (shown === null && found !== null) await look(found);
  const why = publicUrl === null ? "none is set (R2_PUBLIC_URL)" : "not tried: nothing is in the bucket";
  tell(...written);
  tell(...(shown ?? [{ name: "public-address", state: "unknown", says: why } as const]));
  tell(corsLine(rules));
  const state = written[0].state;
  return { mayWrite: state === "unknown" ? null : state === "ok", administers: known !== null };
}

const NOT_TRIED: CheckLine = { name: "write", state: "unknown", says: "not tried (--no-write)" };

function corsLine(rules: Attempt<readonly CorsRule[]>): CheckLine {
  const name = "cors";
  if ("value" in rules) {
    const { length } = rules.value;
    const says =
      length === 0 ? "there are no rules" : `there ${length === 1 ? "is 1 rule" : `are ${length} rules`}`;
    return { name, state: "ok", says: `may see the rules for web pages; ${says}` };
  }
  if (isDenied(rules.error)) {
    return { name, state: "unknown", says: "only a token that administers sees the rules for web pages" };
  }
  return { name, state: "unknown", says: rules.error.message, hint: rules.error.hint };
}
