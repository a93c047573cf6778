import { describe, expect, it, test } from "vitest";
import {
  BROADCAST_ID,
  checksum,
  decodeSignMagnitude,
  describeErrorBits,
  encodeSignMagnitude,
  pingRequest,
  readRequest,
  StatusParser,
  syncReadRequest,
  type StatusPacket,
} from "../../src/robot/feetech.ts";
import { REGISTERS, registerValue } from "../../src/robot/feetech-registers.ts";
import { buildRequest, bytesOf, GOLDEN, hexOf } from "../helpers/feetech-frames.ts";
import { seededRandom } from "../helpers/random.ts";

const GOOD = "FF FF 02 04 00 00 04 F5";

function parse(...hex: readonly string[]): StatusPacket[] {
  return new StatusParser().push(bytesOf(...hex));
}

function frameOf({ id, errorBits, parameters }: StatusPacket): string {
  const body = [id, parameters.length + 2, errorBits, ...parameters];
  return hexOf(Uint8Array.of(0xff, 0xff, ...body, checksum(body)));
}

describe("requests", () => {
  it.each(GOLDEN.reads)("are those of the SDK: $name", ({ ask, request }) => {
    expect(hexOf(buildRequest(ask))).toBe(request);
  });

  it("ask all servos at once for a ping only", () => {
    expect(hexOf(pingRequest(BROADCAST_ID))).toBe("FF FF FE 02 01 FE");
    expect(() => readRequest(BROADCAST_ID, 56, 2)).toThrow(
      "servo id 254 is not a whole number from 0 to 252",
    );
    expect(() => syncReadRequest(56, 2, [1, BROADCAST_ID])).toThrow(/servo id 254/);
  });

  it.each([
    ["an address of no servo", () => pingRequest(253)],
    ["a negative id", () => pingRequest(-1)],
    ["half an id", () => readRequest(1.5, 56, 2)],
    ["no number", () => readRequest(Number.NaN, 56, 2)],
    ["an address beyond the memory", () => readRequest(1, 256, 1)],
    ["nothing", () => readRequest(1, 56, 0)],
    ["more than the memory has", () => readRequest(1, 255, 2)],
    ["more than a packet holds", () => readRequest(1, 0, 249)],
    ["no servo", () => syncReadRequest(56, 2, [])],
    [
      "more servos than a packet names",
      () =>
        syncReadRequest(
          56,
          2,
          Array.from({ length: 247 }, (_, i) => i),
        ),
    ],
    ["a servo twice", () => syncReadRequest(56, 2, [1, 2, 1])],
  ])("cannot be built for %s", (_, build) => {
    expect(build).toThrow(expect.objectContaining({ code: "internal" }));
  });
});

describe("status packets", () => {
  it.each(GOLDEN.reads)("of the SDK are read: $name", ({ responses }) => {
    const packets = parse(...responses);
    expect(packets.map(frameOf)).toEqual(responses);
  });

  it.each(GOLDEN.values)("mean what they should: $name", ({ response, register, id, errorBits, value }) => {
    const [packet] = parse(response);
    expect([packet.id, packet.errorBits]).toEqual([id, errorBits]);
    expect(registerValue(REGISTERS[register], packet.parameters)).toBe(value);
  });

  it.each([
    ["a checksum of FF before a header", ["FF FF 01 04 00 FB 00 FF", GOOD], 2, 0],
    ["stale bytes", ["00 04 F5 FF", GOOD], 1, 4],
    ["half a packet", ["FF FF 01 04 00 FF", GOOD], 1, 6],
    ["our own request come back", ["FF FF FE 0A 82 38 02 01 02 03 04 05 06 26", GOOD], 1, 14],
    ["an id of nobody", ["FF FF FE 04 00 00 04 F9", GOOD], 1, 8],
    ["a LEN too short", ["FF FF 01 01 00 FD", GOOD], 1, 6],
    ["a LEN too long", ["FF FF 01 FB 00 03", GOOD], 1, 6],
    ["an error byte that cannot be", ["FF FF 01 02 80 7C", GOOD], 1, 6],
    ["a wrong checksum", ["FF FF 01 04 00 FF 07 F5", GOOD], 1, 8],
    ["a good packet inside a false one", ["FF FF 01 0B 00 01", GOOD, "00"], 1, 6],
    ["a wrong order", ["FF FF 06 04 00 FB 00 FA", GOOD], 2, 0],
  ])("are found after %s", (_, hex, count, skippedBytes) => {
    const parser = new StatusParser();
    const packets = parser.push(bytesOf(...hex));
    expect(packets).toHaveLength(count);
    expect(frameOf(packets[count - 1])).toBe(GOOD);
    expect(parser.skippedBytes).toBeGreaterThanOrEqual(skippedBytes);
  });

  it("do not wait for a packet longer than what was asked for", () => {
    const waiting = new StatusParser();
    expect(waiting.push(bytesOf("FF FF 01 84 00", GOOD))).toEqual([]);
    const knowing = new StatusParser();
    knowing.clear(2);
    expect(knowing.push(bytesOf("FF FF 01 84 00", GOOD)).map(frameOf)).toEqual([GOOD]);
  });

  it("are forgotten half-way when a new request is made", () => {
    const parser = new StatusParser();
    parser.push(bytesOf("FF FF 01 04 00"));
    parser.clear();
    expect(parser.push(bytesOf("FF 07 F4", GOOD)).map(frameOf)).toEqual([GOOD]);
    expect(parser.skippedBytes).toBe(8);
  });

  it("keep their bytes when those they came in are used again", () => {
    const bytes = bytesOf(GOOD);
    const [packet] = new StatusParser().push(bytes);
    bytes.fill(0);
    expect(frameOf(packet)).toBe(GOOD);
  });
});

test("how the bytes are cut into pieces makes no difference", () => {
  const stream = bytesOf(
    "07 FF FF FF 01 04 00 FB 00 FF",
    "FF FF 03 04",
    GOOD,
    "FF FF 06 04 20 D0 07 FE",
    "FF",
  );
  const whole = new StatusParser().push(stream);
  expect(whole.map(({ id }) => id)).toEqual([1, 2, 6]);
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second++) {
      const parser = new StatusParser();
      const pieces = [stream.slice(0, first), stream.slice(first, second), stream.slice(second)];
      expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(whole);
    }
  }
});

describe("any bytes at all", () => {
  /** Half of them FF and other bytes that headers are made of, so that false headers abound. */
  function noise(random: () => number, count: number): Uint8Array {
    const likely = [0xff, 0xff, 0xff, 1, 2, 4, 0, 0xfd, 0xfa];
    return Uint8Array.from({ length: count }, () =>
      random() < 0.5 ? likely[Math.floor(random() * likely.length)] : Math.floor(random() * 256),
    );
  }

  it("give only packets that stand in them with a good checksum, however they are cut", () => {
    const random = seededRandom(7);
    for (let round = 0; round < 200; round++) {
      const stream = noise(random, 2000);
      const whole = new StatusParser().push(stream);
      const parser = new StatusParser();
      const packets: StatusPacket[] = [];
      for (let at = 0; at < stream.length;) {
        const end = at + 1 + Math.floor(random() * 40);
        packets.push(...parser.push(stream.slice(at, end)));
        at = end;
      }
      expect(packets).toEqual(whole);
      const text = hexOf(stream);
      expect(packets.every((packet) => text.includes(frameOf(packet)))).toBe(true);
      const found = packets.reduce((sum, { parameters }) => sum + parameters.length + 6, 0);
      // What is in neither is kept for later: less than one packet.
      expect(stream.length - found - parser.skippedBytes).toBeLessThan(254);
    }
  });

  it("do not hide the packets that follow", () => {
    const random = seededRandom(11);
    let hidden = 0;
    for (let round = 0; round < 2000; round++) {
      const parser = new StatusParser();
      parser.clear(2);
      parser.push(noise(random, 1 + Math.floor(random() * 300)));
      const packets = parser.push(bytesOf(GOOD, GOOD)).map(frameOf);
      expect(packets.at(-1)).toBe(GOOD);
      if (packets.filter((packet) => packet === GOOD).length < 2) hidden++;
    }
    // Noise may happen to be the beginning of a packet whose checksum fits.
    expect(hidden).toBeLessThan(20);
  });
});

describe("numbers with a sign bit", () => {
  it.each([
    [0, 15, 0],
    [0x8000, 15, 0],
    [0x8064, 15, -100],
    [0x0ac6, 11, -710],
    [0x04fa, 10, -250],
    [0x7fff, 15, 32767],
  ])("%i, sign in bit %i, is %i", (raw, signBit, value) => {
    expect(decodeSignMagnitude(raw, signBit)).toBe(value);
  });

  it("come back from both directions", () => {
    for (let value = -2047; value <= 2047; value++) {
      expect(decodeSignMagnitude(encodeSignMagnitude(value, 11), 11)).toBe(value);
    }
    expect(() => encodeSignMagnitude(2048, 11)).toThrow(
      "value 2048 is not a whole number from -2047 to 2047",
    );
    expect(() => encodeSignMagnitude(0.5, 11)).toThrow(/whole number/);
  });
});

test("error bits have words", () => {
  expect(describeErrorBits(0)).toEqual([]);
  expect(describeErrorBits(32)).toEqual(["overload"]);
  expect(describeErrorBits(1 + 2 + 4 + 8 + 16)).toEqual([
    "voltage",
    "angle sensor",
    "overheat",
    "over-current",
    "unknown error 16",
  ]);
});

test("a register outside what was read has no value", () => {
  const memory = bytesOf("45 03 0D 0D");
  expect(registerValue(REGISTERS.minPositionLimit, memory, 9)).toBe(837);
  expect(registerValue(REGISTERS.maxPositionLimit, memory, 9)).toBe(3341);
  expect(registerValue(REGISTERS.maxTemperature, memory, 9)).toBeNull();
  expect(registerValue(REGISTERS.maxPositionLimit, memory.slice(0, 3), 9)).toBeNull();
  expect(registerValue(REGISTERS.id, memory, 9)).toBeNull();
});
