import { expect, test } from "vitest";
import { JointSender, type SenderOptions } from "../../src/daemon/joint-sender.ts";
import { SplatError } from "../../src/errors.ts";
import type { JointReading } from "../../src/robot/joint-history.ts";

const reading = (timeS: number): JointReading => ({ timeS, anglesRad: [timeS, 0, 0, 0, 0, 0] });
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function sender(options: Partial<SenderOptions> = {}) {
  const sent: number[] = [];
  const told: string[] = [];
  const made = new JointSender({
    send: async ({ timeS }) => void sent.push(timeS),
    hz: 100,
    onOutage: (error) => told.push(`outage: ${error.message}`),
    onBack: () => told.push("back"),
    onRefused: (error) => told.push(`refused: ${error.message}`),
    ...options,
  });
  return { sender: made, sent, told };
}

test("sends at its rate on a grid, and of what comes faster the newest", async () => {
  let nowMs = 0;
  const { sender: slow, sent } = sender({ hz: 10, nowMs: () => nowMs });
  for (; nowMs < 1000; nowMs += 10) {
    slow.offer(reading(nowMs));
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
  }
  await slow.close();
  expect(sent.length).toBeGreaterThanOrEqual(10);
  // One more at the start: the rate allows two at once after a lull.
  expect(sent.length).toBeLessThanOrEqual(12);
  expect(sent[0]).toBe(0);
  for (const [i, time] of sent.entries()) if (i > 0) expect(time - sent[i - 1]).toBeLessThanOrEqual(110);
  expect(slow.counts.sent).toBe(sent.length);
  // All but the one that was still waiting at the end.
  expect(slow.counts.superseded).toBeGreaterThanOrEqual(100 - sent.length - 1);
});

test("a stall holds no later reading of a source at the very same rate back", async () => {
  let nowMs = 0;
  const { sender: steady, sent } = sender({ hz: 100, nowMs: () => nowMs });
  const at = async (timeMs: number): Promise<void> => {
    nowMs = timeMs;
    steady.offer(reading(timeMs));
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  for (let i = 0; i < 10; i++) await at(i * 10);
  // Three come late and nearly at once, as after a stall.
  for (const timeMs of [118, 118.5, 119]) await at(timeMs);
  for (let i = 12; i < 120; i++) await at(i * 10);
  const late = sent.filter((time) => time >= 1000);
  expect(late).toEqual(Array.from({ length: 20 }, (_, i) => 1000 + i * 10));
  await steady.close();
});

test("the last reading of a stream that stops is sent too", async () => {
  const { sender: steady, sent } = sender({ hz: 50 });
  steady.offer(reading(1));
  steady.offer(reading(2));
  await sleep(60);
  expect(sent).toEqual([1, 2]);
  await steady.close();
});

test("a backend far away has several answers under way, never a backlog", async () => {
  let flying = 0;
  let most = 0;
  const { sender: far, sent } = sender({
    hz: 1000,
    send: async ({ timeS }) => {
      most = Math.max(most, ++flying);
      await sleep(40);
      flying--;
      sent.push(timeS);
    },
  });
  for (let i = 0; i < 60; i++) {
    far.offer(reading(i));
    await sleep(2);
  }
  await far.close();
  expect(most).toBe(4);
  expect(flying).toBe(0);
  expect(far.counts.superseded).toBeGreaterThan(20);
});

test("an outage is told once, is met with fewer attempts, and ends with the newest reading", async () => {
  let isAway = true;
  const attempts: number[] = [];
  const { sender: patient, told } = sender({
    send: async ({ timeS }) => {
      attempts.push(timeS);
      if (isAway) throw new SplatError("unreachable", "no answer");
    },
  });
  for (let i = 0; i < 60; i++) {
    patient.offer(reading(i));
    await sleep(10);
  }
  expect(attempts.length).toBeLessThan(6);
  isAway = false;
  patient.offer(reading(1000));
  await sleep(1100);
  expect(attempts.at(-1)).toBe(1000);
  expect(told).toEqual(["outage: no answer", "back"]);
  expect(patient.outage).toBeNull();
  await patient.close();
});

test("what the backend refuses for its content stops nothing", async () => {
  const {
    sender: steady,
    told,
    sent,
  } = sender({
    hz: 1000,
    send: async ({ timeS }) => {
      const refusal = { status: 400, code: "bad_request" };
      if (timeS === 1) throw new SplatError("refused", "beyond ±2π", { refusal });
      sent.push(timeS);
    },
  });
  for (const time of [0, 1, 2]) {
    steady.offer(reading(time));
    await sleep(5);
  }
  await steady.close();
  expect(told).toEqual(["refused: beyond ±2π"]);
  expect(sent).toEqual([0, 2]);
});

test("closing waits for what is under way and takes no more", async () => {
  const { sender: closing, sent } = sender({
    send: async ({ timeS }) => {
      await sleep(20);
      sent.push(timeS);
    },
  });
  closing.offer(reading(1));
  await closing.close();
  closing.offer(reading(2));
  await sleep(40);
  expect(sent).toEqual([1]);
});

test("another reason for an outage is news, the same one in other words is not", async () => {
  const reasons = [
    new SplatError("unreachable", "refused"),
    new SplatError("unreachable", "reset"),
    new SplatError("not_configured", "a token is wanted", { refusal: { status: 401, code: "unauthorized" } }),
  ];
  let nowMs = 0;
  const { sender: patient, told } = sender({
    nowMs: () => nowMs,
    send: async () => {
      throw reasons.shift() ?? new Error("no more");
    },
  });
  for (let i = 0; i < 3; i++) {
    patient.offer(reading(i));
    await sleep(1);
    nowMs += 10_000;
  }
  await patient.close();
  expect(told).toEqual(["outage: refused", "outage: a token is wanted"]);
});

test.each([
  { status: 429, isCloud: false, isLeftAlone: true },
  { status: 503, isCloud: true, isLeftAlone: true },
  // It starts or stops: whoever moves the arm there sees it again at once.
  { status: 503, isCloud: false, isLeftAlone: false },
])("a $status that asks for time gets it: $isLeftAlone (cloud: $isCloud)", async (given) => {
  const { status, isCloud, isLeftAlone } = given;
  let nowMs = 0;
  const attempts: number[] = [];
  const { sender: asked } = sender({
    isCloud,
    nowMs: () => nowMs,
    send: async () => {
      attempts.push(nowMs);
      throw new SplatError("refused", "no", { refusal: { status, code: "busy", retryAfterS: 7 } });
    },
  });
  for (; nowMs < 8000; nowMs += 100) {
    asked.offer(reading(nowMs));
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
  await asked.close();
  // One second one may have left before the first was answered.
  const early = attempts.filter((timeMs) => timeMs > 100 && timeMs < 7000);
  expect(early.length === 0).toBe(isLeftAlone);
  expect(attempts.some((timeMs) => timeMs >= 7000)).toBe(true);
});

test("whoever ends does not wait for a backend that is being started", async () => {
  const { sender: waiting } = sender({ send: () => new Promise(() => undefined) });
  waiting.offer(reading(1));
  await waiting.close();
  expect(waiting.counts).toMatchObject({ sent: 0, failed: 0 });
});
