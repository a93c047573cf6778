/** Bodies of what is stored in a bucket: handed over in slices, so that sending a large one holds nobody else up. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { messageOf, SplatError } from "../errors.ts";

const SLICE_BYTES = 1 << 20;

/** A file as it was looked at before it is sent. */
export interface FileBody {
  readonly path: string;
  readonly sizeBytes: number;
  /** Of its bytes, hex. */
  readonly md5: string;
}

/** The bytes as a stream. */
export function bytesBody(bytes: Uint8Array): Readable {
  return Readable.from(slicesOf(bytes), { objectMode: false, highWaterMark: SLICE_BYTES });
}

/**
 * The file as a stream, which ends in an error (`bad_input`) rather than with its last byte when the file is not what it
 * was, or cannot be read to its end. `onProgress` gets the bytes so far. Destroy it when done: then the file is closed.
 */
export function fileBody(file: FileBody, onProgress?: (sentBytes: number) => void): Readable {
  return Readable.from(readSlices(file, onProgress), { objectMode: false, highWaterMark: SLICE_BYTES });
}

/** All that a body has; null, and the rest is not read, when that is more than `mostBytes`. */
export async function collect(body: Readable, mostBytes: number): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  // Leaving the loop ends the connection.
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    sizeBytes += piece.length;
    if (sizeBytes > mostBytes) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** MD5 for Content-MD5 (RFC 1864), base64. */
export async function md5Of(bytes: Uint8Array): Promise<string> {
  const hash = createHash("md5");
  for (const slice of slicesOf(bytes)) {
    hash.update(slice);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return hash.digest("base64");
}

function* slicesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}

async function* readSlices(
  { path, sizeBytes, md5 }: FileBody,
  onProgress: ((sentBytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("md5");
  const unreadable = (cause: unknown): never => {
    throw new SplatError("bad_input", `cannot read ${path}: ${messageOf(cause)}`, { cause });
  };
  const file = await open(path).catch(unreadable);
  try {
    for (let at = 0; at < sizeBytes;) {
      const room = Buffer.allocUnsafe(Math.min(SLICE_BYTES, sizeBytes - at));
      const { bytesRead, buffer } = await file.read(room, 0, null, at).catch(unreadable);
      if (bytesRead === 0) throw changed(path);
      const slice = buffer.subarray(0, bytesRead);
      hash.update(slice);
      at += bytesRead;
      // Held back until all is known: a server that checks no MD5 gets too few bytes and stores nothing.
      if (at === sizeBytes && hash.digest("hex") !== md5) throw changed(path);
      yield slice;
      onProgress?.(at);
    }
  } finally {
    await file.close();
  }
}

function changed(path: string): SplatError {
  return new SplatError("bad_input", `${path} changed while it was being sent; nothing was stored`, {
    hint: "Run again once whatever writes it is done.",
  });
}
