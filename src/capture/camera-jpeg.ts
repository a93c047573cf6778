/**
 * Cuts a stream of JPEGs into pictures by walking their markers and lengths (ITU-T T.81 annex B): a thumbnail inside a
 * picture has markers of its own, so looking for the end marker would find the wrong one. Whatever lies between two
 * pictures (padding, the headers of a multipart stream) is passed over.
 */
import { withHuffmanTables } from "./camera-huffman.ts";

/** One whole picture of a stream. */
export interface StreamedJpeg {
  readonly bytes: Uint8Array;
  /** Its first byte's place in the stream. */
  readonly startsAt: number;
}

/** Largest picture that is put together; what every backend accepts (contract, 413). */
const MAX_BYTES = 32 * 1024 * 1024;
const FIRST_ROOM = 256 * 1024;

const [SOI, EOI, SOS, DHT] = [0xd8, 0xd9, 0xda, 0xc4];

/** Where the walk is: between pictures, at a marker, or in a scan's data. */
type Place = "between" | "marker" | "data";

/** Fed with pieces of any size. */
export class JpegSplitter {
  #buffer = Buffer.allocUnsafe(FIRST_ROOM);
  #length = 0;
  /** How far the walk has come; the picture under way begins at 0. */
  #at = 0;
  #place: Place = "between";
  #hasTables = false;
  #hasFrame = false;
  #scanAt = 0;
  /** Bytes of the stream before the buffer. */
  #before = 0;
  #damaged = 0;

  /** Pictures that were begun and cannot be read to their end. */
  get damaged(): number {
    return this.#damaged;
  }

  /** The pictures that a piece completes. */
  push(piece: Uint8Array): StreamedJpeg[] {
    this.#append(piece);
    const pictures: StreamedJpeg[] = [];
    for (;;) {
      const picture = this.#walk();
      if (picture === "more") return pictures;
      if (picture !== null) pictures.push(picture);
    }
  }

  #append(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }

  /** One step; null when it ended without a picture, "more" when the bytes are at an end. */
  #walk(): StreamedJpeg | null | "more" {
    if (this.#place === "between") return this.#seek();
    if (this.#length > MAX_BYTES) return this.#giveUp(this.#length);
    return this.#place === "marker" ? this.#marker() : this.#data();
  }

  #seek(): null | "more" {
    const held = this.#buffer.subarray(0, this.#length);
    for (let at = this.#at; ; at++) {
      at = held.indexOf(0xff, at);
      if (at === -1) at = this.#length;
      // Not yet to be told: a start that is cut off stays.
      if (at + 3 > this.#length) {
        this.#drop(at);
        return "more";
      }
      if (held[at + 1] !== SOI || held[at + 2] !== 0xff) continue;
      this.#drop(at);
      this.#at = 2;
      this.#place = "marker";
      this.#hasTables = false;
      this.#hasFrame = false;
      this.#scanAt = 0;
      return null;
    }
  }

  #marker(): StreamedJpeg | null | "more" {
    const at = this.#at;
    if (at + 2 > this.#length) return "more";
    if (this.#buffer[at] !== 0xff) return this.#giveUp(at);
    const marker = this.#buffer[at + 1];
    if (marker === 0xff) {
      this.#at = at + 1; // fill byte
      return null;
    }
    if (marker === EOI) return this.#finish(at + 2);
    // The picture was cut off: this one begins another.
    if (marker === SOI || marker === 0x00) return this.#giveUp(at);
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
      this.#at = at + 2;
      return null;
    }
    if (at + 4 > this.#length) return "more";
    const sizeBytes = this.#buffer.readUInt16BE(at + 2);
    if (sizeBytes < 2) return this.#giveUp(at + 2);
    // A picture has one frame header, before its scans: another is another picture's.
    if (isFrameHeader(marker) ? this.#hasFrame : marker === SOS && !this.#hasFrame) return this.#giveUp(at);
    if (isFrameHeader(marker)) this.#hasFrame = true;
    if (marker === DHT) this.#hasTables = true;
    if (marker === SOS && this.#scanAt === 0) this.#scanAt = at;
    this.#place = marker === SOS ? "data" : "marker";
    this.#at = at + 2 + sizeBytes;
    return null;
  }

  #data(): null | "more" {
    const held = this.#buffer.subarray(0, this.#length);
    for (let at = this.#at; ;) {
      at = at > this.#length ? -1 : held.indexOf(0xff, at);
      if (at === -1) {
        this.#at = Math.max(this.#at, this.#length);
        return "more";
      }
      if (at + 2 > this.#length) {
        this.#at = at;
        return "more";
      }
      const next = held[at + 1];
      // A byte of data that is 0xff has a zero behind it; restart markers belong to the data.
      if (next === 0x00 || (next >= 0xd0 && next <= 0xd7)) at += 2;
      else if (next === 0xff) at += 1;
      else {
        this.#at = at;
        this.#place = "marker";
        return null;
      }
    }
  }

  #finish(end: number): StreamedJpeg | null {
    const startsAt = this.#before;
    const whole = this.#buffer.subarray(0, end);
    const isScanned = this.#scanAt > 0;
    const bytes = this.#hasTables ? Buffer.from(whole) : withHuffmanTables(whole, this.#scanAt);
    if (!isScanned) this.#damaged++;
    this.#drop(end);
    return isScanned ? { bytes, startsAt } : null;
  }

  /** The picture cannot be read on: the next is looked for from here. */
  #giveUp(at: number): null {
    this.#damaged++;
    this.#drop(Math.min(at, this.#length));
    return null;
  }

  #drop(count: number): void {
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
    this.#before += count;
    this.#at = 0;
    this.#place = "between";
    // One huge picture is no reason to hold its room for ever.
    if (this.#buffer.length > 16 * FIRST_ROOM && this.#length < FIRST_ROOM) {
      this.#buffer = Buffer.from(this.#buffer.subarray(0, FIRST_ROOM));
    }
  }
}

/** SOF0…SOF15, without DHT, JPG and DAC, which share the range. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== DHT && marker !== 0xc8 && marker !== 0xcc;
}
