/**
 * Memory that bodies are read into, used again once its pieces are given back: fresh memory for every half mebibyte
 * would cost more, in page faults and collections, than what is done with the bytes.
 */

const BLOCK_BYTES = 512 * 1024;
/** With less room a new block is begun: small reads cost as much as large ones. */
const LEAST_ROOM_BYTES = 64 * 1024;
/** More are left to the garbage collector. */
const MOST_FREE = 64;

interface Block {
  readonly bytes: Buffer;
  /** Pieces that are not given back, and one more while it is being filled. */
  uses: number;
}

const free: Block[] = [];
/** Of what is never given back nothing is kept. */
const blocks = new WeakMap<ArrayBufferLike, Block>();

/** What one connection reads into. */
export class ReadMemory {
  #block: Block | null = null;
  #filledBytes = 0;

  /** Room for the next read: at least 64 KiB. */
  room(): Buffer {
    if (this.#block === null || this.#block.bytes.length - this.#filledBytes < LEAST_ROOM_BYTES) {
      this.end();
      this.#block = free.pop() ?? newBlock();
      this.#block.uses = 1;
      this.#filledBytes = 0;
    }
    return this.#block.bytes.subarray(this.#filledBytes);
  }

  /** The piece that was read into the last room. */
  filled(bytes: number): Buffer {
    if (this.#block === null) throw new Error("nothing was read into");
    const at = this.#filledBytes;
    this.#filledBytes += bytes;
    return this.#block.bytes.subarray(at, this.#filledBytes);
  }

  /** Nothing more is read. */
  end(): void {
    if (this.#block !== null) release(this.#block);
    this.#block = null;
  }
}

/** A piece goes to somebody who may give it back. */
export function lend(piece: Uint8Array): void {
  const block = blocks.get(piece.buffer);
  if (block !== undefined) block.uses++;
}

/** Pieces that nobody looks at any more. Whoever does not call this for a piece keeps it for good. */
export function giveBack(pieces: readonly Uint8Array[]): void {
  for (const { buffer } of pieces) {
    const block = blocks.get(buffer);
    if (block !== undefined) release(block);
  }
}

function newBlock(): Block {
  const block = { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), uses: 0 };
  blocks.set(block.bytes.buffer, block);
  return block;
}

function release(block: Block): void {
  block.uses--;
  if (block.uses === 0 && free.length < MOST_FREE) free.push(block);
}
