import { describe, expect, it, test, vi } from "vitest";
import {
  pingRequest,
  readRequest,
  StatusParser,
  type StatusPacket,
  syncReadRequest,
} from "../../src/robot/feetech.ts";
import { type Register, REGISTERS, registerValue } from "../../src/robot/feetech-registers.ts";
import { createServoBus, type ServoBus, type ServoBusOptions } from "../../src/sim/servo-bus.ts";
import type { FaultPlan, ServoFault } from "../../src/sim/servo-faults.ts";
import { DEFAULT_HOMING_OFFSETS, DEFAULT_LIMITS } from "../../src/sim/servo-memory.ts";
import { buildRequest, bytesOf, GOLDEN, hexOf } from "../helpers/feetech-frames.ts";
import { seededRandom } from "../helpers/random.ts";

const IDS = [1, 2, 3, 4, 5, 6];
const POSITIONS = [2047, 1024, 3072, -100, 4095, 251];
const ASK_POSITIONS = syncReadRequest(56, 2, IDS);

interface Bench {
  readonly bus: ServoBus;
  /** All bytes that come back at once. */
  readonly ask: (request: Uint8Array) => Uint8Array;
  /** What a parser finds in them. */
  readonly packets: (request: Uint8Array) => StatusPacket[];
  readonly value: (id: number, register: Register) => number | null;
}

function benchWith(options: Partial<ServoBusOptions> = {}): Bench {
  const bus = createServoBus({ ticksAt: () => POSITIONS, random: seededRandom(5), ...options });
  let sent: number[] = [];
  bus.onSend((bytes) => sent.push(...bytes));
  const ask = (request: Uint8Array): Uint8Array => {
    sent = [];
    bus.receive(request);
    return Uint8Array.from(sent);
  };
  const packets = (request: Uint8Array): StatusPacket[] => new StatusParser().push(ask(request));
  const value = (id: number, register: Register): number | null => {
    const [packet] = packets(readRequest(id, register.address, register.length));
    return registerValue(register, packet.parameters);
  };
  return { bus, ask, packets, value };
}

/** What an asker of all positions makes of the answers: one entry per servo heard, in the order heard. */
function positionsHeard(bench: Bench): [id: number, ticks: number | null][] {
  return bench
    .packets(ASK_POSITIONS)
    .map(({ id, parameters }) => [id, registerValue(REGISTERS.presentPosition, parameters)]);
}

const ALL_HEARD = IDS.map((id) => [id, POSITIONS[id - 1]]);

describe("a simulated bus", () => {
  const same = [
    "ping servo 1",
    "ping servo 5",
    "model number of servo 1",
    "position of servo 1",
    "positions of all",
  ];

  it.each(GOLDEN.reads.filter(({ name }) => same.includes(name)))(
    "answers as a real one: $name",
    ({ ask, responses }) => {
      expect(hexOf(benchWith().ask(buildRequest(ask)))).toBe(responses.join(" "));
    },
  );

  it("answers a ping to all with every servo in turn", () => {
    expect(
      benchWith()
        .packets(pingRequest(254))
        .map(({ id }) => id),
    ).toEqual(IDS);
  });

  it("holds what a calibrated arm holds", () => {
    const { value } = benchWith();
    for (const id of IDS) {
      expect(value(id, REGISTERS.modelNumber)).toBe(777);
      expect(value(id, REGISTERS.id)).toBe(id);
      expect(value(id, REGISTERS.firmwareMajor)).toBe(3);
      expect(value(id, REGISTERS.firmwareMinor)).toBe(10);
      expect(value(id, REGISTERS.minPositionLimit)).toBe(DEFAULT_LIMITS[id - 1][0]);
      expect(value(id, REGISTERS.maxPositionLimit)).toBe(DEFAULT_LIMITS[id - 1][1]);
      expect(value(id, REGISTERS.homingOffset)).toBe(DEFAULT_HOMING_OFFSETS[id - 1]);
      expect(value(id, REGISTERS.presentVoltage)).toBeGreaterThan(115);
      expect(value(id, REGISTERS.presentTemperature)).toBeLessThan(40);
      expect(value(id, REGISTERS.status)).toBe(0);
    }
  });

  it("stands where the arm is when the request is complete, and moves as fast", () => {
    let timeS = 100;
    const { bus, ask, value } = benchWith({
      now: () => timeS,
      ticksAt: (at) => POSITIONS.map(() => 40 * at),
    });
    ask(ASK_POSITIONS.slice(0, 9));
    timeS = 50;
    ask(ASK_POSITIONS.slice(9));
    expect(bus.answered).toEqual([{ timeS: 50, ticks: POSITIONS.map(() => 2000), isFaulty: false }]);
    expect(value(3, REGISTERS.presentPosition)).toBe(2000);
    expect(value(3, REGISTERS.presentVelocity)).toBe(40);
    expect(value(3, REGISTERS.moving)).toBe(1);
    expect(value(3, REGISTERS.presentLoad)).toBe(-2);
  });

  it("wraps the roll of the wrist, and no other joint", () => {
    const bench = benchWith({ ticksAt: () => [4100, -5, 2000.4, 0, -3.2, 100] });
    expect(positionsHeard(bench).map(([, ticks]) => ticks)).toEqual([4100, -5, 2000, 0, 4093, 100]);
  });

  it("says nothing for servos that are not there, and nothing to requests that make no sense", () => {
    const { ask, packets } = benchWith();
    expect(packets(syncReadRequest(56, 2, [1, 9])).map(({ id }) => id)).toEqual([1]);
    expect(ask(pingRequest(9))).toHaveLength(0);
    for (const hex of ["FF FF FE 04 02 38 02 C1", "FF FF 01 04 02 FF 02 F7", "FF FF 01 03 02 38 C1"]) {
      expect(ask(bytesOf(hex))).toHaveLength(0);
    }
  });

  it("finds requests after noise, one cut off, and a damaged one", () => {
    const { packets } = benchWith();
    const ask = hexOf(ASK_POSITIONS);
    for (const noise of ["00 FF", "FF FF FE 0A 82", "FF FF 01 04 02 38 02 00", "FF FF FF"]) {
      expect(packets(bytesOf(noise, ask))).toHaveLength(6);
    }
  });

  it.each(GOLDEN.writes)("refuses to be written to: $name", ({ request }) => {
    const { bus, ask, value } = benchWith();
    const before = hexOf(ask(readRequest(1, 0, 86)));
    expect(ask(bytesOf(request))).toHaveLength(0);
    expect(bus.refusedWrites).toBe(1);
    expect(hexOf(ask(readRequest(1, 0, 86)))).toBe(before);
    expect(value(1, REGISTERS.modelNumber)).toBe(777);
  });

  it("keeps the last reads, and counts them all", () => {
    const { bus } = benchWith();
    for (let i = 0; i < 21_000; i++) bus.receive(ASK_POSITIONS);
    expect(bus.answeredCount).toBe(21_000);
    expect(bus.answered.length).toBeGreaterThanOrEqual(10_000);
    expect(bus.answered.length).toBeLessThan(20_000);
  });

  it("no longer tells a listener that left", () => {
    const { bus } = benchWith();
    const listener = vi.fn<(bytes: Uint8Array) => void>();
    const leave = bus.onSend(listener);
    bus.receive(ASK_POSITIONS);
    leave();
    bus.receive(ASK_POSITIONS);
    expect(listener).toHaveBeenCalledTimes(1);
  });
});

describe("a fault", () => {
  it.each<[string, ServoFault, [number, number][]]>([
    [
      "one servo silent",
      { kind: "dropped", servo: 3 },
      ALL_HEARD.filter(([id]) => id !== 3) as [number, number][],
    ],
    ["all silent", { kind: "dropped" }, []],
    ["half a reply", { kind: "half a reply" }, ALL_HEARD.slice(0, 3) as [number, number][]],
    ["stale bytes", { kind: "stale bytes" }, ALL_HEARD as [number, number][]],
    ["the wrong order", { kind: "wrong order" }, ALL_HEARD.toReversed() as [number, number][]],
    ["error bits", { kind: "error bits", servo: 2, bits: 32 }, ALL_HEARD as [number, number][]],
  ])("leaves this of the positions: %s", (_, fault, heard) => {
    const bench = benchWith();
    const end = bench.bus.setFault(fault);
    expect(positionsHeard(bench)).toEqual(heard);
    expect(bench.bus.answered.at(-1)?.isFaulty).toBe(true);
    end();
    expect(positionsHeard(bench)).toEqual(ALL_HEARD);
    expect(bench.bus.answered.at(-1)?.isFaulty).toBe(false);
  });

  it("of flipped bits never gives a wrong position for a right one", () => {
    const bench = benchWith();
    bench.bus.setFault({ kind: "bit flips", bits: 2 });
    let heard = 0;
    for (let round = 0; round < 500; round++) {
      const positions = positionsHeard(bench);
      heard += positions.length;
      // Two flips in one packet can undo each other in the checksum: seldom.
      const wrong = positions.filter(([id, ticks]) => ticks !== POSITIONS[id - 1]);
      expect(wrong.length).toBeLessThanOrEqual(1);
    }
    expect(heard / 500).toBeGreaterThan(3);
    expect(heard / 500).toBeLessThan(5.5);
  });

  it("of a late reply sends it when the asker no longer waits", async () => {
    const { bus, ask } = benchWith();
    bus.setFault({ kind: "late reply", delayMs: 20 }, { requests: 1 });
    const late = new Promise<Uint8Array>((resolve) => {
      bus.onSend(resolve);
    });
    expect(ask(readRequest(1, 56, 2))).toHaveLength(0);
    expect(hexOf(await late)).toBe("FF FF 01 04 00 FF 07 F4");
    expect(ask(readRequest(1, 56, 2))).toHaveLength(8);
  });

  it("in a servo shows in its memory and its packets", () => {
    const { bus, packets, value } = benchWith();
    bus.setFault({ kind: "wrong model", servo: 2, model: 1284 });
    bus.setFault({ kind: "not calibrated" });
    bus.setFault({ kind: "voltage", servo: 4, voltageV: 3.9 });
    bus.setFault({ kind: "temperature", servo: 5, temperatureC: 74 });
    bus.setFault({ kind: "error bits", servo: 5, bits: 32 });
    expect(IDS.map((id) => value(id, REGISTERS.modelNumber))).toEqual([777, 1284, 777, 777, 777, 777]);
    expect(IDS.map((id) => value(id, REGISTERS.maxPositionLimit))).toEqual(IDS.map(() => 4095));
    expect(value(4, REGISTERS.presentVoltage)).toBe(39);
    expect(value(5, REGISTERS.presentTemperature)).toBe(74);
    expect(value(5, REGISTERS.status)).toBe(36);
    expect(packets(ASK_POSITIONS).map(({ errorBits }) => errorBits)).toEqual([0, 0, 0, 1, 36, 0]);
  });

  it.each<[string, FaultPlan, boolean[]]>([
    ["at once and for ever", {}, [true, true, true, true]],
    ["later", { afterS: 2 }, [false, false, true, true]],
    ["for a while", { afterS: 1, forS: 2 }, [false, true, true, false]],
    ["for some requests", { requests: 1 }, [true, false, false, false]],
    ["never", { share: 0 }, [false, false, false, false]],
  ])("strikes as planned: %s", (_, plan, struck) => {
    let timeS = 1000;
    const bench = benchWith({ now: () => timeS, faults: [[{ kind: "dropped" }, plan]] });
    const silent = struck.map(() => {
      const isSilent = positionsHeard(bench).length === 0;
      timeS++;
      return isSilent;
    });
    expect(silent).toEqual(struck);
  });

  it("strikes a share of the requests, until all are cleared", () => {
    const bench = benchWith();
    bench.bus.setFault({ kind: "dropped" }, { share: 0.3 });
    const heard = Array.from({ length: 1000 }, () => positionsHeard(bench).length === 6);
    expect(heard.filter(Boolean).length / 1000).toBeCloseTo(0.7, 1);
    bench.bus.clearFaults();
    for (let i = 0; i < 20; i++) expect(positionsHeard(bench)).toEqual(ALL_HEARD);
  });
});

test("with a baud rate, replies come after their time on the wire", async () => {
  const { bus, ask } = benchWith({ baud: 9600 });
  const reply = new Promise<Uint8Array>((resolve) => {
    bus.onSend(resolve);
  });
  expect(ask(ASK_POSITIONS)).toHaveLength(0);
  expect(await reply).toHaveLength(48);
});
