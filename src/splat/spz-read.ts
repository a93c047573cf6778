/**
 * Reads SPZ: versions 2 and 3, gzipped or plain, and version 4, whose attributes are a zstd stream each. What the header
 * promises is compared with what the bytes can hold before anything is unpacked.
 */
import { allocateGaussians, shCount, type Gaussians, type ShDegree } from "./gaussians.ts";
import { gunzip } from "./gzip.ts";
import { badSpz, SPZ_HEADER_BYTES, SPZ_MAGIC, spzPartBytes } from "./spz-layout.ts";
import { spzMirror, unpackSpz } from "./spz-unpack.ts";
import { unzstd } from "./zstd.ts";

/**
 * A file that unpacks to more than this, bytes, and to more than so many times its own size is a bomb: noise, which scenes
 * mostly are, packs two- or threefold, and a scene of equal Gaussians some hundredfold.
 */
const FREE_BYTES = 16 * 1024 * 1024;
const MOST_RATIO = 200;

/** What may follow the Gaussians of versions 2 and 3: extensions, bytes. */
const MOST_TRAILING = 64 * 1024;

const FLAG_ANTIALIASED = 1;
const FLAG_EXTENSIONS = 2;

/** Version 4's header, and each entry of the table of streams behind it. */
const V4_HEADER_BYTES = 32;
const V4_ENTRY_BYTES = 16;

interface Header {
  readonly version: number;
  readonly count: number;
  readonly shDegree: number;
  readonly fractionalBits: number;
  readonly flags: number;
  /** Of each attribute, see `spzPartBytes`. */
  readonly partBytes: readonly number[];
  readonly packedBytes: number;
}

/** A scene and what of its file is not in it. */
export interface SpzScene {
  readonly gaussians: Gaussians;
  readonly notes: readonly string[];
  readonly antialiased: boolean;
}

/**
 * The scene of an SPZ file, in a PLY's axes. Degree 4 of view-dependent colour is left out. Throws `bad_input` when the
 * bytes are no such file.
 */
export async function decodeSpz(bytes: Uint8Array): Promise<SpzScene> {
  const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (gzipped) return fromPacked(await unpackGzip(bytes));
  const header = readHeader(bytes, bytes.length);
  return header.version === 4 ? fromStreams(bytes, header) : fromPacked(bytes);
}

/**
 * How many Gaussians the header of an SPZ file of `fileBytes` promises, from the file's `start` (some KB). Throws
 * `bad_input` when it is no such file, or far too short for them.
 */
export async function readSpzCount(start: Uint8Array, fileBytes: number): Promise<number> {
  if (start[0] !== 0x1f || start[1] !== 0x8b) return readHeader(start, fileBytes).count;
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of gunzip(start)) {
      pieces.push(piece);
      length += piece.length;
      if (length >= SPZ_HEADER_BYTES) break;
    }
  } catch (thrown) {
    throw badSpz("its gzip data is damaged", thrown);
  }
  return readHeader(joined(pieces, length), fileBytes).count;
}

function readHeader(start: Uint8Array, fileBytes: number): Header {
  if (start.length < SPZ_HEADER_BYTES) throw badSpz("it ends within its header");
  const view = new DataView(start.buffer, start.byteOffset, start.length);
  if (view.getUint32(0, true) !== SPZ_MAGIC) throw badSpz('it does not begin with "NGSP"');
  const version = view.getUint32(4, true);
  const count = view.getUint32(8, true);
  const [shDegree, fractionalBits, flags] = start.subarray(12, 15);
  if (version < 2 || version > 4) throw badSpz(`its version is ${version}, and 2 to 4 are known`);
  if (shDegree > 4) throw badSpz(`view-dependent colour of degree ${shDegree} is unknown`);
  if (fractionalBits > 23)
    throw badSpz(`positions of 24 bits cannot have ${fractionalBits} behind the point`);
  const partBytes = spzPartBytes(version, count, shDegree);
  const packedBytes = partBytes.reduce((sum, size) => sum + size, 0);
  if (packedBytes > Math.max(FREE_BYTES, MOST_RATIO * fileBytes)) {
    throw badSpz(`its header promises ${count} Gaussians, far more than ${fileBytes} bytes can hold`);
  }
  return { version, count, shDegree, fractionalBits, flags, partBytes, packedBytes };
}

/** The whole of versions 2 and 3, as long as its header says. */
async function unpackGzip(bytes: Uint8Array): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  let most = Number.POSITIVE_INFINITY;
  try {
    for await (const piece of gunzip(bytes)) {
      pieces.push(piece);
      length += piece.length;
      if (most === Number.POSITIVE_INFINITY && length >= SPZ_HEADER_BYTES) {
        const header = readHeader(joined(pieces, length), bytes.length);
        if (header.version === 4) throw badSpz("version 4 is never gzipped");
        most = SPZ_HEADER_BYTES + header.packedBytes + MOST_TRAILING;
      }
      if (length > most) throw badSpz("it goes on behind the Gaussians that its header promises");
    }
  } catch (thrown) {
    // Ours say why; the platform's only that the gzip data is damaged or ends early.
    if (thrown instanceof Error && thrown.name === "SplatError") throw thrown;
    throw badSpz("its gzip data is damaged or cut short", thrown);
  }
  return joined(pieces, length);
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function fromPacked(bytes: Uint8Array): SpzScene {
  const header = readHeader(bytes, bytes.length);
  const end = SPZ_HEADER_BYTES + header.packedBytes;
  if (bytes.length < end) {
    throw badSpz(
      `it is cut short: its header promises ${header.count} Gaussians, and the bytes end before them`,
    );
  }
  let at = SPZ_HEADER_BYTES;
  const parts = header.partBytes.map((size) => bytes.subarray(at, (at += size)));
  return toScene(header, parts, bytes.subarray(end));
}

/** Header, extensions, table of streams (packed and unpacked size), streams; empty attributes have no stream. */
function fromStreams(bytes: Uint8Array, header: Header): SpzScene {
  if (bytes.length < V4_HEADER_BYTES) throw badSpz("it ends within its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const tableAt = view.getUint32(16, true);
  const streams = bytes[15];
  let at = tableAt + streams * V4_ENTRY_BYTES;
  if (tableAt < V4_HEADER_BYTES || at > bytes.length) throw badSpz("its table of streams lies outside of it");
  if (streams !== header.partBytes.filter((size) => size > 0).length) {
    throw badSpz(`it has ${streams} streams, not one for each attribute`);
  }
  let entry = tableAt;
  const parts = header.partBytes.map((size) => {
    if (size === 0) return new Uint8Array();
    const packed = view.getBigUint64(entry, true);
    const unpacked = view.getBigUint64(entry + 8, true);
    entry += V4_ENTRY_BYTES;
    if (unpacked !== BigInt(size))
      throw badSpz("a stream is not as long as the number of Gaussians asks for");
    if (packed > BigInt(bytes.length - at)) throw badSpz("it is cut short: a stream ends behind it");
    return unzstd(bytes.subarray(at, (at += Number(packed))), size);
  });
  return toScene(header, parts, bytes.subarray(V4_HEADER_BYTES, tableAt));
}

function toScene(header: Header, parts: readonly Uint8Array[], extensions: Uint8Array): SpzScene {
  const notes: string[] = [];
  if (header.shDegree > 3) notes.push("view-dependent colour of degree 4: read up to degree 3");
  const shDegree = Math.min(3, header.shDegree) as ShDegree;
  const gaussians = allocateGaussians(header.count, shDegree);
  const mirror = spzMirror((header.flags & FLAG_EXTENSIONS) === 0 ? new Uint8Array() : extensions);
  unpackSpz(gaussians, parts, {
    fractionalBits: header.fractionalBits,
    version: header.version,
    coefficients: (header.shDegree + 1) ** 2 - 1,
    kept: shCount(shDegree) - 1,
    mirror,
  });
  return { gaussians, notes, antialiased: (header.flags & FLAG_ANTIALIASED) !== 0 };
}
