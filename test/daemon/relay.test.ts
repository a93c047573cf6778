import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { JointSender } from "../../src/daemon/joint-sender.ts";
import { Relay } from "../../src/daemon/relay.ts";
import type { JointReading } from "../../src/robot/joint-history.ts";

const reading = (timeS: number, angleRad = timeS): JointReading => ({
  timeS,
  anglesRad: [angleRad, 0, 0, 0, 0, 0],
});

function filled(nowS: () => number, fromS: number, toS: number, hz = 100): Relay {
  const relay = new Relay(() => undefined, nowS);
  for (let i = 0; i <= Math.round((toS - fromS) * hz); i++) relay.take(reading(fromS + i / hz));
  return relay;
}

test("passes every reading on and keeps half a minute", () => {
  const passed: number[] = [];
  const relay = new Relay(
    ({ timeS }) => passed.push(timeS),
    () => 0,
  );
  for (let i = 0; i < 5000; i++) relay.take(reading(1000 + i / 100));
  expect(passed).toHaveLength(5000);
  expect(relay.received).toBe(5000);
  expect(relay.kept).toBe(3001);
  expect(relay.at(1000)).toBeNull();
  expect(relay.at(1049.985)).toMatchObject({ ageS: expect.closeTo(0.005, 6) as number });
});

test("gives the readings around a moment, from 300 ms before to 75 ms after", async () => {
  const relay = filled(() => 11, 9, 11);
  const around = await relay.around(10);
  expect(around[0].timeS).toBeCloseTo(9.7, 6);
  expect(around.at(-1)?.timeS).toBeCloseTo(10.07, 6);
});

test("waits for the reading after the shutter while it can still come", async () => {
  const startS = performance.now() / 1000;
  const nowS = (): number => performance.now() / 1000;
  const relay = filled(nowS, startS - 1, startS);
  const asked = relay.around(startS);
  const early = await Promise.race([asked.then(() => "answered"), Promise.resolve("waiting")]);
  expect(early).toBe("waiting");
  relay.take(reading(startS + 0.05));
  relay.take(reading(startS + 0.08));
  const around = await asked;
  expect(around.at(-1)?.timeS).toBeCloseTo(startS + 0.05, 6);
});

test("does not wait for a stream that has stopped, nor for one that never began", async () => {
  let now = 100;
  const relay = filled(() => now, 98, 100);
  now = 102;
  expect(await relay.around(102)).toEqual([]);
  expect(relay.silentS).toBe(2);
  const empty = new Relay(
    () => undefined,
    () => now,
  );
  expect(await empty.around(102)).toEqual([]);
  expect(empty.silentS).toBeNull();
});

test("a slow stream has not stopped between two readings; a quick one has after a second", () => {
  let now = 0;
  const relay = new Relay(
    () => undefined,
    () => now,
  );
  for (; now < 20; now += 2.5) relay.take(reading(now));
  expect(relay.hasStopped).toBe(false);
  now += 6;
  expect(relay.hasStopped).toBe(true);
  const quick = filled(() => now, now - 1, now);
  expect(quick.hasStopped).toBe(false);
  now += 1.1;
  expect(quick.hasStopped).toBe(true);
});

test("whoever waits leaves nothing behind on its signal", async () => {
  const nowS = (): number => performance.now() / 1000;
  const startS = nowS();
  const relay = filled(nowS, startS - 1, startS);
  const { signal } = new AbortController();
  const asked = Array.from({ length: 20 }, () => relay.around(startS, signal));
  relay.take(reading(startS + 0.08));
  await Promise.all(asked);
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

test("a shutter far in the future is not waited for without end", async () => {
  const relay = filled(() => 100, 99, 100);
  const asked = relay.around(5000);
  const controller = new AbortController();
  const cut = relay.around(5000, controller.signal);
  controller.abort();
  expect(await cut).toEqual([]);
  expect(await asked).toEqual([]);
});

test("a clock that is set back begins anew instead of hiding what follows", () => {
  const relay = filled(() => 0, 1000, 1001);
  relay.take(reading(400));
  relay.take(reading(400.01));
  expect(relay.latest()?.timeS).toBe(400.01);
  expect(relay.kept).toBe(2);
});

test("a day of readings leaves nothing behind but the last half minute", async () => {
  let nowMs = 0;
  let sent = 0;
  const sender = new JointSender({
    send: async () => void sent++,
    hz: 10,
    nowMs: () => nowMs,
    onOutage: () => undefined,
    onBack: () => undefined,
    onRefused: () => undefined,
  });
  const relay = new Relay(
    (one) => sender.offer(one),
    () => nowMs / 1000,
  );
  const hz = 20;
  const total = 24 * 3600 * hz;
  const angles = [0, 0, 0, 0, 0, 0];
  let most = 0;
  for (let i = 0; i < total; i++) {
    nowMs = (i * 1000) / hz;
    relay.take({ timeS: nowMs / 1000, anglesRad: angles });
    // Answers come back between readings.
    if (i % 2 === 0) await Promise.resolve();
    if (i % 1000 === 0) {
      await new Promise(setImmediate);
      most = Math.max(most, relay.kept);
    }
  }
  await sender.close();
  expect(most).toBeLessThanOrEqual(30 * hz + 1);
  expect(relay.received).toBe(total);
  expect(sent).toBeGreaterThan(0.95 * 24 * 3600 * 10);
  // The rate is kept to within 2 %.
  expect(sent).toBeLessThanOrEqual(24 * 3600 * 10 * 1.021);
});
