/** A serial source on a simulated bus: what it makes of an arm, of a cable that is pulled, and of a slow reader. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SplatError } from "../../src/errors.ts";
import type { ByteLine } from "../../src/robot/byte-line.ts";
import { syncReadRequest } from "../../src/robot/feetech.ts";
import { REGISTERS } from "../../src/robot/feetech-registers.ts";
import type { JointReading } from "../../src/robot/joint-history.ts";
import type { PortSystem } from "../../src/robot/serial-connect.ts";
import type { SerialPortInfo } from "../../src/robot/serial-ports.ts";
import { serialSource } from "../../src/robot/serial.ts";
import { createServoBus } from "../../src/sim/servo-bus.ts";
import { startArm, STILL } from "../helpers/arm-run.ts";
import { adapter, simulatedPort } from "../helpers/simulated-port.ts";

const SYNC_READ = 0x82;
const SILENT = { onNote: () => undefined, onWarning: () => undefined };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function firstError(options: Parameters<typeof serialSource>[0]): Promise<SplatError> {
  const readings = serialSource(options)(SILENT, new AbortController().signal)[Symbol.asyncIterator]();
  const thrown: unknown = await readings.next().catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(SplatError);
  return thrown as SplatError;
}

describe("meeting an arm", () => {
  it("gives radians, health and counts", async () => {
    const arm = startArm();
    await arm.run(2.005);
    await arm.stop();
    expect(arm.told).toEqual(["reading the arm on /dev/ttyACM0, 100 times a second"]);
    const [first] = arm.readings;
    // The middle of the simulated arm's ranges, but for the wrist's half tick and the gripper.
    expect(first.anglesRad.slice(0, 4)).toEqual([0, 0, 0, expect.any(Number)]);
    expect(first.anglesRad).toHaveLength(6);
    expect(arm.health[0]).toHaveLength(6);
    expect(arm.health[0][2]).toMatchObject({ name: "elbow_flex", faults: [] });
    expect(arm.counts()).toMatchObject({ samples: arm.readings.length, missed: 0, dropped: 0, skipped: 0 });
    expect(arm.bus.refusedWrites).toBe(0);
  });

  it("stamps each reading in the middle between the request and the last byte", async () => {
    const arm = startArm();
    await arm.run(1);
    await arm.stop();
    for (const [i, { timeS }] of arm.readings.entries()) {
      expect(Math.abs(timeS - arm.bus.answered[i].timeS)).toBeLessThan(1e-6);
    }
  });

  it("keeps to its grid", async () => {
    const arm = startArm({}, { hz: 30 });
    await arm.run(20);
    await arm.stop();
    expect(Math.abs(arm.readings.length - 600)).toBeLessThanOrEqual(1);
    const spans = arm.readings.map(({ timeS }, i) => (timeS - arm.readings[0].timeS) * 30 - i);
    expect(Math.max(...spans.map(Math.abs))).toBeLessThan(0.05);
  });

  it("uses ranges from a file, and tells where the arm has others", async () => {
    const calibration = Array.from({ length: 6 }, () => ({ minTicks: 1000, maxTicks: 3000 }));
    const arm = startArm({}, { calibration });
    await arm.run(0.5);
    await arm.stop();
    expect(arm.readings[0].anglesRad[0]).toBeCloseTo(((STILL[0] - 2000) * 2 * Math.PI) / 4095, 9);
    expect(arm.told[1]).toMatch(/^! the calibration file says otherwise .*748…3410 in the servo/);
  });

  it.each([
    ["not calibrated", /^! the arm is not calibrated \(shoulder_pan, .*, gripper\): .*lerobot-calibrate/],
    ["one range without width", /^! the arm is not calibrated \(gripper\)/],
  ])("tells of an arm: %s", async (name, pattern) => {
    const limits = [0, 1, 2, 3, 4, 5].map((joint): [number, number] =>
      joint === 5 ? [7, 7] : joint === 4 ? [0, 4095] : [100, 4000],
    );
    const arm = startArm(name === "not calibrated" ? { faults: [[{ kind: name }, {}]] } : { limits });
    await arm.run(0.5);
    await arm.stop();
    expect(arm.told[1]).toMatch(pattern);
    expect(arm.told).toHaveLength(2);
    expect(arm.readings.length).toBeGreaterThan(40);
  });

  it("names a servo of another model", async () => {
    const arm = startArm({ faults: [[{ kind: "wrong model", servo: 2, model: 1284 }, {}]] });
    await arm.run(0.5);
    await arm.stop();
    expect(arm.told[1]).toMatch(/^! servo 2 \(shoulder_lift\) is SCS0009 \(model 1284\), not an STS3215/);
  });

  it("tells at once that a servo is missing, or all are, and begins when they are there", async () => {
    const arm = startArm({ faults: [[{ kind: "dropped", servo: 4 }, { forS: 2 }]] });
    await arm.run(1);
    expect(arm.readings).toHaveLength(0);
    expect(arm.told[1]).toMatch(/^! servo 4 \(wrist_flex\) does not answer/);
    await arm.run(2);
    await arm.stop();
    expect(arm.told.slice(2)).toEqual(["servo 4 (wrist_flex) answers again"]);
    expect(arm.readings.length).toBeGreaterThan(70);
  });

  it("gives no angle of a servo that has not told its limits, asks it again, and tells of it", async () => {
    const bus = createServoBus({ ticksAt: () => STILL });
    const port = simulatedPort(bus);
    let isMute = true;
    const open = async (path: string): Promise<ByteLine> => {
      const line = await port.open(path);
      const withoutElbow = (bytes: Uint8Array): Uint8Array =>
        isMute && bytes[4] === SYNC_READ && bytes[5] === REGISTERS.minPositionLimit.address
          ? syncReadRequest(
              bytes[5],
              bytes[6],
              [...bytes.subarray(7, -1)].map((id) => (id === 3 ? 99 : id)),
            )
          : bytes;
      return { ...line, write: (bytes) => line.write(withoutElbow(bytes)) };
    };
    const arm = startArm({}, { system: { ...port, open } });
    await arm.run(0.5);
    expect(arm.told).toHaveLength(1);
    await arm.run(4);
    expect(arm.readings).toEqual([]);
    expect(arm.told.slice(1)).toEqual([
      expect.stringMatching(/^! servo 3 \(elbow_flex\) does not tell its limits/),
    ]);
    isMute = false;
    await arm.run(1);
    await arm.stop();
    expect(arm.told.slice(2)).toEqual(["servo 3 (elbow_flex) tells its limits now"]);
    expect(arm.readings[0].anglesRad[2]).toBeCloseTo(0, 9);
    expect(arm.readings.length).toBeGreaterThan(70);
  });

  it("tells no health of an arm without power", async () => {
    const arm = startArm();
    await arm.run(2);
    expect(arm.health.at(-1)).toHaveLength(6);
    arm.bus.setFault({ kind: "dropped" });
    await arm.run(4);
    await arm.stop();
    expect(arm.health.at(-1)).toEqual([]);
  });

  it("tells who is still missing when only some come back after all were silent, and the next loss", async () => {
    const arm = startArm();
    await arm.run(1);
    const all = arm.bus.setFault({ kind: "dropped" });
    await arm.run(3);
    arm.bus.setFault({ kind: "dropped", servo: 6 });
    all();
    await arm.run(4);
    const again = arm.bus.setFault({ kind: "dropped" });
    await arm.run(3);
    again();
    arm.bus.clearFaults();
    await arm.run(3);
    await arm.stop();
    expect(arm.told.slice(1)).toEqual([
      expect.stringMatching(/^! no servo answers/),
      "5 of 6 servos answer",
      expect.stringMatching(/^! servo 6 \(gripper\) does not answer/),
      expect.stringMatching(/^! no servo answers/),
      "servo 6 (gripper) answers again",
      "all servos answer again",
    ]);
  });

  it("tells nothing of servos that come back one after another", async () => {
    const arm = startArm();
    await arm.run(1);
    for (let servo = 1; servo <= 6; servo++)
      arm.bus.setFault({ kind: "dropped", servo }, { forS: 3 + servo / 10 });
    await arm.run(8);
    await arm.stop();
    expect(arm.told.slice(1)).toEqual([
      expect.stringMatching(/^! no servo answers/),
      "all servos answer again",
    ]);
  });

  it("asks whether all servos have the factory's ID when only the first answers", async () => {
    const missing = [2, 3, 4, 5, 6].map((servo) => [{ kind: "dropped", servo } as const, {}] as const);
    const arm = startArm({ faults: missing });
    await arm.run(0.5);
    await arm.stop();
    expect(arm.told.slice(1)).toEqual([expect.stringMatching(/^! only servo 1 answers .*factory's ID 1/)]);
  });
});

describe("positions", () => {
  it("asks a slow answer again once, and not beyond the time of the next reading", async () => {
    const arm = startArm({}, { hz: 50 });
    await arm.run(1.5);
    const receive = arm.bus.receive.bind(arm.bus);
    let asked = 0;
    vi.spyOn(arm.bus, "receive").mockImplementation((bytes) => {
      if (bytes[5] === REGISTERS.presentPosition.address) asked++;
      if (asked === 1) arm.bus.setFault({ kind: "late reply", delayMs: 3 }, { requests: 1 });
      if (asked === 2) arm.bus.setFault({ kind: "dropped", servo: 3 }, { forS: 0.01 });
      receive(bytes);
    });
    await arm.run(0.2);
    expect(asked).toBe(11);
    await arm.run(1);
    await arm.stop();
    expect(arm.counts()).toMatchObject({ missed: 0, dropped: 0, retried: 0 });
  });

  it("asks a slow answer again also while the gripper is silent", async () => {
    const arm = startArm({ faults: [[{ kind: "dropped", servo: 6 }, {}]] }, { hz: 50 });
    await arm.run(2);
    const receive = arm.bus.receive.bind(arm.bus);
    let asked = 0;
    vi.spyOn(arm.bus, "receive").mockImplementation((bytes) => {
      const isOfArm = bytes[5] === REGISTERS.presentPosition.address && bytes[7] === 1;
      if (isOfArm && asked++ === 0) arm.bus.setFault({ kind: "late reply", delayMs: 3 }, { requests: 1 });
      receive(bytes);
    });
    await arm.run(0.5);
    await arm.stop();
    const readS = arm.bus.answered.map(({ timeS }) => timeS);
    const offS = arm.readings.map(({ timeS }) => Math.min(...readS.map((at) => Math.abs(at - timeS))));
    expect(asked).toBe(26);
    expect(Math.max(...offS)).toBeLessThan(0.0005);
  });

  it("follows wrist_roll over the end of its encoder, and stays within ±2π", async () => {
    const speed = 3000;
    let t0 = Number.NaN;
    const ticksAt = (timeS: number): number[] => {
      if (Number.isNaN(t0)) t0 = timeS;
      return STILL.map((ticks, joint) => (joint === 4 ? 3800 + speed * (timeS - t0) : ticks));
    };
    const arm = startArm({ ticksAt });
    await arm.run(5);
    await arm.stop();
    const rolls = arm.readings.map(({ anglesRad }) => anglesRad[4]);
    const turns = rolls.slice(1).map((roll, i) => roll - rolls[i]);
    expect(Math.max(...rolls.map(Math.abs))).toBeLessThanOrEqual(2 * Math.PI);
    // 7000 ticks and more: twice a whole turn back, else as fast as it turned.
    const leaps = turns.filter((turn) => Math.abs(turn) > 0.1);
    expect(leaps.length).toBeGreaterThan(0);
    expect(leaps.length).toBeLessThanOrEqual(4);
    for (const leap of leaps) expect(leap).toBeCloseTo(-2 * Math.PI, 0);
    expect(arm.told).toHaveLength(1);
  });

  it("asks again for a position that no servo can have reached", async () => {
    let isOdd = false;
    const ticksAt = (): number[] =>
      STILL.map((ticks, joint) => (joint === 1 && isOdd ? ticks + 1500 : ticks));
    const arm = startArm({ ticksAt });
    await arm.run(0.5);
    isOdd = true;
    await vi.advanceTimersByTimeAsync(1);
    const before = arm.bus.answeredCount;
    while (arm.bus.answeredCount === before) await vi.advanceTimersByTimeAsync(1);
    isOdd = false;
    await arm.run(0.5);
    await arm.stop();
    const lifts = arm.readings.map(({ anglesRad }) => anglesRad[1]);
    expect(Math.max(...lifts.map(Math.abs))).toBeLessThan(0.01);
    expect(arm.counts()).toMatchObject({ dropped: 0, missed: 0 });
  });

  it("believes a leap that is read twice, and tells of an elbow that wraps", async () => {
    let elbow = 4090;
    const arm = startArm({ ticksAt: () => STILL.map((ticks, joint) => (joint === 2 ? elbow : ticks)) });
    await arm.run(0.5);
    elbow = 5;
    await arm.run(0.5);
    await arm.stop();
    expect(arm.told[1]).toMatch(/^! elbow_flex passed the end of its encoder/);
    const turned = (arm.readings.at(-1)?.anglesRad[2] ?? 0) - arm.readings[0].anglesRad[2];
    expect(turned).toBeCloseTo((11 * 2 * Math.PI) / 4095, 9);
  });
});

describe("the cable", () => {
  it("goes on after the adapter was pulled amid a packet, found under another name", async () => {
    const arm = startArm();
    await arm.run(1.0015);
    arm.port.unplug();
    await arm.run(3);
    const gone = arm.readings.length;
    arm.port.plug("/dev/ttyACM1");
    await arm.run(2);
    await arm.stop();
    expect(arm.told.slice(1)).toEqual([
      "! the port /dev/ttyACM0 has gone (Input/output error): is the adapter unplugged? Looking for it",
      "the arm is back on /dev/ttyACM1",
    ]);
    expect(arm.readings.length - gone).toBeGreaterThan(145);
    expect(arm.counts()).toMatchObject({ reconnects: 1 });
  });

  it("is not taken in by another arm that got the name of the one that was pulled", async () => {
    const bus = createServoBus({ ticksAt: () => STILL });
    const port = simulatedPort(bus);
    let others: SerialPortInfo[] = [];
    const opened: string[] = [];
    const arm = startArm(
      {},
      {
        system: {
          ...port,
          list: async () => [...others, ...(await port.list())],
          identity: async (path) =>
            others.some((other) => other.path === path) ? "another" : await port.identity(path),
          open: (path) => {
            opened.push(path);
            return port.open(path);
          },
        },
      },
    );
    await arm.run(1);
    port.unplug();
    others = [adapter("/dev/ttyACM0", "B2")];
    await arm.run(5);
    expect(opened).toEqual(["/dev/ttyACM0"]);
    port.plug("/dev/ttyACM1");
    await arm.run(1);
    await arm.stop();
    expect(opened).toEqual(["/dev/ttyACM0", "/dev/ttyACM1"]);
  });

  it("waits for a port to be listed again where its name alone tells nothing", async () => {
    const bus = createServoBus({ ticksAt: () => STILL });
    const port = simulatedPort(bus, "COM3");
    let opens = 0;
    const system: PortSystem = {
      ...port,
      list: async () => (await port.list()).map(({ path }) => adapter(path)),
      identity: (path) => Promise.resolve(path),
      open: (path) => {
        opens++;
        return port.open(path);
      },
    };
    const arm = startArm({}, { system });
    await arm.run(1);
    port.unplug();
    await arm.run(5);
    expect(opens).toBe(1);
    port.plug();
    await arm.run(1);
    await arm.stop();
    expect(opens).toBe(2);
  });

  it("tells each time that it is pulled, not each time that it looks", async () => {
    const arm = startArm();
    for (let time = 0; time < 3; time++) {
      await arm.run(1);
      arm.port.unplug();
      await arm.run(10);
      arm.port.plug();
    }
    await arm.run(1);
    await arm.stop();
    expect(arm.told.filter((line) => line.startsWith("!"))).toHaveLength(3);
    expect(arm.told.filter((line) => line.startsWith("the arm is back"))).toHaveLength(3);
  });

  it("tells once why the port does not open again, not each time that it tries", async () => {
    const port = simulatedPort(createServoBus({ ticksAt: () => STILL }));
    let isShut = false;
    const open = (path: string): Promise<ByteLine> =>
      isShut ? Promise.reject(new SplatError("bad_input", "permission denied")) : port.open(path);
    const arm = startArm({}, { system: { ...port, open } });
    await arm.run(1);
    isShut = true;
    port.unplug();
    port.plug();
    await arm.run(10);
    isShut = false;
    await arm.run(2);
    await arm.stop();
    expect(arm.told.slice(2)).toEqual(["! permission denied", "the arm is back on /dev/ttyACM0"]);
  });

  it("is not opened without pause when it ends as soon as it is open", async () => {
    const port = simulatedPort(createServoBus({ ticksAt: () => STILL }));
    let opens = 0;
    const open = async (path: string): Promise<ByteLine> => {
      opens++;
      const line = await port.open(path);
      return {
        ...line,
        onEnd: (listener) => {
          setTimeout(() => listener("Input/output error"), 1);
        },
      };
    };
    const arm = startArm({}, { system: { ...port, open } });
    await arm.run(10);
    await arm.stop();
    expect(opens).toBeGreaterThan(5);
    expect(opens).toBeLessThan(25);
    expect(arm.told.slice(1)).toEqual([expect.stringMatching(/^! the port .* has gone/)]);
  });

  it("notices a device that vanished without a word", async () => {
    let device = "1";
    const silentBus = createServoBus({ ticksAt: () => STILL, faults: [[{ kind: "dropped" }, {}]] });
    const port = { ...simulatedPort(silentBus), identity: () => Promise.resolve(device) };
    const arm = startArm({}, { system: port });
    await arm.run(2.5);
    device = "2";
    await arm.run(2);
    await arm.stop();
    expect(arm.told.slice(1)).toEqual([
      expect.stringMatching(/^! no servo answers/),
      expect.stringMatching(/^! the port .* has gone \(its device is gone\)/),
      "the arm is back on /dev/ttyACM0",
    ]);
  });
});

describe("the beginning", () => {
  const bus = createServoBus({ ticksAt: () => STILL });

  it("refuses a port that is in use, naming who has it, and points to the other roads", async () => {
    const holders = (): Promise<{ pid: number; name: string }[]> =>
      Promise.resolve([{ pid: 4711, name: "python3" }]);
    const error = await firstError({ system: { ...simulatedPort(bus), holders } });
    expect(error.message).toBe("/dev/ttyACM0 is in use by python3 (pid 4711)");
    expect(error.hint).toMatch(/relay lerobot.*relay http/);
  });

  it("finds who opened the port later, when answers stay away", async () => {
    let others: { pid: number; name: string }[] = [];
    const noisy = createServoBus({ ticksAt: () => STILL });
    const port = { ...simulatedPort(noisy), holders: () => Promise.resolve(others) };
    const arm = startArm({}, { system: port });
    await arm.run(1);
    others = [{ pid: 4711, name: "python3" }];
    noisy.setFault({ kind: "half a reply" }, { share: 0.3, forS: 5 });
    await arm.run(7);
    expect(arm.told).toContainEqual(expect.stringMatching(/^! .* was also opened by python3 \(pid 4711\)/));
    others = [];
    await arm.run(7);
    await arm.stop();
    expect(arm.told).toContain("nobody else has /dev/ttyACM0 open any more");
  });

  it("lists the candidates when the named port is not there", async () => {
    const error = await firstError({ path: "/dev/ttyUSB7", system: simulatedPort(bus) });
    expect(error).toMatchObject({ code: "bad_input", message: "there is no port /dev/ttyUSB7" });
    expect(error.hint).toContain("/dev/ttyACM0 (USB 1a86:55d3, likely)");
  });

  it("says what to look for when there is no port at all, or too many", async () => {
    const none = await firstError({ system: { ...simulatedPort(bus), list: () => Promise.resolve([]) } });
    expect(none.hint).toMatch(/1a86.*WSL/);
    const list = (): ReturnType<typeof simulatedPort.prototype.list> =>
      Promise.resolve([adapter("/dev/ttyACM0"), adapter("/dev/ttyACM1")]);
    const two = await firstError({ system: { ...simulatedPort(bus), list } });
    expect(two.message).toBe("there are 2 ports that could be the arm's");
    expect(two.hint).toMatch(/ttyACM0.*ttyACM1/);
  });

  it("waits for a port when it may", async () => {
    const arm = startArm({}, { wait: true });
    arm.port.unplug();
    await arm.run(0);
    await arm.run(3);
    arm.port.plug();
    await arm.run(1);
    await arm.stop();
    expect(arm.readings.length).toBeGreaterThan(40);
  });

  it("takes no impossible rate", () => {
    expect(() => serialSource({ hz: 0 })).toThrow("0 times a second");
    expect(() => serialSource({ hz: 1001 })).toThrow(SplatError);
  });
});

it("gives a slow reader the newest reading, and says how many it did not take", async () => {
  const bus = createServoBus({ ticksAt: () => STILL });
  const stop = new AbortController();
  let skipped = 0;
  const source = serialSource({
    system: simulatedPort(bus),
    onCounts: (counts) => {
      skipped = counts.skipped;
    },
  });
  const readings = source(SILENT, stop.signal)[Symbol.asyncIterator]();
  const first = readings.next();
  await vi.advanceTimersByTimeAsync(100);
  const beganS = ((await first).value as JointReading).timeS;
  await vi.advanceTimersByTimeAsync(900);
  const late = (await readings.next()).value as JointReading;
  expect(late.timeS - beganS).toBeGreaterThan(0.9);
  const end = readings.return?.();
  await vi.advanceTimersByTimeAsync(100);
  await end;
  expect(skipped).toBeGreaterThan(90);
  expect(vi.getTimerCount()).toBe(0);
});
