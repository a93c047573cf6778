/**
 * What the bytes of a JPEG or PNG say about themselves, without decoding a pixel: kind, size, alpha, EXIF block,
 * and whether the end is there. ITU-T T.81 annex B (JPEG markers); PNG specification §5 (chunks).
 */

export interface ImageHeader {
  readonly mediaType: "image/jpeg" | "image/png";
  /** Pixels as stored, before any EXIF orientation. 0 when the size is not in the bytes yet. */
  readonly width: number;
  readonly height: number;
  readonly hasAlpha: boolean;
  /** Whether the end marker is there (JPEG: EOI after the first scan; PNG: IEND). */
  readonly complete: boolean;
  /** The EXIF block, as `exif-reader` takes it. */
  readonly exif: Buffer | null;
}

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);

/** Header of the image these bytes hold or begin; null when they are neither JPEG nor PNG, whatever their name. */
export function readImageHeader(bytes: Buffer): ImageHeader | null {
  if (bytes.subarray(0, 8).equals(PNG_SIGNATURE)) return readPng(bytes);
  if (bytes.length >= 3 && bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff)
    return readJpeg(bytes);
  return null;
}

function readPng(bytes: Buffer): ImageHeader {
  let [width, height, hasAlpha, complete] = [0, 0, false, false];
  let exif: Buffer | null = null;
  for (let at = 8; at + 12 <= bytes.length && !complete; at += 12 + bytes.readUInt32BE(at)) {
    const end = at + 8 + bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    if (type === "IHDR" && at + 18 <= bytes.length) {
      width = bytes.readUInt32BE(at + 8);
      height = bytes.readUInt32BE(at + 12);
      hasAlpha = bytes[at + 17] === 4 || bytes[at + 17] === 6;
    } else if (type === "tRNS") hasAlpha = true;
    else if (type === "eXIf" && end <= bytes.length) exif = bytes.subarray(at + 8, end);
    else if (type === "IEND") complete = true;
  }
  return { mediaType: "image/png", width, height, hasAlpha, complete, exif };
}

function readJpeg(bytes: Buffer): ImageHeader {
  let [width, height, complete] = [0, 0, false];
  let exif: Buffer | null = null;
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1; // fill byte
      continue;
    }
    const next = at + 2 + bytes.readUInt16BE(at + 2);
    if (isStartOfFrame(marker) && at + 9 <= bytes.length) {
      height = bytes.readUInt16BE(at + 5);
      width = bytes.readUInt16BE(at + 7);
    } else if (marker === 0xe1 && bytes.toString("latin1", at + 4, at + 8) === "Exif") {
      exif = bytes.subarray(at + 4, next);
    } else if (marker === 0xda) {
      // Only an EOI after the first scan counts: the thumbnail inside EXIF has one of its own.
      // What follows it (padding, a phone's video) is tolerated.
      complete = bytes.lastIndexOf(END_OF_IMAGE) >= next;
      break;
    }
    at = next;
  }
  return { mediaType: "image/jpeg", width, height, hasAlpha: false, complete, exif };
}

/** SOF0…SOF15, without DHT, JPG and DAC, which share the range. */
function isStartOfFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}
