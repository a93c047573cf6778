import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { decodeImage } from "../../src/backend/image.ts";
import { SplatError } from "../../src/errors.ts";

const MAX_PIXELS = 131_072;
const LENS = { k1: 0, k2: 0, p1: 0, p2: 0 };

// Muted, so that inks can make them too.
const RED = [200, 70, 60];
const BLUE = [60, 90, 160];

/** Left half red, right half blue: shows turning, mirroring and colour alike. 64×32. */
function twoHalves(): Sharp {
  const pixels = new Uint8Array(64 * 32 * 3);
  for (let i = 0; i < 64 * 32; i++) pixels.set(i % 64 < 32 ? RED : BLUE, i * 3);
  return sharp(pixels, { raw: { width: 64, height: 32, channels: 3 } });
}

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, "latin1");
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

/** A PNG that claims this size and holds next to nothing. */
function pngClaiming(width: number, height: number): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(new Uint8Array(10))),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** The same picture with an animation's chunks around it, second picture green. */
async function animatedPng(): Promise<Uint8Array> {
  const first = await twoHalves().png().toBuffer();
  const second = await sharp({ create: { width: 64, height: 32, channels: 3, background: "lime" } })
    .png()
    .toBuffer();
  const dataOf = (png: Buffer): Buffer => {
    const at = png.indexOf("IDAT");
    return png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4));
  };
  const control = (sequence: number): Buffer => {
    const out = Buffer.alloc(26);
    out.writeUInt32BE(sequence, 0);
    out.writeUInt32BE(64, 4);
    out.writeUInt32BE(32, 8);
    out.set([0, 1, 0, 10], 20);
    return chunk("fcTL", out);
  };
  const body = first.indexOf("IDAT") - 4;
  const end = first.indexOf("IEND") - 4;
  return Buffer.concat([
    first.subarray(0, body),
    chunk("acTL", Buffer.from([0, 0, 0, 2, 0, 0, 0, 0])),
    control(0),
    first.subarray(body, end),
    control(1),
    chunk("fdAT", Buffer.concat([Buffer.from([0, 0, 0, 2]), dataOf(second)])),
    first.subarray(end),
  ]);
}

async function refusalCode(bytes: Uint8Array): Promise<string | undefined> {
  const error: unknown = await decodeImage(bytes, null, MAX_PIXELS).catch((thrown: unknown) => thrown);
  return error instanceof SplatError ? error.refusal?.code : undefined;
}

function pixel(image: { rgba: Uint8Array; intrinsics: { width: number } }, x: number, y: number): number[] {
  const at = (y * image.intrinsics.width + x) * 4;
  return [...image.rgba.subarray(at, at + 4)];
}

function expectNear(actual: readonly number[], wanted: readonly number[], tolerance: number): void {
  actual.forEach((value, i) => expect(Math.abs(value - wanted[i])).toBeLessThanOrEqual(tolerance));
}

describe("what is refused", () => {
  it.each<[string, string, () => Promise<Uint8Array>]>([
    ["no bytes", "unsupported_media", () => Promise.resolve(new Uint8Array())],
    ["text named .jpg", "unsupported_media", () => Promise.resolve(Buffer.from("not a picture at all"))],
    ["a GIF", "unsupported_media", () => twoHalves().gif().toBuffer()],
    ["a WebP", "unsupported_media", () => twoHalves().webp().toBuffer()],
    ["a JPEG cut in half", "bad_image", async () => half(await twoHalves().jpeg().toBuffer())],
    [
      "a JPEG without its last bytes",
      "bad_image",
      async () => (await twoHalves().jpeg().toBuffer()).subarray(0, -9),
    ],
    ["a PNG cut in half", "bad_image", async () => half(await twoHalves().png().toBuffer())],
    [
      "nothing but a JPEG's first bytes",
      "bad_image",
      () => Promise.resolve(Buffer.from([0xff, 0xd8, 0xff, 0xe0])),
    ],
    ["a PNG of 0×0", "bad_image", () => Promise.resolve(pngClaiming(0, 0))],
    ["a PNG that says 100 Mpx", "bad_image", () => Promise.resolve(pngClaiming(10_000, 10_000))],
    ["a PNG with a side over 16384", "bad_image", () => Promise.resolve(pngClaiming(16_385, 4))],
  ])("%s is %s", async (_name, code, bytes) => {
    expect(await refusalCode(await bytes())).toBe(code);
  });

  function half(bytes: Buffer): Buffer {
    return bytes.subarray(0, bytes.length >> 1);
  }
});

describe("what is taken", () => {
  it.each<[string, () => Promise<Uint8Array>]>([
    ["a CMYK JPEG", () => twoHalves().toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer()],
    ["a 16-bit PNG", () => twoHalves().toColourspace("rgb16").png().toBuffer()],
    ["a palette PNG", () => twoHalves().png({ palette: true }).toBuffer()],
    ["an animated PNG, by its first picture", animatedPng],
    ["a JPEG with stray bytes after its end", strayBytes],
  ])("%s, with its colours", async (_name, bytes) => {
    const image = await decodeImage(await bytes(), null, MAX_PIXELS);
    expect([image.intrinsics.width, image.intrinsics.height]).toEqual([64, 32]);
    expectNear(pixel(image, 10, 16), [...RED, 255], 25);
    expectNear(pixel(image, 50, 16), [...BLUE, 255], 25);
  });

  async function strayBytes(): Promise<Uint8Array> {
    return Buffer.concat([await twoHalves().jpeg({ quality: 100 }).toBuffer(), Buffer.from([1, 2, 3])]);
  }

  it.each<[string, () => Promise<Uint8Array>]>([
    ["8-bit JPEG", () => twoHalves().greyscale().jpeg().toBuffer()],
    ["16-bit PNG", () => twoHalves().greyscale().toColourspace("grey16").png().toBuffer()],
  ])("a grayscale %s, grey in every channel", async (_name, bytes) => {
    const image = await decodeImage(await bytes(), null, MAX_PIXELS);
    const [r, g, b, alpha] = pixel(image, 10, 16);
    expect([g, b, alpha]).toEqual([r, r, 255]);
    expect(r).toBeGreaterThan(20);
  });

  it("an EXIF-rotated JPEG, upright", async () => {
    // Orientation 6: to be turned a quarter clockwise, so what is on the left comes to the top.
    const bytes = await twoHalves()
      .withExif({ IFD0: { Orientation: "6" } })
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 100 })
      .toBuffer();
    const image = await decodeImage(bytes, null, MAX_PIXELS);
    expect([image.intrinsics.width, image.intrinsics.height]).toEqual([32, 64]);
    expectNear(pixel(image, 16, 10), [...RED, 255], 25);
    expectNear(pixel(image, 16, 50), [...BLUE, 255], 25);
  });

  it("an image with alpha, straight and on shared memory", async () => {
    const background = { r: 200, g: 100, b: 50, alpha: 0.5 };
    const bytes = await sharp({ create: { width: 8, height: 8, channels: 4, background } })
      .png()
      .toBuffer();
    const image = await decodeImage(bytes, null, MAX_PIXELS);
    expectNear(pixel(image, 4, 4), [200, 100, 50, 128], 1);
    expect(image.rgba.buffer).toBeInstanceOf(SharedArrayBuffer);
  });
});

describe("the lens", () => {
  const camera = { model: "OPENCV" as const, w: 128, h: 64, fl_x: 100, fl_y: 110, cx: 60, cy: 30, ...LENS };

  it("shrinks with the image, which stays within the pixels allowed", async () => {
    const image = await decodeImage(await twoHalves().png().toBuffer(), camera, 32 * 16);
    expect(image.intrinsics).toEqual({ width: 32, height: 16, fx: 25, fy: 27.5, cx: 15, cy: 7.5 });
    expect(image.rgba.length).toBe(32 * 16 * 4);
    expect(image.warnings).toEqual([]);
  });

  it("is 60° wide and centred when nobody gave one", async () => {
    const { intrinsics } = await decodeImage(await twoHalves().png().toBuffer(), null, MAX_PIXELS);
    expect(2 * Math.atan(intrinsics.width / 2 / intrinsics.fx)).toBeCloseTo(Math.PI / 3, 9);
    expect(intrinsics).toMatchObject({ cx: 32, cy: 16, fx: intrinsics.fy });
  });

  it("of another aspect than the image is worth a warning", async () => {
    const image = await decodeImage(await twoHalves().png().toBuffer(), { ...camera, h: 80 }, MAX_PIXELS);
    expect(image.warnings).toEqual([expect.stringContaining("64×32")]);
  });

  it("that bends is straightened, and what it did not see is masked", async () => {
    const bent = { ...camera, w: 64, h: 32, fl_x: 40, fl_y: 40, cx: 32, cy: 16, k1: 0.3 };
    const image = await decodeImage(await twoHalves().png().toBuffer(), bent, MAX_PIXELS);
    expect(image.mask?.[0]).toBe(0);
    expect(image.mask?.[16 * 64 + 32]).toBe(1);
    expectNear(pixel(image, 20, 16), [...RED, 255], 2);
  });
});
