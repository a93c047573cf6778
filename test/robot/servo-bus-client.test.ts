import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SplatError } from "../../src/errors.ts";
import { ServoBusClient } from "../../src/robot/servo-bus-client.ts";
import { createServoBus, type ServoBus } from "../../src/sim/servo-bus.ts";
import { joinedLine } from "../helpers/simulated-port.ts";

const IDS = [1, 2, 3, 4, 5, 6];
const POSITION = 56;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Joined {
  readonly bus: ServoBus;
  readonly client: ServoBusClient;
  readonly cut: () => void;
}

/** Servos whose first joint counts milliseconds. */
function join(): Joined {
  const startS = Date.now() / 1000;
  const bus = createServoBus({
    ticksAt: (timeS) => [Math.max(0, (timeS - startS) * 1000), 1000, 1001, 1002, 1003, 1004],
  });
  const { line, cut } = joinedLine(bus);
  return { bus, client: new ServoBusClient(line), cut };
}

/** Let time pass until a promise is settled. */
async function settled<T>(promise: Promise<T>): Promise<T> {
  const pending = Symbol("pending");
  for (let ms = 0; ms < 500; ms++) {
    if ((await Promise.race([promise, Promise.resolve(pending)])) !== pending) break;
    await vi.advanceTimersByTimeAsync(1);
  }
  return promise;
}

it("pings, reads one servo and reads all", async () => {
  const { client } = join();
  expect(await settled(client.ping(3))).toMatchObject({ id: 3, errorBits: 0 });
  expect(await settled(client.ping(9))).toBeNull();
  expect((await settled(client.read(2, 3, 2)))?.parameters.slice(0, 2)).toEqual(Uint8Array.of(0x09, 0x03));
  const answers = await settled(client.syncRead(POSITION, 2, IDS));
  expect(answers.map(({ id }) => id)).toEqual(IDS);
});

it("asks again only for those missing, and gives what came", async () => {
  const { bus, client } = join();
  const asked = vi.spyOn(bus, "receive");
  bus.setFault({ kind: "dropped", servo: 4 });
  const answers = await settled(client.syncRead(POSITION, 2, IDS));
  expect(answers.map(({ id }) => id)).toEqual([1, 2, 3, 5, 6]);
  expect(asked.mock.calls.map(([bytes]) => Array.from(bytes.subarray(7, -1)))).toEqual([IDS, [4], [4]]);
  expect(client.retried).toBe(2);
});

it("does not ask again for a servo that is not needed", async () => {
  const { bus, client } = join();
  bus.setFault({ kind: "dropped", servo: 6 });
  expect(await settled(client.syncRead(POSITION, 2, IDS, { spare: 6 }))).toHaveLength(5);
  expect(client.retried).toBe(0);
});

it("never takes a late answer for one to a later request", async () => {
  const { bus, client } = join();
  for (let round = 0; round < 40; round++) {
    bus.setFault({ kind: "late reply", delayMs: 10 + round }, { requests: 1 });
    const answers = await settled(client.syncRead(POSITION, 2, IDS));
    const sampledS = bus.answered.map(({ timeS }) => timeS);
    for (const { timeS } of answers) {
      // Within the time that an answer in its own time may take.
      expect(Math.min(...sampledS.map((at) => Math.abs(at - timeS)))).toBeLessThan(0.008);
    }
    await vi.advanceTimersByTimeAsync(round % 7);
  }
});

it("is over at once when the line ends", async () => {
  const { client, cut } = join();
  const answers = client.syncRead(POSITION, 2, IDS);
  cut();
  expect(await answers).toEqual([]);
  expect(client.ended).toBe("Input/output error");
  expect(await client.ping(1)).toBeNull();
  expect(vi.getTimerCount()).toBe(1);
});

it("asks nothing after a deadline, and one thing at a time", async () => {
  const { bus, client } = join();
  bus.setFault({ kind: "dropped" });
  const startMs = performance.timeOrigin + performance.now();
  const first = client.syncRead(POSITION, 2, IDS, { untilMs: startMs + 3 });
  await expect(client.ping(1)).rejects.toThrow(SplatError);
  await settled(first);
  expect(performance.timeOrigin + performance.now() - startMs).toBeLessThanOrEqual(5);
});
