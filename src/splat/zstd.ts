/** zstd (RFC 8878) of a known unpacked size; neither Node 20 nor browsers bring it along. */
import { Decompress } from "fzstd";
import { badSpz } from "./spz-layout.ts";

/** Most memory a stream may ask for to look back into what it unpacked, bytes: what `zstd -19` uses and more. */
const MOST_WINDOW = 32 * 1024 * 1024;

const MAGIC = 0xfd2fb528;

/** Unpack one frame to exactly `sizeBytes`. Throws `bad_input`. */
export function unzstd(packed: Uint8Array, sizeBytes: number): Uint8Array {
  if (windowBytes(packed) > Math.max(MOST_WINDOW, sizeBytes)) {
    throw badSpz("a zstd stream asks for more memory than its content needs");
  }
  if (frameEnd(packed) < packed.length) throw badSpz("a stream is more than one zstd frame");
  const out = new Uint8Array(sizeBytes);
  let at = 0;
  const stream = new Decompress((piece) => {
    if (at + piece.length > sizeBytes) throw badSpz("a stream unpacks to more than its header says");
    out.set(piece, at);
    at += piece.length;
  });
  try {
    stream.push(packed, true);
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "SplatError") throw thrown;
    throw badSpz("its zstd data is damaged or cut short", thrown);
  }
  if (at !== sizeBytes) throw badSpz("a stream unpacks to less than its header says");
  return out;
}

/** Where the frame ends, read off the headers of its blocks: a second frame could ask for any amount of memory. */
function frameEnd(packed: Uint8Array): number {
  const flags = packed[4];
  const single = (flags >> 5) & 1;
  const contentSizeBytes = flags >> 6 === 0 ? single : 1 << (flags >> 6);
  let at = 6 - single + [0, 1, 2, 4][flags & 3] + contentSizeBytes;
  for (;;) {
    const head = packed[at] | (packed[at + 1] << 8) | (packed[at + 2] << 16);
    const isRun = ((head >> 1) & 3) === 1;
    at += 3 + (isRun ? 1 : head >> 3);
    // The checksum behind the last block has four bytes.
    if ((head & 1) === 1 || at >= packed.length) return at + (flags & 4);
  }
}

/** From the frame's header: the window, or the content's own size when it is a single segment. */
function windowBytes(packed: Uint8Array): number {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  if (packed.length < 6) throw badSpz("a zstd stream is cut short");
  if (view.getUint32(0, true) !== MAGIC) throw badSpz("a stream is not zstd");
  const descriptor = packed[4];
  if ((descriptor & 0x20) === 0) {
    const base = 2 ** (10 + (packed[5] >> 3));
    return base + (base / 8) * (packed[5] & 7);
  }
  const at = 5 + [0, 1, 2, 4][descriptor & 3];
  const sizeBytes = [1, 2, 4, 8][descriptor >> 6];
  if (packed.length < at + sizeBytes) throw badSpz("a zstd stream is cut short");
  if (sizeBytes === 1) return packed[at];
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  return sizeBytes === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}
