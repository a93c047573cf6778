import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { SplatError } from "../../src/errors.ts";
import type { Gaussians } from "../../src/splat/gaussians.ts";
import { encodeSpz } from "../../src/splat/spz.ts";
import { decodeSpz } from "../../src/splat/spz-read.ts";
import { differences } from "../helpers/compare-scenes.ts";
import { writtenByOther } from "../helpers/other-reader.ts";
import { randomGaussians } from "../helpers/random.ts";

async function encode(scene: Gaussians): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeSpz(scene)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Magic, version, count; degree, fractional bits, flags, zero. */
function header(version: number, count: number, [degree, bits, flags]: readonly number[]): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.write("NGSP");
  bytes.writeUInt32LE(version, 4);
  bytes.writeUInt32LE(count, 8);
  bytes.set([degree, bits, flags], 12);
  return bytes;
}

/** One Gaussian at (1, −2, 0.5) with 8 bits behind the point, in SPZ's axes. */
const POSITION = [0x00, 0x01, 0x00, 0x00, 0xfe, 0xff, 0x80, 0x00, 0x00];

const OPAQUE = [255];
const COLOR = [255, 0, 127];
const SCALES = [160, 144, 0];
const ROTATION = [255, 127, 128];

describe("decodeSpz, byte by byte", () => {
  test("version 2, plain: 24-bit positions, y and z turned round, three bytes of rotation", async () => {
    const bytes = Buffer.from([
      ...header(2, 1, [0, 8, 0]),
      ...POSITION,
      ...OPAQUE,
      ...COLOR,
      ...SCALES,
      ...ROTATION,
    ]);
    const { gaussians, notes } = await decodeSpz(bytes);
    expect(notes).toEqual([]);
    expect([...gaussians.means]).toEqual([1, 2, -0.5]);
    expect([...gaussians.logScales]).toEqual([0, -1, -10]);
    expect(gaussians.opacities[0]).toBeCloseTo(13.8, 1);
    [127.5, -127.5, -0.5].forEach((value, c) => expect(gaussians.sh[c]).toBeCloseTo(value / 38.25, 5));
    const [w, x, y, z] = gaussians.quats;
    expect(w).toBeCloseTo(0, 1);
    expect([x, y, z].map((value) => value * 255)).toEqual([255, 1, -1].map((v) => expect.closeTo(v, 3)));
  });

  test("version 3, gzipped: the largest of x y z w is left out, the others have a sign and nine bits", async () => {
    // z is the largest (2); x = 0, y = −511 steps, w = +256 steps.
    const bits = (2 << 30) | (0 << 20) | (0x3ff << 10) | 256;
    const rotation = Buffer.alloc(4);
    rotation.writeInt32LE(bits);
    const bytes = [...header(3, 1, [0, 8, 1]), ...POSITION, 128, 0, 0, 0, 0, 0, 0, ...rotation];
    const { gaussians, notes, antialiased } = await decodeSpz(gzipSync(Buffer.from(bytes)));
    expect([notes, antialiased]).toEqual([[], true]);
    const step = Math.SQRT1_2 / 511;
    const [w, x, y, z] = gaussians.quats;
    expect([w, Math.abs(x), y]).toEqual(
      [256 * step, 0, 511 * step].map((value) => expect.closeTo(value, 6) as number),
    );
    expect(z).toBeCloseTo(-Math.sqrt(1 - (511 * step) ** 2 - (256 * step) ** 2), 6);
  });

  test("view-dependent colour lies coefficient by coefficient, red, green and blue together", async () => {
    const rest = Array.from({ length: 9 }, (_, i) => 128 + 8 * (i + 1));
    const bytes = [...header(3, 1, [1, 8, 0]), ...POSITION, ...Array.from({ length: 11 }, () => 0), ...rest];
    const { gaussians } = await decodeSpz(Buffer.from(bytes));
    const red = [1, 2, 3].map((j) => gaussians.sh[j] * 16);
    // The first of degree 1 goes with y, the second with z: both turn round.
    expect(red).toEqual([-1, -4, 7]);
    expect([1, 2, 3].map((j) => gaussians.sh[8 + j] * 16)).toEqual([-3, -6, 9]);
  });

  test("degree 4 is read up to degree 3", async () => {
    const rest = Array.from({ length: 72 }, (_, i) => i + 100);
    const bytes = [...header(3, 1, [4, 8, 0]), ...POSITION, ...Array.from({ length: 11 }, () => 0), ...rest];
    const { gaussians, notes } = await decodeSpz(Buffer.from(bytes));
    expect([gaussians.shDegree, notes.length]).toEqual([3, 1]);
    expect(Math.abs(gaussians.sh[15] * 128)).toBe(100 + 14 * 3 - 128);
  });

  test("an extension may name other axes; unknown ones are passed over", async () => {
    const scene = randomGaussians(20, 3);
    const packed = gunzipSync(await encode(scene));
    packed[14] |= 2;
    const record = (type: number, ...content: number[]): number[] => [
      ...new Uint8Array(new Uint32Array([type, content.length * 4, ...content]).buffer),
    ];
    const withAxes = async (axes: number): Promise<Gaussians> => {
      const extensions = [...record(0x12340001, 1, 2, 3), ...record(0xadbe0003, axes)];
      return (await decodeSpz(Buffer.from([...packed, ...extensions]))).gaussians;
    };
    const plain = (await decodeSpz(packed)).gaussians;
    expect(await withAxes(4)).toEqual(plain);
    expect(await withAxes(0)).toEqual(plain);
    // Right, down, forward are a PLY's own: nothing is turned round.
    expect([...(await withAxes(6)).means]).toEqual(
      [...plain.means].map((value, at) => (at % 3 === 0 ? value : -value)),
    );
    await expect(withAxes(12)).rejects.toThrow(/axes \(number 12\)/);
  });
});

test("encodeSpz is the same for the same scene, and keeps either sign of a quaternion", async () => {
  const scene = randomGaussians(100, 1);
  expect(await encode(scene)).toEqual(await encode(scene));
  const turned = { ...scene, quats: scene.quats.map((value) => -3 * value) };
  const [a, b] = [await decodeSpz(await encode(scene)), await decodeSpz(await encode(turned))];
  expect(differences(a.gaussians, b.gaussians).rotation).toBeLessThan(1e-6);
});

describe("hostile files", () => {
  const refused = async (bytes: Uint8Array, reason: RegExp): Promise<void> => {
    const thrown: unknown = await decodeSpz(bytes).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(SplatError);
    expect(thrown).toMatchObject({ code: "bad_input", message: expect.stringMatching(reason) });
  };

  test("a header that promises more than there is", async () => {
    await refused(header(3, 5, [0, 12, 0]), /cut short.*5 Gaussians/);
    await refused(header(3, 0xffffffff, [3, 12, 0]), /far more than 16 bytes/);
    await refused(gzipSync(header(3, 0xffffffff, [3, 12, 0])), /far more/);
    await refused(gzipSync(header(2, 10, [0, 12, 0])), /cut short/);
    await refused(header(4, 3_000_000, [3, 12, 0]), /far more/);
  });

  test("values that have no meaning", async () => {
    await refused(Buffer.from("NGSP"), /within its header/);
    await refused(gzipSync("no scene, but long enough"), /NGSP/);
    await refused(header(1, 0, [0, 12, 0]), /version is 1/);
    await refused(header(5, 0, [0, 12, 0]), /version is 5/);
    await refused(header(3, 0, [5, 12, 0]), /degree 5/);
    await refused(header(3, 0, [0, 24, 0]), /24 behind the point/);
    await refused(gzipSync(header(4, 0, [0, 12, 0])), /never gzipped/);
  });

  test("gzip that unpacks for ever, is damaged or ends early", async () => {
    await refused(gzipSync(Buffer.concat([header(3, 1, [0, 12, 0]), Buffer.alloc(2 ** 26)])), /goes on/);
    const bytes = await encode(randomGaussians(100, 1));
    await refused(bytes.subarray(0, bytes.length - 20), /damaged or cut short/);
    bytes[bytes.length - 6] ^= 1; // its checksum
    await refused(bytes, /damaged/);
  });

  test("version 4 with a table that does not fit", async () => {
    const good = Buffer.from(await writtenByOther(randomGaussians(50, 1), "a.spz", 4));
    const changed = (change: (bytes: Buffer) => void): Buffer => {
      const bytes = Buffer.from(good);
      change(bytes);
      return bytes;
    };
    expect((await decodeSpz(good)).gaussians.count).toBe(50);
    await refused(good.subarray(0, 20), /within its header/);
    await refused(good.subarray(0, 60), /table of streams/);
    await refused(good.subarray(0, good.length - 1), /cut short/);
    await refused(
      changed((b) => b.writeUInt32LE(0xfffffff0, 16)),
      /table of streams/,
    );
    await refused(
      changed((b) => b.writeUInt32LE(8, 16)),
      /table of streams/,
    );
    await refused(
      changed((b) => b.writeUInt32LE(51, 8)),
      /not as long as/,
    );
    await refused(
      changed((b) => (b[15] = 3)),
      /3 streams/,
    );
    await refused(
      changed((b) => b.writeBigUInt64LE(2n ** 63n, 32)),
      /cut short/,
    );
    await refused(
      changed((b) => b.writeBigUInt64LE(2n ** 40n, 40)),
      /not as long/,
    );
    await refused(
      changed((b) => (b[128] = 0)),
      /not zstd/,
    );
    // The first stream is at 128; behind its frame comes the same frame once more.
    const first = Number(good.readBigUInt64LE(32));
    const doubled = Buffer.concat([good.subarray(0, 128 + first), good.subarray(128)]);
    doubled.writeBigUInt64LE(BigInt(2 * first), 32);
    await refused(doubled, /more than one zstd frame/);
    // No single segment, and a window of 2 TB.
    await refused(
      changed((b) => b.set([0x00, 0xff], 132)),
      /more memory/,
    );
  });
});
