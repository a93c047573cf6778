import { expect, onTestFinished, test } from "vitest";
import { openJointStream } from "../../src/api/joint-stream.ts";
import { startRelay, type RelayOptions } from "../../src/daemon/run-relay.ts";
import type { JointReading } from "../../src/robot/joint-history.ts";
import type { JointSource } from "../../src/robot/joint-source.ts";
import { preciseNowS, sleep } from "../../src/time.ts";
import { IDENTITY, answer, no } from "../api/answers.ts";
import { serveHttp } from "../helpers/loopback.ts";

/** Readings at 100 Hz until the signal aborts, and silent in between when told. */
function steadySource(isSilent: () => boolean = () => false): JointSource {
  return async function* source(_listener, signal): AsyncGenerator<JointReading> {
    while (!signal.aborted) {
      await sleep(10, signal).catch(() => undefined);
      if (!signal.aborted && !isSilent())
        yield { timeS: preciseNowS(), anglesRad: [0, 0.1, 0.2, 0.3, 0.4, 0.5] };
    }
  };
}

async function jointBackend(status: () => number = () => 200) {
  const updates: { joint_angles: number[]; captured_at: number }[] = [];
  const server = await serveHttp((request, response) => {
    let text = "";
    request.on("data", (piece: Buffer) => (text += piece.toString()));
    request.on("end", () => {
      if (status() !== 200) return answer(response, status(), no("unavailable", "starting"));
      updates.push(JSON.parse(text) as (typeof updates)[number]);
      return answer(response, 200, { ...IDENTITY, success: true, joint_angles: [0, 0, 0, 0, 0, 0] });
    });
  });
  onTestFinished(() => server.close());
  return { url: server.url, updates };
}

function relay({ url, cloud, ...options }: Partial<RelayOptions> & { url: string; cloud?: boolean }) {
  const notes: string[] = [];
  const warnings: string[] = [];
  const stop = new AbortController();
  const client = openJointStream({ url, cloud });
  onTestFinished(async () => {
    stop.abort();
    await client.close();
  });
  const listener = {
    onNote: (line: string) => notes.push(line),
    onWarning: (line: string) => warnings.push(line),
  };
  const running = startRelay(
    { from: "a test", source: steadySource(), client, hz: 50, ...options },
    listener,
    stop.signal,
  );
  return { ...running, notes, warnings, stop: () => stop.abort() };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

test("readings reach the backend in time order, each with the time it was taken", async () => {
  const backend = await jointBackend();
  const run = relay({ url: backend.url });
  await until(() => backend.updates.length >= 20);
  run.stop();
  await run.ended;
  const times = backend.updates.map(({ captured_at }) => captured_at);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(Math.abs(preciseNowS() - times[0])).toBeLessThan(20);
  expect(backend.updates[0].joint_angles).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5]);
  expect(run.status()).toMatchObject({ from: "a test", backend: backend.url, failed: 0, trouble: null });
  expect(run.status().sent).toBe(backend.updates.length);
});

test("a backend that goes away and comes back is told of once, and nothing is sent twice", async () => {
  let status = 200;
  const backend = await jointBackend(() => status);
  const run = relay({ url: backend.url });
  await until(() => backend.updates.length >= 5);
  status = 503;
  await until(() => run.status().trouble !== null);
  await sleep(300);
  status = 200;
  const before = backend.updates.length;
  await until(() => backend.updates.length > before + 5);
  run.stop();
  await run.ended;
  expect(run.warnings).toHaveLength(1);
  expect(run.notes).toEqual(["the backend takes joint angles again"]);
  const times = backend.updates.map(({ captured_at }) => captured_at);
  expect(new Set(times).size).toBe(times.length);
});

test("a cloud is sent a part of what comes, which is told once", async () => {
  const backend = await jointBackend();
  const run = relay({ url: backend.url, hz: 100, cloud: true });
  await until(() => run.status().received > 150);
  run.stop();
  await run.ended;
  const { sent, superseded, received } = run.status();
  expect(sent).toBeGreaterThan(5);
  expect(superseded).toBeGreaterThan(2 * sent);
  expect(sent).toBeLessThan(received / 2);
  expect(run.notes.filter((note) => note.includes("in the cloud"))).toHaveLength(1);
});

test("a stream that stops is told of once, and its return too", async () => {
  let isSilent = false;
  const backend = await jointBackend();
  const run = relay({ url: backend.url, source: steadySource(() => isSilent) });
  await until(() => backend.updates.length >= 5);
  isSilent = true;
  await until(() => run.warnings.length > 0);
  expect(run.warnings[0]).toContain("no joint angles from a test");
  expect(run.status().silentS).toBeGreaterThan(0.9);
  isSilent = false;
  await until(() => run.notes.length > 0);
  expect(run.notes[0]).toContain("again");
  expect(run.warnings).toHaveLength(1);
});

test("readings that are pushed need no source", async () => {
  const backend = await jointBackend();
  const run = relay({ url: backend.url, source: null });
  run.relay.take({ timeS: 5, anglesRad: [1, 2, 3, 4, 5, 6] });
  await until(() => backend.updates.length === 1);
  expect(backend.updates[0]).toEqual({ joint_angles: [1, 2, 3, 4, 5, 6], captured_at: 5 });
  run.stop();
  await run.ended;
});

test("what ends a source early ends the relay with it", async () => {
  const backend = await jointBackend();
  const run = relay({
    url: backend.url,
    source: async function* broken() {
      yield { timeS: 1, anglesRad: [0, 0, 0, 0, 0, 0] };
      throw new Error("no such port");
    },
  });
  await expect(run.ended).rejects.toThrow("no such port");
});

test("a sender whose clock is ahead is told of once", async () => {
  const backend = await jointBackend();
  const run = relay({ url: backend.url, source: null });
  for (let i = 0; i < 60; i++) {
    run.relay.take({ timeS: preciseNowS() + 3, anglesRad: [0, 0, 0, 0, 0, 0] });
    await sleep(20);
  }
  expect(run.warnings).toHaveLength(1);
  expect(run.warnings[0]).toContain("3.0 s in the future");
});
