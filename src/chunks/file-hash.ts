/**
 * Hashes of a file while it is being written. Small ones are hashed from the pieces as they pass; large ones on a thread
 * that follows what is written by reading the file again: cheaper than handing buffers over, the order in which parts
 * come does not matter, and it is the file that is checked, not what was meant to be written.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { HashThread } from "./file-hash-thread.ts";

/** Hex. */
export interface Digests {
  readonly sha256: string;
  /** null where it was not asked for. */
  readonly md5: string | null;
}

/** A hash of a file's bytes, from the first to the last one. */
export interface ContentHash {
  /** `pieces` lie in the file from `start` on, and it has no hole below `prefixBytes`. */
  wrote(start: number, pieces: readonly Uint8Array[], prefixBytes: number): void;
  /** Of the first `sizeBytes`, once they all are there. Rejects when the file cannot be read. */
  digests(sizeBytes: number): Promise<Digests>;
  /** No digest is wanted any more; the file may be closed. */
  drop(): void;
}

/** Files of more bytes are hashed on the thread; below, telling it costs more than it saves. */
const HASHED_INLINE_BYTES = 2 ** 20;

const READ_BYTES = 2 ** 20;
/** Hashes files, those that are being written and those that lie there; its thread starts when there is need of it. */
export class Hasher {
  #thread: HashThread | null = null;
  #isClosed = false;

  /** A file of so many bytes will come: starting a thread takes a while. */
  expect(sizeBytes: number): void {
    if (sizeBytes > HASHED_INLINE_BYTES) this.#openThread();
  }

  /** A hash of a file that will have `sizeBytes`; `file` opens it, where it has to be read. */
  async begin(file: () => Promise<FileHandle>, sizeBytes: number, withMd5: boolean): Promise<ContentHash> {
    if (sizeBytes <= HASHED_INLINE_BYTES) return hashInline(file, withMd5);
    return this.#openThread().follow(await file(), withMd5);
  }

  /** The digests of a file that lies there, and its size. Throws what the file system throws, and for what is no file. */
  async hashFile(path: string, withMd5: boolean): Promise<Digests & { readonly sizeBytes: number }> {
    // A pipe would be waited for without end.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new Error("no file, but something else of that name");
      const sizeBytes = stats.size;
      const hash = await this.begin(async () => file, sizeBytes, withMd5);
      return { ...(await hash.digests(sizeBytes)), sizeBytes };
    } finally {
      await file.close();
    }
  }

  /** End it; what is still waited for rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.close();
  }

  #openThread(): HashThread {
    if (this.#isClosed) throw new Error("no more files are hashed");
    return (this.#thread ??= new HashThread());
  }
}

/** A hash that is made of the pieces as they are written; what comes out of order is read again at the end. */
function hashInline(file: () => Promise<FileHandle>, withMd5: boolean): ContentHash {
  const sha256 = createHash("sha256");
  const md5 = withMd5 ? createHash("md5") : null;
  let at = 0;
  const update = (piece: Uint8Array): void => {
    sha256.update(piece);
    md5?.update(piece);
    at += piece.length;
  };
  return {
    wrote(start, pieces) {
      let pieceAt = start;
      for (const piece of pieces) {
        if (pieceAt === at) update(piece);
        pieceAt += piece.length;
      }
    },
    async digests(sizeBytes) {
      if (at < sizeBytes) for await (const piece of readBytes(await file(), at, sizeBytes)) update(piece);
      return { sha256: sha256.digest("hex"), md5: md5?.digest("hex") ?? null };
    },
    drop: () => undefined,
  };
}

async function* readBytes(file: FileHandle, from: number, to: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to;) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, to - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new Error("a file is shorter than it was");
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
