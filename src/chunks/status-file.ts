/**
 * status.json of a session, and of the scene whose newest session it is (contract: objects in the bucket). Each is
 * written only over what was read before (If-Match), so of several who change one at once none is lost.
 */
import { z } from "zod";
import { scenePlace, sessionPlace, statusKey } from "../api/bucket-keys.ts";
import { bucketStatusSchema, chunkSchema, type BucketStatus } from "../api/schema.ts";
import { SplatError } from "../errors.ts";
import type { R2Bucket, WriteCondition } from "../remote/r2.ts";
import { printable } from "../printable.ts";
import { sleep, steadyMs } from "../time.ts";
import { MOST_STATUS_BYTES } from "./session-status.ts";

/** A bucket to change, and how. */
export interface BucketWriter {
  readonly bucket: R2Bucket;
  /** Makes one request again and again, as `r2-pace.ts` says, until it succeeds or there is no sense in it. */
  readonly persist: <T>(request: () => Promise<T>) => Promise<T>;
  /** Between two writes of one status.json. Default: what R2 takes. */
  readonly sameKeyEveryMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** A status.json as it lies there. */
export interface StatusFile {
  /** `damaged`: it is no status.json, or one that only a later version understands. */
  readonly status: BucketStatus | "damaged" | null;
  /** The session that it is about, which may be readable where the rest is damaged. */
  readonly sessionId: string | null;
  /** None of what is too large for a status.json. */
  readonly bytes: Uint8Array;
  /** For the next write. */
  readonly condition: WriteCondition;
}

/** What others add to it stays when it is written again. */
const looseStatusSchema = bucketStatusSchema.extend({ chunks: z.array(chunkSchema.loose()) }).loose();

/** What even a damaged one may tell. */
const namedSchema = z.object({ session_id: z.string() });

const NOTHING = new Uint8Array();
const STATUS_TYPE = "application/json";
/** Others may be faster so often before it is given up. */
const MOST_TRIES = 30;
/** R2 takes one write a second of a key (platform limits), and answers 429 to more. */
const SAME_KEY_EVERY_MS = 1200;
const FIRST_PAUSE_MS = 20;
/** When each key was written last, on the steady clock, ms. */
const writtenAtMs = new WeakMap<R2Bucket, Map<string, number>>();

/** Read the status.json at `place`, a session's or a scene's. */
export async function readStatusFile(
  { bucket, persist, signal }: BucketWriter,
  place: string,
): Promise<StatusFile> {
  const object = await persist(() => bucket.read(statusKey(place), MOST_STATUS_BYTES, signal));
  if (object === null) return { status: null, sessionId: null, bytes: NOTHING, condition: "absent" };
  const bytes = object.bytes ?? NOTHING;
  return { ...parse(bytes), bytes, condition: { etag: object.etag } };
}

/**
 * Write a session's status.json as `change` wants it, asked anew whenever somebody else was faster; null leaves it as it
 * is. Throws what `change` throws. @returns what it says now.
 */
export async function changeStatus(
  writer: BucketWriter,
  place: string,
  change: (status: StatusFile["status"]) => BucketStatus | null,
): Promise<StatusFile["status"]> {
  let now: StatusFile["status"] = null;
  await rewrite(writer, place, ({ status }) => {
    const changed = change(status);
    now = changed ?? status;
    return Promise.resolve(changed === null ? null : encode(changed));
  });
  return now;
}

/**
 * Let the scene's status.json say what the one of a session says, byte for byte. `choose` gets what it says now and
 * answers with the session's id, or with null to leave it. A session without a status.json leaves it too.
 * The scene's is read first and the session's then: whoever changes the session later comes here later, too.
 * @returns whether the scene's now is that of the chosen session.
 */
export async function pointScene(
  writer: BucketWriter,
  scene: string,
  choose: (file: StatusFile) => string | null,
): Promise<boolean> {
  let isPointed = false;
  await rewrite(writer, scenePlace(scene), async (file) => {
    isPointed = false;
    const sessionId = choose(file);
    if (sessionId === null) return null;
    const session = await readStatusFile(writer, sessionPlace(scene, sessionId));
    if (session.status === null || session.status === "damaged") return null;
    isPointed = true;
    return Buffer.compare(session.bytes, file.bytes) === 0 ? null : session.bytes;
  });
  return isPointed;
}

async function rewrite(
  writer: BucketWriter,
  place: string,
  next: (file: StatusFile) => Promise<Uint8Array | null>,
): Promise<void> {
  const key = statusKey(place);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const file = await readStatusFile(writer, place);
    const bytes = await next(file);
    if (bytes === null) return;
    if (await write(writer, key, bytes, file.condition)) return;
    await sleep(Math.random() * Math.min(SAME_KEY_EVERY_MS, FIRST_PAUSE_MS * 2 ** tries), writer.signal);
  }
  throw new SplatError("refused", `${printable(key)} changes all the time: somebody else keeps writing it`, {
    hint: "Try again once they are done.",
  });
}

/** @returns whether nobody was faster. */
async function write(
  { bucket, persist, signal, sameKeyEveryMs = SAME_KEY_EVERY_MS }: BucketWriter,
  key: string,
  bytes: Uint8Array,
  condition: WriteCondition,
): Promise<boolean> {
  const times = writtenAtMs.get(bucket) ?? new Map<string, number>();
  writtenAtMs.set(bucket, times);
  const waitMs = (times.get(key) ?? -Infinity) + sameKeyEveryMs - steadyMs();
  if (waitMs > 0) await sleep(waitMs, signal);
  const object = { bytes, contentType: STATUS_TYPE };
  const outcome = await persist(() => bucket.replaceIf(key, object, condition, signal));
  times.set(key, steadyMs());
  return outcome === "written";
}

function parse(bytes: Uint8Array): Pick<StatusFile, "status" | "sessionId"> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return { status: "damaged", sessionId: null };
  }
  const { data: status = "damaged" } = looseStatusSchema.safeParse(json);
  return { status, sessionId: namedSchema.safeParse(json).data?.session_id ?? null };
}

function encode(status: BucketStatus): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(status, null, 1)}\n`);
}
