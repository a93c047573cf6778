import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  decodeCheckpoint,
  encodeCheckpoint,
  isNewer,
  type Checkpoint,
} from "../../src/backend/checkpoint.ts";
import { DEFAULT_SETTINGS } from "../../src/backend/settings.ts";
import { allocateGaussians } from "../../src/splat/gaussians.ts";
import { untrainedState } from "../../src/trainer/state.ts";
import { randomGaussians, seededRandom } from "../helpers/random.ts";

/** One with something in every place. */
function filled(count: number, shDegree: 0 | 1 | 2 | 3 = 2): Checkpoint {
  const gaussians = randomGaussians(count, shDegree, 1);
  if (count > 0) gaussians.sh.set([NaN, -0, 1e-45, Infinity]);
  return {
    session: {
      session_id: "s",
      settings: { ...DEFAULT_SETTINGS, max_gaussians: 123 },
      phase: "stopped",
      finish_seconds: 4.5,
      chunk_step: 17,
      version_ceiling: 1000,
      rejected_count: 3,
      psnr_train: 21.12345678901234,
      psnr_holdout: null,
      chunks: [
        {
          name: "chunk_0001.ply",
          index: 1,
          first_frame: 1,
          last_frame: 50,
          gaussian_count: count,
          bytes: 7,
          sha256: "ab",
          key: "scenes/main/s/chunk_0001.ply",
          url: null,
          created_at: 1.5,
        },
      ],
    },
    trainer: {
      gaussians,
      moments1: randomGaussians(count, shDegree, 2),
      moments2: randomGaussians(count, shDegree, 3),
      step: 4321,
      refineFrom: 4300,
      leastDegree: 1,
      randomState: 0xfedcba98,
      frames: [
        { index: 2, steps: 30, psnr: 21.3, seeded: true },
        { index: 1, steps: 0, psnr: null, seeded: false, held: false },
      ],
      exposures: [2, 1].map((index) => ({
        index,
        steps: 5 * index,
        values: [0.1, -0.25, 1 / 3, 0, 1e-17, index],
        moments1: [1, 2, 3, 4, 5, 6],
        moments2: [6, 5, 4, 3, 2, 1e-9],
      })),
      finish: { stepsMade: 20, steps: 100, elapsedS: 1.25, durationS: null },
      done: false,
    },
    joints: [{ timeS: 1e9 + 0.25, anglesRad: [1, 2, 3, 4, 5, 6.25] }],
  };
}

function bytesOf(checkpoint: Checkpoint): Buffer {
  return Buffer.concat([...encodeCheckpoint(checkpoint)]);
}

/** The same file with another header, its checksum right: what a bug or a later release might write. */
function withHeader(file: Buffer, change: (header: HeaderJson) => void): Buffer {
  const bodyAt = 16 + file.readUInt32LE(12);
  const header = JSON.parse(file.toString("utf8", 16, bodyAt)) as HeaderJson;
  change(header);
  const json = Buffer.from(JSON.stringify(header));
  const lead = Buffer.from(file.subarray(0, 16));
  lead.writeUInt32LE(json.length, 12);
  return sealed(Buffer.concat([lead, json, file.subarray(bodyAt, -4)]));
}

interface HeaderJson extends Record<string, unknown> {
  trainer: Record<string, unknown>;
  arrays: { name: string; type: string; length: number }[];
}

function sealed(content: Buffer): Buffer {
  const end = Buffer.alloc(4);
  end.writeUInt32LE(crc32(content));
  return Buffer.concat([content, end]);
}

describe("format", () => {
  it.each([0, 1, 37, 700])("gives back all of it, bit for bit: %d Gaussians", (count) => {
    const checkpoint = filled(count, count === 700 ? 3 : 1);
    const back = decodeCheckpoint(bytesOf(checkpoint));
    expect(back).toEqual(checkpoint);
    // toEqual holds -0 and 0 apart, but not one NaN and another.
    const { sh } = back.trainer.gaussians;
    expect(Buffer.from(sh.buffer)).toEqual(Buffer.from(checkpoint.trainer.gaussians.sh.buffer));
    expect(sh.byteOffset).toBe(0);
    const none: Checkpoint = {
      ...checkpoint,
      trainer: untrainedState(allocateGaussians(count, 0)),
      joints: [],
    };
    expect(decodeCheckpoint(bytesOf(none))).toEqual(none);
  });

  it("goes out in pieces of at most a megabyte, its arrays aligned", () => {
    const pieces = [...encodeCheckpoint(filled(9000, 3))];
    expect(Math.max(...pieces.map(({ length }) => length))).toBe(1 << 20);
    expect(pieces[0].length % 8).toBe(0);
  });

  it("refuses it cut short anywhere", () => {
    const file = bytesOf(filled(5));
    const sections = [0, 1, 8, 12, 16, 17, 16 + file.readUInt32LE(12)];
    const random = seededRandom(5);
    const ends = [...sections, file.length - 5, file.length - 4, file.length - 1];
    for (let i = 0; i < 200; i++) ends.push(Math.floor(random() * file.length));
    for (const end of ends) {
      expect(() => decodeCheckpoint(file.subarray(0, end))).toThrow("cut short");
    }
    expect(() => decodeCheckpoint(Buffer.concat([file, Buffer.alloc(4)]))).toThrow("cut short");
  });

  it("refuses it with any bit flipped", () => {
    const file = bytesOf(filled(3, 0));
    for (let at = 0; at < file.length; at++) {
      file[at] ^= 1 << (at % 8);
      // A flipped version may be a later one: refused as well, in other words.
      expect(() => decodeCheckpoint(file)).toThrow();
      file[at] ^= 1 << (at % 8);
    }
    expect(decodeCheckpoint(file).trainer.step).toBe(4321);
  });

  it("tells a later version from damage", () => {
    const file = bytesOf(filled(3));
    file.writeUInt32LE(2, 8);
    expect(isNewer(file)).toBe(true);
    expect(() => decodeCheckpoint(file)).toThrow("newer splatctl (format 2, this one reads up to 1)");
    file.writeUInt32LE(1, 8);
    expect(isNewer(file)).toBe(false);
    expect(isNewer(new Uint8Array(3))).toBe(false);
  });

  it("passes over what a later release of the same version added", () => {
    const checkpoint = filled(4);
    const file = withHeader(bytesOf(checkpoint), (header) => {
      header["poses"] = { refined: 3 };
      header.arrays.push({ name: "poses", type: "float32", length: 2 });
    });
    const longer = sealed(Buffer.concat([file.subarray(0, -4), Buffer.alloc(8)]));
    expect(decodeCheckpoint(longer)).toEqual(checkpoint);
  });

  it("believes no count that its bytes do not bear out", () => {
    const file = bytesOf(filled(4));
    const lies: ((header: HeaderJson) => void)[] = [
      (header) => (header.trainer["gaussian_count"] = 1e9),
      (header) => (header.trainer["gaussian_count"] = 3),
      (header) => (header.trainer["sh_degree"] = 3),
      (header) => (header.arrays[0].length = 1e12),
      (header) => header.arrays.pop(),
      (header) => (header.arrays[2].name = "other"),
      (header) => ([header.arrays[0].length, header.arrays[2].length] = [16, 12]),
    ];
    for (const lie of lies)
      expect(() => decodeCheckpoint(withHeader(file, lie))).toThrow(/header says|missing/);
    expect(() => decodeCheckpoint(withHeader(file, (header) => (header.trainer["step"] = -1)))).toThrow(
      "its header does not say",
    );
    const tooLong = Buffer.from(file.subarray(0, -4));
    tooLong.writeUInt32LE(file.length, 12);
    expect(() => decodeCheckpoint(sealed(tooLong))).toThrow("longer than the file");
  });
});
