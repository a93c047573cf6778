/**
 * The local folder that is laid out as the bucket is: `<prefix>/<scene>/<session_id>/chunk_0001.ply`, and a status.json
 * in the session's folder and in the scene's. What status.json names there is whole and on disk.
 */
import { createHash } from "node:crypto";
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PREFIX, sessionPlace, statusKey } from "../api/bucket-keys.ts";
import { bucketStatusSchema, type BucketStatus, type Chunk } from "../api/schema.ts";
import { messageOf, SplatError } from "../errors.ts";

const READ_BYTES = 1 << 20;

/** A status.json; null when there is none or it is damaged (then the next one replaces it). */
export async function readStatus(folder: string, placeKey: string): Promise<BucketStatus | null> {
  try {
    const text = await readFile(join(folder, statusKey(placeKey)), "utf8");
    return bucketStatusSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Every session in the folder with its status, the longest untouched first. */
export async function readSessions(folder: string): Promise<Map<string, BucketStatus>> {
  const found: (readonly [string, BucketStatus])[] = [];
  for (const scene of await foldersIn(join(folder, PREFIX))) {
    for (const id of await foldersIn(join(folder, PREFIX, scene))) {
      const sessionKey = sessionPlace(scene, id);
      const status = await readStatus(folder, sessionKey);
      if (status !== null) found.push([sessionKey, status]);
    }
  }
  return new Map(found.sort(([, a], [, b]) => a.updated_at - b.updated_at));
}

/**
 * Chunks of a session after a restart: those it saved, and those written after it saved last. A chunk that was named
 * may be in the bucket already, where its key never changes: it must not be written again with other content.
 */
export async function chunksOnDisk(
  folder: string,
  sessionKey: string,
  saved: readonly Chunk[],
): Promise<readonly Chunk[]> {
  const named = (await readStatus(folder, sessionKey))?.chunks ?? [];
  return named.length > saved.length ? named : saved;
}

/** A chunk's bytes. Throws `bad_input` when the file is gone or is not what was written. */
export async function readChunk(folder: string, chunk: Chunk): Promise<Uint8Array> {
  const path = join(folder, chunk.key);
  const { bytes, sha256 } = await readHashed(path, chunk.bytes).catch((error: unknown) => {
    throw new SplatError("bad_input", `${path} cannot be read: ${messageOf(error)}`);
  });
  if (sha256 !== chunk.sha256)
    throw new SplatError("bad_input", `${path} is damaged: its SHA-256 is another`);
  return bytes;
}

/** In slices, so that other work runs in between. */
async function readHashed(path: string, sizeBytes: number): Promise<{ bytes: Uint8Array; sha256: string }> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size !== sizeBytes) throw new Error(`it has ${size} bytes instead of ${sizeBytes}`);
    const bytes = new Uint8Array(sizeBytes);
    const hash = createHash("sha256");
    for (let at = 0; at < sizeBytes;) {
      const { bytesRead } = await file.read(bytes, at, Math.min(READ_BYTES, sizeBytes - at));
      if (bytesRead === 0) throw new Error("it ends early");
      hash.update(bytes.subarray(at, at + bytesRead));
      at += bytesRead;
    }
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    await file.close();
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
