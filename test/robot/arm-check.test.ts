import { describe, expect, it } from "vitest";
import { armFindings, meetServos, type ServoFacts } from "../../src/robot/arm-check.ts";
import type { ByteLine } from "../../src/robot/byte-line.ts";
import { checksum } from "../../src/robot/feetech.ts";
import { ServoBusClient } from "../../src/robot/servo-bus-client.ts";

const GOOD: readonly ServoFacts[] = [1, 2, 3, 4, 5, 6].map((id) => ({
  id,
  model: 777,
  firmware: "3.10",
  range: id === 5 ? { minTicks: 0, maxTicks: 4095 } : { minTicks: 800, maxTicks: 3200 },
}));

function lines(changes: Readonly<Record<number, Partial<ServoFacts>>>): string[] {
  const facts = GOOD.map((fact) => ({ ...fact, ...changes[fact.id] }));
  return armFindings(facts, null).map(({ line }) => line);
}

describe("armFindings", () => {
  it("finds nothing wrong with a good arm, whose wrist_roll has the whole turn", () => {
    expect(lines({})).toEqual([]);
  });

  it("tells of mixed firmware, and of 3.9", () => {
    expect(lines({ 3: { firmware: "3.9" } })).toEqual([
      expect.stringMatching(/3\.10 in servo 1, 2, 4, 5, 6; 3\.9 in servo 3/) as string,
    ]);
    const old = GOOD.map((fact) => ({ ...fact, firmware: "3.9" }));
    expect(armFindings(old, null)[0].line).toMatch(/firmware 3\.9.*Incorrect status packet!/);
  });

  it("tells of a model that it has no name for", () => {
    expect(lines({ 1: { model: 4242 } })[0]).toMatch(/servo 1 \(shoulder_pan\) is of a model not known here/);
  });

  it("takes a calibration file that agrees without a word", () => {
    expect(
      armFindings(
        GOOD,
        GOOD.map(({ range }) => range ?? { minTicks: 0, maxTicks: 0 }),
      ),
    ).toEqual([]);
  });
});

/** A servo of the SCS series: knows PING and READ only, and has the high byte first. */
function scsLine(id: number): ByteLine {
  let hear: (bytes: Uint8Array) => void = () => undefined;
  const answer = (...parameters: number[]): void => {
    const body = [id, parameters.length + 2, 0, ...parameters];
    queueMicrotask(() => hear(Uint8Array.of(0xff, 0xff, ...body, checksum(body))));
  };
  return {
    write: (bytes) => {
      if (bytes[2] !== id) return;
      if (bytes[4] === 0x01) answer();
      else if (bytes[4] === 0x02) answer(...[0x05, 0x04, 0, 0].slice(0, bytes[6]));
    },
    onBytes: (listener) => {
      hear = listener;
    },
    onEnd: () => undefined,
    close: () => Promise.resolve(),
  };
}

it("knows a servo of a series without SYNC READ by its answer to a ping", async () => {
  const facts = await meetServos(new ServoBusClient(scsLine(2)), [1, 2]);
  expect(facts).toEqual([{ id: 2, model: 1284, firmware: null, range: null }]);
});
