import { expect, it, test } from "vitest";
import type { Hono } from "hono";
import { createControlApp, type ControlDeps } from "../../src/daemon/control-app.ts";
import { PauseSwitch } from "../../src/daemon/pause.ts";
import { SplatError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { json, refusalOf } from "../helpers/backend-fixture.ts";

const RAD = [0, 0.1, 0.2, 0.3, 0.4, 0.5];
const READING = { timeS: 100, anglesRad: RAD };

/** The app of a daemon, and what it logged. */
function daemon(deps: Partial<ControlDeps> = {}): { app: Hono; logged: string[]; stops: () => number } {
  const logged: string[] = [];
  let stops = 0;
  const app = createControlApp({
    identity: { name: "main", pid: 7 },
    state: "running",
    status: () => ({ summary: "all is well" }),
    joints: null,
    takeJoints: null,
    jointsFrom: null,
    pause: null,
    stop: () => void stops++,
    log: createLog("quiet", (line) => logged.push(line)),
    ...deps,
  });
  return { app, logged, stops: () => stops };
}

const ASKED = {
  around: () => Promise.resolve([READING, { timeS: 101, anglesRad: RAD }]),
  latest: () => READING,
};

test("it tells who it is and how it stands", async () => {
  const { app } = daemon();
  const health: unknown = await (await app.request("/health")).json();
  expect(health).toMatchObject({ service: "splatctl-daemon", name: "main", pid: 7, status: "running" });
  const status: unknown = await (await app.request("/status")).json();
  expect(status).toMatchObject({ name: "main", state: "running", summary: "all is well" });
});

test("it is ended by POST alone, answering first, and again if asked again", async () => {
  const { app, stops } = daemon();
  expect(await refusalOf(await app.request("/stop"))).toMatchObject({ status: 405 });
  expect((await app.request("/stop", { method: "POST" })).status).toBe(202);
  expect((await app.request("/stop", { method: "POST" })).status).toBe(202);
  expect(stops()).toBe(2);
});

test("a capture is paused and goes on, as often as asked; the status tells", async () => {
  const pause = new PauseSwitch();
  const { app } = daemon({ pause });
  const paused = async (): Promise<unknown> => await (await app.request("/status")).json();
  for (const [path, isPaused] of [
    ["/pause", true],
    ["/pause", true],
    ["/resume", false],
    ["/resume", false],
  ] as const) {
    const answer = await app.request(path, { method: "POST" });
    expect([answer.status, await answer.json()]).toMatchObject([200, { success: true, paused: isPaused }]);
    expect(pause.isPaused).toBe(isPaused);
    expect(await paused()).toMatchObject({ paused: isPaused });
  }
  expect(await refusalOf(await app.request("/pause"))).toMatchObject({ status: 405 });
});

test.each(["/pause", "/resume"])("%s of a daemon that captures nothing is a conflict", async (path) => {
  const refusal = await refusalOf(await daemon().app.request(path, { method: "POST" }));
  expect(refusal).toMatchObject({ status: 409, code: "conflict" });
  expect(refusal.message).toContain("captures nothing");
});

it.each(["/health", "/status", "/joints", "/update-joint-angles", "/pause", "/resume", "/stop"])(
  "turns foreign pages away from %s",
  async (path) => {
    const { app, stops } = daemon();
    for (const headers of [
      { host: "127.0.0.1:1", origin: "https://evil.example" },
      { host: "127.0.0.1:1", origin: "http://127.0.0.1:2" },
      { host: "127.0.0.1:1", origin: "null" },
      { host: "rebound.example:1" },
    ]) {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        const answer = await app.request(path, { method, headers });
        expect(answer.headers.get("access-control-allow-origin")).toBeNull();
        const { status, code, message } = await refusalOf(answer);
        expect([status, code]).toEqual([403, "forbidden_origin"]);
        expect(message).toContain("this daemon");
      }
    }
    expect(stops()).toBe(0);
  },
);

test("errors have the contract's form", async () => {
  const { app } = daemon();
  expect(await (await app.request("/nothing")).json()).toMatchObject({
    success: false,
    error: { code: "not_found", message: "there is nothing at /nothing" },
    session_id: expect.any(String) as string,
  });
});

test("joints at a moment are answered with their readings", async () => {
  const at = (): object => ({ anglesRad: RAD, speedDegS: 3, ageS: 0.01 });
  const { app } = daemon({ joints: { ...ASKED, at: at as never } });
  expect(await (await app.request("/joints?at=100.5")).json()).toMatchObject({
    at: 100.5,
    joint_angles: RAD,
    speed_deg_s: 3,
    age_s: 0.01,
    samples: [
      [100, RAD],
      [101, RAD],
    ],
    latest: [100, RAD],
  });
  expect(await (await app.request("/joints")).json()).toMatchObject({ at: null, latest: [100, RAD] });
});

it.each(["awaited", null] as const)("where joints are %s there are none", async (found) => {
  const { app } = daemon({ joints: { ...ASKED, at: () => found, latest: () => null } });
  const nothing = { joint_angles: null, speed_deg_s: null, age_s: null, latest: null };
  expect(await (await app.request("/joints?at=5")).json()).toMatchObject({ at: 5, ...nothing });
});

it.each(["", "now", "NaN", "Infinity"])("refuses the moment %j", async (at) => {
  const { app } = daemon({ joints: { ...ASKED, at: () => null } });
  expect(await refusalOf(await app.request(`/joints?at=${at}`))).toMatchObject({ code: "bad_request" });
});

test("a daemon without joints says so", async () => {
  expect(await refusalOf(await daemon().app.request("/joints"))).toMatchObject({ status: 404 });
});

test("pushed joints are taken and answered in the contract's form", async () => {
  const bodies: unknown[] = [];
  const { app } = daemon({ takeJoints: (body) => (bodies.push(body), READING) });
  const answer = await app.request("/update-joint-angles", json("POST", { joint_angles: RAD }));
  expect(await answer.json()).toMatchObject({ success: true, joint_angles: RAD });
  expect(bodies).toEqual([{ joint_angles: RAD }]);
});

test("what cannot be joints is a bad request with the parser's own words", async () => {
  const { app, logged } = daemon({
    takeJoints: () => {
      throw new SplatError("bad_input", "five joints", { hint: "Send six." });
    },
  });
  const answer = await app.request("/update-joint-angles", json("POST", []));
  expect(answer.status).toBe(400);
  const error = { code: "bad_request", message: "five joints", hint: "Send six." };
  expect(await answer.json()).toMatchObject({ error });
  const broken = await app.request("/update-joint-angles", { method: "POST", body: "{" });
  expect(await refusalOf(broken)).toMatchObject({ status: 400 });
  const long = await app.request("/update-joint-angles", { method: "POST", body: " ".repeat(70_000) });
  expect(await refusalOf(long)).toMatchObject({ status: 413 });
  expect(logged).toEqual([]);
});

test("a bug is logged, and told without detail", async () => {
  const { app, logged } = daemon({
    takeJoints: () => {
      throw new Error("secret detail");
    },
  });
  const answer = await app.request("/update-joint-angles", json("POST", {}));
  expect(await refusalOf(answer)).toEqual({
    status: 500,
    code: "internal",
    message: "this daemon met a bug; its log says more",
  });
  expect(logged.join("")).toContain("secret detail");
});

test("joints pushed in vain: it says where its joints come from", async () => {
  const { app } = daemon({ jointsFrom: "the serial port /dev/ttyACM0" });
  const refusal = await refusalOf(await app.request("/update-joint-angles", json("POST", {})));
  expect(refusal).toMatchObject({ status: 409, code: "conflict" });
  expect(refusal.message).toContain("/dev/ttyACM0");
});
