import sharp from "sharp";
import { expect, test } from "vitest";
import { JpegSplitter } from "../../src/capture/camera-jpeg.ts";
import { seededRandom } from "../helpers/random.ts";

/** Noise of a seed, so that its data holds every kind of byte. */
async function photo(seed: number, options: { progressive?: boolean; size?: number } = {}): Promise<Buffer> {
  const { size = 48, progressive = false } = options;
  const random = seededRandom(seed);
  const raw = Buffer.from(Array.from({ length: size * size * 3 }, () => Math.floor(random() * 256)));
  return await sharp(raw, { raw: { width: size, height: size, channels: 3 } })
    .jpeg({ progressive, quality: 95 })
    .toBuffer();
}

function segment(marker: number, content: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([head, content]);
}

/** With a thumbnail in EXIF, itself a whole JPEG. */
function withThumbnail(jpeg: Buffer, thumbnail: Buffer): Buffer {
  const exif = segment(0xe1, Buffer.concat([Buffer.from("Exif\0\0"), thumbnail]));
  return Buffer.concat([jpeg.subarray(0, 2), exif, jpeg.subarray(2)]);
}

/** Without its Huffman tables, as many webcams send them. */
function withoutTables(jpeg: Buffer): Buffer {
  const kept = [jpeg.subarray(0, 2)];
  for (let at = 2; ;) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    if (jpeg[at + 1] === 0xda) return Buffer.concat([...kept, jpeg.subarray(at)]);
    if (jpeg[at + 1] !== 0xc4) kept.push(jpeg.subarray(at, end));
    at = end;
  }
}

async function pictures(): Promise<Buffer[]> {
  const small = await photo(9, { size: 8 });
  const plain = await photo(1);
  return [
    plain,
    withThumbnail(await photo(2), small),
    await photo(3, { progressive: true }),
    // Fill bytes before a marker, a comment that looks like an end and a start.
    Buffer.concat([
      plain.subarray(0, 2),
      Buffer.from([0xff, 0xff]),
      segment(0xfe, Buffer.from([0xff, 0xd9, 0xff, 0xd8, 0xff])),
      plain.subarray(2),
    ]),
  ];
}

function split(
  stream: Buffer,
  cuts: readonly number[],
): { found: Buffer[]; starts: number[]; damaged: number } {
  const splitter = new JpegSplitter();
  const found: Buffer[] = [];
  const starts: number[] = [];
  let from = 0;
  for (const to of [...cuts, stream.length]) {
    for (const { bytes, startsAt } of splitter.push(stream.subarray(from, to))) {
      found.push(Buffer.from(bytes));
      starts.push(startsAt);
    }
    from = to;
  }
  return { found, starts, damaged: splitter.damaged };
}

test("pictures come whole from a stream that is cut anywhere, thumbnails and all", async () => {
  const all = await pictures();
  const between = [
    Buffer.from("--frame\r\nContent-Length: 7\r\n\r\n"),
    Buffer.alloc(40),
    Buffer.from([0xff]),
    Buffer.alloc(0),
  ];
  const stream = Buffer.concat(all.flatMap((one, i) => [between[i], one]));
  const random = seededRandom(5);
  const everyByte = Array.from({ length: stream.length - 1 }, (_, i) => i + 1);
  const cuttings = [[], everyByte];
  for (let round = 0; round < 200; round++) cuttings.push(everyByte.filter(() => random() < 0.003));
  for (const cuts of cuttings) {
    const { found, starts, damaged } = split(stream, cuts);
    expect(found.map((one, i) => one.equals(all[i]))).toEqual([true, true, true, true]);
    expect(starts.map((at) => stream.readUInt16BE(at))).toEqual([0xffd8, 0xffd8, 0xffd8, 0xffd8]);
    expect(damaged).toBe(0);
  }
});

test("a picture that is cut off is left out, and the next one comes", async () => {
  const [first, second] = [await photo(1), await photo(2)];
  for (let cut = 3; cut < first.length - 2; cut += 97) {
    const { found } = split(Buffer.concat([first.subarray(0, cut), second, second]), []);
    // One whose header was cut may take the beginning of the next along.
    expect(found.length).toBeGreaterThanOrEqual(1);
    expect(found.every((one) => one.equals(second))).toBe(true);
  }
});

test("noise, and pictures with any byte changed, neither throw nor hold anything up", async () => {
  const [first, second] = [await photo(1), await photo(2)];
  const random = seededRandom(11);
  for (let round = 0; round < 300; round++) {
    const broken = Buffer.from(first);
    for (let i = 0; i < 3; i++) broken[Math.floor(random() * broken.length)] = Math.floor(random() * 256);
    const noise = Buffer.from(Array.from({ length: 50 }, () => Math.floor(random() * 256)));
    // What a wrong length can swallow is behind it: 64 KiB.
    const later = Buffer.concat(Array.from({ length: 80 }, () => second));
    const { found } = split(Buffer.concat([noise, broken, later]), []);
    expect(found.at(-1)?.equals(second)).toBe(true);
  }
});

test("a picture without Huffman tables gets the usual ones and can be read by everybody", async () => {
  const plain = await photo(4);
  const whole = await sharp(plain).jpeg({ optimiseCoding: false, quality: 90 }).toBuffer();
  const bare = withoutTables(whole);
  expect(bare.length).toBeLessThan(whole.length - 400);
  const [completed] = split(bare, []).found;
  const decode = (bytes: Buffer): Promise<Buffer> => sharp(bytes).raw().toBuffer();
  expect((await decode(completed)).equals(await decode(whole))).toBe(true);
  expect(completed.includes(Buffer.from([0xff, 0xc4, 0x01, 0xa2]))).toBe(true);
});

test("a picture that never ends is given up, without holding its bytes", async () => {
  const start = (await photo(1)).subarray(0, -2);
  const splitter = new JpegSplitter();
  splitter.push(start);
  const piece = Buffer.alloc(1024 * 1024, 0x11);
  for (let i = 0; i < 40; i++) splitter.push(piece);
  expect(splitter.damaged).toBe(1);
  const next = await photo(2);
  expect(splitter.push(next).map(({ bytes }) => Buffer.from(bytes).equals(next))).toEqual([true]);
});
