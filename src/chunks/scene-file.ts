/** A scene file of the user's, looked at before it goes anywhere: what it is, how many Gaussians, its digests. */
import { createHash } from "node:crypto";
import { open, stat, type FileHandle } from "node:fs/promises";
import { messageOf, SplatError } from "../errors.ts";
import { requirePutSize, type NewFile } from "../remote/r2.ts";
import { decodeScene, readSceneHeader, SCENE_START_BYTES, type SceneHeader } from "../splat/formats.ts";

/** Ready to be stored. */
export interface SceneFile extends NewFile {
  readonly gaussianCount: number;
  /** Of its name in the bucket, with the dot: by what it is, whatever it is called here. */
  readonly extension: string;
}

/** Files up to this are decoded whole; of larger ones the header has to do, bytes. */
const DECODED_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 1 << 20;
const SCENE_TYPE = "application/octet-stream";

const EXTENSIONS: Readonly<Record<SceneHeader["format"], string>> = {
  ply: ".ply",
  "compressed ply": ".compressed.ply",
  splat: ".splat",
  spz: ".spz",
};

/**
 * Look at `path`. `onProgress` gets the bytes read so far and how many there are. Throws `bad_input` when it cannot be
 * read, is no scene or is too large to be stored, the last before anything of it is read.
 */
export async function readSceneFile(
  path: string,
  signal: AbortSignal,
  onProgress?: (readBytes: number, sizeBytes: number) => void,
): Promise<SceneFile> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    requirePutSize(path, size);
    const start = Buffer.alloc(Math.min(size, size > DECODED_BYTES ? SCENE_START_BYTES : size));
    const digests = await readThrough(path, file, start, (readBytes) => {
      signal.throwIfAborted();
      onProgress?.(readBytes, size);
    });
    if (digests.sizeBytes !== size) {
      throw new SplatError("bad_input", `${path} changed while it was being read`, {
        hint: "Run again once whatever writes it is done.",
      });
    }
    const { format, gaussianCount } = await describe(start, size, path);
    if (gaussianCount === 0) throw new SplatError("bad_input", `${path} has no Gaussians`);
    return { path, ...digests, contentType: SCENE_TYPE, gaussianCount, extension: EXTENSIONS[format] };
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Asked first: opening a named pipe would wait for somebody to write into it.
    if ((await stat(path)).isFile()) return await open(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw new SplatError("bad_input", `${path} is no file`, { hint: "Name a .ply, .spz or .splat file." });
}

function unreadable(path: string, cause: unknown): SplatError {
  return new SplatError("bad_input", `cannot read ${path}: ${messageOf(cause)}`, { cause });
}

/** Digests of all of it, and its beginning into `start`. */
async function readThrough(
  path: string,
  file: FileHandle,
  start: Buffer,
  onProgress: (readBytes: number) => void,
): Promise<Pick<SceneFile, "sizeBytes" | "sha256" | "md5">> {
  const [sha256, md5] = [createHash("sha256"), createHash("md5")];
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let sizeBytes = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, sizeBytes).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    if (bytesRead === 0) return { sizeBytes, sha256: sha256.digest("hex"), md5: md5.digest("hex") };
    const piece = buffer.subarray(0, bytesRead);
    sha256.update(piece);
    md5.update(piece);
    if (sizeBytes < start.length) piece.copy(start, sizeBytes);
    sizeBytes += bytesRead;
    onProgress(sizeBytes);
  }
}

/** Which file it is about belongs into the message. */
async function describe(start: Buffer, sizeBytes: number, path: string): Promise<SceneHeader> {
  try {
    if (start.length < sizeBytes) return await readSceneHeader(start, sizeBytes, path);
    const { format, gaussians } = await decodeScene(start, path);
    return { format, gaussianCount: gaussians.count };
  } catch (thrown) {
    if (!(thrown instanceof SplatError) || thrown.message.includes(path)) throw thrown;
    throw new SplatError(thrown.code, `${path}: ${thrown.message}`, {
      hint: thrown.hint,
      cause: thrown.cause,
    });
  }
}
