/**
 * A scene of the user's into the bucket, as if a backend had written it: the chunk first, then the status.json that
 * names it. Every step may be repeated, so a push that was stopped anywhere is finished by the next one.
 */
import { sessionPlace } from "../api/bucket-keys.ts";
import type { BucketStatus, Chunk } from "../api/schema.ts";
import { SplatError, toSplatError } from "../errors.ts";
import { nowS } from "../time.ts";
import { checkTarget, requireExtension, sessionIdOf, type PushTarget } from "./push-target.ts";
import type { SceneFile } from "./scene-file.ts";
import { isLive } from "./session-status.ts";
import { changeStatus, pointScene, readStatusFile, type BucketWriter } from "./status-file.ts";

export interface PushOptions extends PushTarget {
  /** Bytes of the file that were sent. */
  readonly onProgress?: ((sentBytes: number) => void) | undefined;
}

/** What came of it. */
export interface Pushed {
  /** `already`: the session had this very file. */
  readonly outcome: "pushed" | "already";
  readonly scene: string;
  readonly sessionId: string;
  readonly chunk: Chunk;
  /** Whether the scene's status.json names this session now; not while another one is live. */
  readonly isNewest: boolean;
}

/** Chunks have numbers up to this: readers take no longer ones in a name, and a hostile one could not be counted on from. */
const MOST_INDEX = 999_999_999;
/** Names that others have taken meanwhile. */
const MOST_TAKEN = 1000;

/**
 * Store `file` as the newest chunk of a session that is complete, and let the scene point to it. Nothing in the bucket is
 * ever overwritten. Throws `usage` for a name that cannot be used, `refused` when the session is still being written or
 * another object has the name, and what the bucket throws.
 */
export async function pushScene(
  writer: BucketWriter,
  file: SceneFile,
  options: PushOptions,
): Promise<Pushed> {
  const { scene, sessionId = sessionIdOf(file.sha256) } = options;
  checkTarget({ scene, sessionId, name: options.name });
  const name = options.name?.normalize("NFC");
  if (name !== undefined) requireExtension(name, file.extension);
  return await store(writer, file, { ...options, sessionId, name });
}

/** Options with what they left open. */
interface Target extends PushOptions {
  readonly sessionId: string;
}

async function store(writer: BucketWriter, file: SceneFile, target: Target): Promise<Pushed> {
  const { scene, sessionId } = target;
  const place = sessionPlace(scene, sessionId);
  const { status } = await readStatusFile(writer, place);
  const session = requireComplete(status, place);
  const twin = session?.chunks.find((chunk) => isSame(chunk, file) && chunk.key === `${place}/${chunk.name}`);
  const names = twin === undefined ? namesFor(file, target, session) : [twin.name];
  const { name, isNew } = await createFirst(writer, file, { ...target, names });
  try {
    const chunk = await nameChunk(writer, place, name, file);
    const isNewest = await pointScene(writer, scene, ({ status: current }) => {
      const isOther = current !== null && current !== "damaged" && current.session_id !== sessionId;
      return isOther && isLive(current, current.updated_at) ? null : sessionId;
    });
    return { outcome: twin === undefined || isNew ? "pushed" : "already", scene, sessionId, chunk, isNewest };
  } catch (thrown) {
    throw withGoOn(toSplatError(thrown));
  }
}

/** The file is stored by now: that need not be done again. */
function withGoOn(error: SplatError): SplatError {
  if (error.code === "internal") return error;
  const goOn = "The same command again goes on where this one stopped.";
  const hint = error.hint === undefined ? goOn : `${error.hint} ${goOn}`;
  return new SplatError(error.code, error.message, { hint, cause: error.cause, refusal: error.refusal });
}

/** The session as it is; null when it begins with this push. Throws unless it is complete. */
function requireComplete(status: BucketStatus | "damaged" | null, place: string): BucketStatus | null {
  const hint = "Choose another --session; one that is not there begins with this scene.";
  if (status === "damaged" || (status !== null && !place.endsWith(`/${status.session_id}`))) {
    throw new SplatError(
      "refused",
      `${place}/status.json is damaged, so nothing can be added to that session`,
      {
        hint,
      },
    );
  }
  if (lastIndex(status) >= MOST_INDEX) {
    throw new SplatError(
      "refused",
      `the chunks of the session ${place} have numbers up to the last there is`,
      {
        hint,
      },
    );
  }
  if (status === null || status.complete) return status;
  throw new SplatError(
    "refused",
    `the session ${place} is not complete (${status.state}): a backend writes it`,
    {
      hint,
    },
  );
}

/** The name that the user wants, or those that follow the session's last chunk. */
function namesFor(
  { extension }: SceneFile,
  { name }: Target,
  session: BucketStatus | null,
): readonly string[] {
  if (name !== undefined) return [name];
  const first = lastIndex(session) + 1;
  return Array.from(
    { length: MOST_TAKEN },
    (_, i) => `chunk_${String(first + i).padStart(4, "0")}${extension}`,
  );
}

/** Store the file under the first of `names` that nobody has, or that an earlier push gave to these very bytes. */
async function createFirst(
  { bucket, persist, signal }: BucketWriter,
  file: SceneFile,
  { scene, sessionId, names, onProgress }: Target & { readonly names: readonly string[] },
): Promise<{ name: string; isNew: boolean }> {
  const place = sessionPlace(scene, sessionId);
  for (const name of names) {
    const key = `${place}/${name}`;
    // Asked first: it spares sending all of a file only to hear that the name is taken.
    const before = await persist(() => bucket.head(key, signal));
    if (before === null) {
      const outcome = await persist(() => bucket.createFromFile(key, file, signal, onProgress));
      if (outcome === "created") return { name, isNew: true };
    }
    const there = before ?? (await persist(() => bucket.head(key, signal)));
    const isOurs = there !== null && isSame({ bytes: there.sizeBytes, sha256: there.sha256 }, file);
    if (isOurs) return { name, isNew: before === null };
  }
  const what = names.length === 1 ? `${place}/${names[0]}` : `${names.length} names in a row below ${place}`;
  throw new SplatError("refused", `another object lies at ${what}, and nothing is overwritten`, {
    hint: "Give the scene another name with --name.",
  });
}

async function nameChunk(writer: BucketWriter, place: string, name: string, file: SceneFile): Promise<Chunk> {
  const named = (session: BucketStatus | null): Chunk | undefined =>
    session?.chunks.find((chunk) => chunk.name === name && isSame(chunk, file));
  const status = await changeStatus(writer, place, (current) => {
    const session = requireComplete(current, place);
    if (named(session) !== undefined) return null;
    return withChunk(session, place, describeChunk(writer, place, name, { file, session }));
  });
  return named(requireComplete(status, place)) as Chunk;
}

function describeChunk(
  { bucket }: BucketWriter,
  place: string,
  name: string,
  { file, session }: { readonly file: SceneFile; readonly session: BucketStatus | null },
): Chunk {
  const key = `${place}/${name}`;
  const frames = session?.frame_count ?? 0;
  const own = Number(/^chunk_(\d{4,9})\./.exec(name)?.[1] ?? 0);
  const isFree = own > 0 && session?.chunks.every(({ index }) => index !== own) !== false;
  return {
    name,
    index: isFree ? own : lastIndex(session) + 1,
    first_frame: frames,
    last_frame: frames,
    gaussian_count: file.gaussianCount,
    bytes: file.sizeBytes,
    sha256: file.sha256,
    key,
    url: bucket.urlOf(key),
    created_at: nowS(),
  };
}

function withChunk(session: BucketStatus | null, place: string, chunk: Chunk): BucketStatus {
  const chunks = [...(session?.chunks ?? []), chunk].sort((a, b) => a.index - b.index);
  return {
    ...session,
    session_id: session?.session_id ?? place.slice(place.lastIndexOf("/") + 1),
    updated_at: nowS(),
    state: "complete",
    frame_count: session?.frame_count ?? 0,
    gaussian_count: chunks.at(-1)?.gaussian_count ?? 0,
    complete: true,
    chunks,
  };
}

function lastIndex(session: BucketStatus | null): number {
  return session?.chunks.reduce((last, { index }) => Math.max(last, index), 0) ?? 0;
}

function isSame(there: { readonly bytes: number; readonly sha256: string | null }, file: SceneFile): boolean {
  return there.bytes === file.sizeBytes && there.sha256 === file.sha256;
}
