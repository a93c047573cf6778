/** Reading one picture from disk while something else may still be writing, replacing or deleting it. */
import { open, stat, type FileHandle } from "node:fs/promises";
import { readImageHeader, type ImageHeader } from "./image-header.ts";

/** Largest file that is read at all; what every backend accepts (contract, 413). */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** Largest picture that any backend decodes (contract, 422). */
const MAX_PIXELS = 64_000_000;
const MAX_SIDE = 16_384;

/** Tells one state of a file from another. */
export interface FileVersion {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

/** One look at a file. */
export type FileLook =
  | {
      readonly kind: "ready";
      readonly bytes: Buffer;
      readonly header: ImageHeader;
      readonly version: FileVersion;
    }
  /** Not complete yet; `reason` is what to say if it stays so. */
  | { readonly kind: "growing"; readonly version: FileVersion; readonly reason: string }
  | { readonly kind: "gone" }
  | { readonly kind: "rejected"; readonly version: FileVersion; readonly reason: string };

/** Whether two looks saw the same state. */
export function isSameVersion(a: FileVersion, b: FileVersion): boolean {
  return a.sizeBytes === b.sizeBytes && a.mtimeMs === b.mtimeMs;
}

/**
 * Look at a picture. It is `ready` when nothing changed since the look `before` (size stable over two looks), nothing
 * changed while reading, and its end marker is there. Never throws for what a file can be.
 */
export async function lookAtImage(path: string, before: FileVersion): Promise<FileLook> {
  try {
    const stats = await stat(path);
    const version = { sizeBytes: stats.size, mtimeMs: stats.mtimeMs };
    if (!stats.isFile()) return { kind: "rejected", version, reason: "not a regular file" };
    if (stats.size > MAX_FILE_BYTES) return { kind: "rejected", version, reason: "over 32 MiB" };
    if (!isSameVersion(version, before)) return growing(version, "still being written");
    if (stats.size === 0) return growing(version, "empty: zero bytes");
    const bytes = await readWhole(path, version);
    return bytes === null ? growing(version, "still being written") : judge(bytes, version);
  } catch (thrown) {
    return failedLook((thrown as NodeJS.ErrnoException).code ?? "unknown error", before);
  }
}

function growing(version: FileVersion, reason: string): FileLook {
  return { kind: "growing", version, reason };
}

/** The file's bytes, or null when it changed while it was read. */
async function readWhole(path: string, version: FileVersion): Promise<Buffer | null> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const bytes = Buffer.allocUnsafe(version.sizeBytes);
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
      if (bytesRead === 0) return null;
      filled += bytesRead;
    }
    const after = await handle.stat();
    return isSameVersion({ sizeBytes: after.size, mtimeMs: after.mtimeMs }, version) ? bytes : null;
  } finally {
    await handle?.close();
  }
}

function judge(bytes: Buffer, version: FileVersion): FileLook {
  const header = readImageHeader(bytes);
  if (header === null) {
    const reason = "neither JPEG nor PNG by its bytes";
    // A few bytes, or zeros of a file laid out before it is filled, may still become a picture.
    const undecided = bytes.length < 8 || bytes.subarray(0, 8).every((byte) => byte === 0);
    return undecided ? growing(version, reason) : { kind: "rejected", version, reason };
  }
  if (!header.complete) return growing(version, "truncated: the end of the image is missing");
  const reason = whyHopeless(header);
  return reason === null ? { kind: "ready", bytes, header, version } : { kind: "rejected", version, reason };
}

function whyHopeless({ width, height }: ImageHeader): string | null {
  if (width === 0 || height === 0) return `${width}×${height} pixels`;
  if (width * height > MAX_PIXELS) return `${width}×${height} pixels: over 64 Mpx`;
  if (Math.max(width, height) > MAX_SIDE) return `${width}×${height} pixels: a side over 16 384`;
  return null;
}

function failedLook(code: string, before: FileVersion): FileLook {
  if (code === "ENOENT" || code === "ENOTDIR" || code === "ESTALE") return { kind: "gone" };
  if (code === "EMFILE" || code === "ENFILE") return growing(before, "too many open files on this machine");
  return { kind: "rejected", version: before, reason: `cannot be read: ${code}` };
}
