import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { foxgloveSource, type FoxgloveOptions } from "../../src/robot/foxglove.ts";
import { JOINT_NAMES } from "../../src/robot/so101.ts";
import { preciseNowS } from "../../src/time.ts";
import { messageFrame, serveFoxglove, type FoxgloveServer } from "../helpers/foxglove-server.ts";
import { nobody, serveTcp } from "../helpers/loopback.ts";
import { record, until, type Recording } from "../helpers/record-joints.ts";

const TOPIC = "/observation/state";
const STATE = { id: 7, topic: TOPIC };

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function serve(port?: number, subprotocol?: string): Promise<FoxgloveServer> {
  const server = await serveFoxglove(port, subprotocol);
  closers.push(() => server.close());
  return server;
}

function follow(options: Partial<FoxgloveOptions> & { url: string }, eachMs = 0): Recording {
  const recording = record(foxgloveSource({ units: "deg", ...options }), eachMs);
  closers.push(() => recording.stop());
  return recording;
}

/** What LeRobot logs: degrees 10…50, the gripper in percent. */
function payload(values: readonly unknown[] = [10, 20, 30, 40, 50, 0]): string {
  return JSON.stringify({
    scalars: JOINT_NAMES.map((name, i) => ({ label: `${name}.pos`, value: values[i] })),
  });
}

function nowNs(): bigint {
  return BigInt(Math.round(preciseNowS() * 1e6)) * 1000n;
}

/** Publish until so many readings came. */
async function publishUntil(server: FoxgloveServer, recording: Recording, count: number): Promise<void> {
  await until(() => {
    server.publish(STATE.id, payload(), nowNs());
    return recording.readings.length >= count;
  }, `${count} readings came`);
}

async function warned(recording: Recording, count = 1): Promise<void> {
  await until(() => recording.warnings.length >= count, `${count} warnings came`);
}

describe("what it reads", () => {
  it("LeRobot's topic, with the time at which it was logged", async () => {
    const server = await serve();
    server.advertise({ id: 3, topic: "/observation/images/wrist", encoding: "protobuf" });
    server.advertise(STATE);
    server.advertise({ id: 9, topic: "/action/state" });
    const recording = follow({ url: server.url });
    await until(() => server.publish(STATE.id, payload(), 1_790_000_000_123_456_789n) > 0, "it subscribed");
    await until(() => recording.readings.length > 0, "a reading came");
    const [{ timeS, anglesRad }] = recording.readings;
    expect(timeS).toBe(1_790_000_000.123456);
    [10, 20, 30, 40, 50].forEach((degrees, i) =>
      expect(anglesRad[i]).toBeCloseTo((degrees * Math.PI) / 180, 12),
    );
    expect(anglesRad[5]).toBeCloseTo(-0.174533, 12);
    expect(recording.notes).toEqual([expect.stringMatching(/dated by LeRobot when it logs/)]);
    expect(recording.warnings).toEqual([]);
    expect(server.protocols).toEqual(["foxglove.sdk.v1"]);
    expect(server.received[0]).toEqual({ op: "subscribe", subscriptions: [{ id: 1, channelId: 7 }] });
    expect(JSON.stringify(server.received)).not.toMatch(/"channelId":[^7]/);
  });

  it("another topic where asked to, from a server of the protocol before", async () => {
    const server = await serve(0, "foxglove.websocket.v1");
    server.advertise({ id: 1, topic: "/action/state" });
    const recording = follow({ url: server.url, topic: "/action/state", units: "rad" });
    await until(() => {
      server.publish(1, payload([1, 2, 3, -1, -2, 0.5]), nowNs());
      return recording.readings.length > 0;
    }, "a reading came");
    expect(recording.readings[0].anglesRad).toEqual([1, 2, 3, -1, -2, 0.5]);
    expect(server.protocols).toEqual(["foxglove.websocket.v1"]);
  });

  it("a channel that comes late, goes, and comes again under another number", async () => {
    const server = await serve();
    const recording = follow({ url: server.url });
    await until(() => server.clients === 1, "it connected");
    server.advertise({ id: 1, topic: "/other" });
    server.advertise(STATE);
    await publishUntil(server, recording, 2);
    server.unadvertise(STATE.id);
    server.advertise({ id: 12, topic: TOPIC });
    await until(() => server.publish(12, payload([1, 1, 1, 1, 1, 1]), nowNs()) > 0, "it subscribed anew");
    await until(() => (recording.readings.at(-1)?.anglesRad[0] ?? 1) < 0.1, "its readings came");
    expect(recording.warnings).toEqual([]);
  });

  it("the newer of two channels of the topic, and nothing more of the older", async () => {
    const server = await serve();
    server.advertise(STATE);
    const recording = follow({ url: server.url });
    await publishUntil(server, recording, 1);
    const { length } = server.received;
    server.advertise({ id: 8, topic: TOPIC });
    await until(() => server.received.length >= length + 2, "it changed over");
    const asked = server.received.slice(length, length + 2).map(({ op }) => op);
    expect(asked).toEqual(["unsubscribe", "subscribe"]);
    expect(server.publish(STATE.id, payload(), nowNs())).toBe(0);
    expect(server.publish(8, payload(), nowNs())).toBe(1);
  });
});

describe("trouble", () => {
  it("a server that does not know the channel that it has just advertised", async () => {
    const server = await serve();
    server.refuseSubscriptions(2);
    server.advertise(STATE);
    const recording = follow({ url: server.url });
    await publishUntil(server, recording, 2);
    const asked = server.received.slice(0, 5).map(({ op }) => op);
    expect(asked).toEqual(["subscribe", "unsubscribe", "subscribe", "unsubscribe", "subscribe"]);
    expect(recording.warnings).toEqual([]);
  });

  it("LeRobot not yet there, ended, started again: told once each, and readings go on", async () => {
    const { port } = new URL(await nobody());
    const recording = follow({ url: `ws://127.0.0.1:${port}` });
    await warned(recording);
    expect(recording.warnings[0]).toMatch(
      /nothing answers at 127\.0\.0\.1:\d+ \(ECONNREFUSED\).*--display_mode=foxglove; trying again/,
    );
    let server = await serve(Number(port));
    server.advertise(STATE);
    await until(() => {
      server.publish(STATE.id, payload(), nowNs());
      return recording.notes.some((note) => note.endsWith("again"));
    }, "it was told that they come again");
    expect(recording.warnings).toHaveLength(1);
    await server.close();
    await warned(recording, 2);
    expect(recording.warnings[1]).toMatch(/the connection to .* ended/);
    server = await serve(Number(port));
    server.advertise(STATE);
    await publishUntil(server, recording, recording.readings.length + 3);
    expect(recording.warnings).toHaveLength(2);
  });

  it("a connection cut in the middle of a frame", async () => {
    const server = await serve();
    server.advertise(STATE);
    const recording = follow({ url: server.url });
    await publishUntil(server, recording, 1);
    server.cut();
    await until(() => server.clients === 0, "it was cut");
    await publishUntil(server, recording, recording.readings.length + 2);
    expect(recording.warnings).toHaveLength(1);
  });

  it("garbage of every kind is passed over", async () => {
    const server = await serve();
    server.advertise(STATE);
    const recording = follow({ url: server.url });
    await publishUntil(server, recording, 1);
    for (const text of [
      "",
      "{",
      "[]",
      "null",
      `{"op":"advertise"}`,
      `{"op":"advertise","channels":[{"id":"x"}]}`,
    ]) {
      server.send(text);
    }
    const frames = [[], [1], [2, 0, 0, 0, 0, 0, 0, 0, 0], Array.from({ length: 13 }, () => 255)];
    for (const frame of frames) server.send(Uint8Array.from(frame));
    server.send(messageFrame(99, payload(), nowNs()));
    server.send(messageFrame(1, payload([0, 0, 0, 0, 0, null]), nowNs()));
    const { length } = recording.readings;
    await publishUntil(server, recording, length + 2);
    expect(recording.warnings).toEqual([]);
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ["no JSON", "{", /\/observation\/state holds no list of scalars/],
    ["another message", `{"data": 1}`, /holds no list of scalars/],
    ["bytes", Uint8Array.from([0xff, 0xfe, 0]), /holds no list of scalars/],
    [
      "a huge message",
      JSON.stringify({ scalars: Array.from({ length: 9000 }, () => ({ label: "a", value: 1 })) }),
      /no list of sca/,
    ],
    ["no arm", `{"scalars": [{"label": "x.pos", "value": 1}]}`, /shoulder_pan\.pos, .* are missing/],
    ["ticks", payload([2047, 2047, 2047, 2047, 2047, 50]), /shoulder_pan\.pos is 2047.*ticks/],
    ["NaN as text", payload().replace("10", `"NaN"`), /shoulder_pan\.pos is "NaN", not a finite number/],
  ])("%s is told once, and what follows is read", async (_, bad, message) => {
    const server = await serve();
    server.advertise(STATE);
    const recording = follow({ url: server.url });
    await until(() => {
      server.publish(STATE.id, bad, nowNs());
      return recording.warnings.length > 0;
    }, "it was warned");
    expect(recording.warnings[0]).toMatch(message);
    await publishUntil(server, recording, 2);
    expect(recording.warnings).toHaveLength(1);
  });

  it("a clock that is ahead is told, with what to do", async () => {
    const server = await serve();
    server.advertise(STATE);
    const recording = follow({ url: server.url });
    await until(() => {
      server.publish(STATE.id, payload(), nowNs() + 3_600_000_000_000n);
      return recording.warnings.length > 0;
    }, "it was warned");
    expect(recording.warnings[0]).toMatch(/3600 s in the future.*NTP/);
  });

  it("a server without the topic, or with one that is no JSON", async () => {
    const server = await serve();
    server.advertise({ id: 1, topic: "/tf" });
    const other = await serve();
    other.advertise({ ...STATE, encoding: "protobuf" });
    const recordings = [follow({ url: server.url }), follow({ url: other.url })];
    await Promise.all(recordings.map((recording) => warned(recording)));
    expect(recordings[0].warnings[0]).toMatch(
      /answers, but it has no topic \/observation\/state \(but \/tf\); wait/,
    );
    expect(recordings[1].warnings[0]).toMatch(/encoded as "protobuf", not as json/);
    expect(server.received).toEqual([]);
    expect(other.received).toEqual([]);
  });

  it("servers of something else", async () => {
    const ssh = await serveTcp((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    closers.push(() => ssh.close());
    const http = createServer((_, response) => response.writeHead(404).end("no"));
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    closers.push(async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    });
    const { port } = http.address() as { port: number };
    const chat = await serve(0, "chat.v1");
    for (const url of [ssh.url.replace("http", "ws"), `ws://127.0.0.1:${port}`, chat.url]) {
      const recording = follow({ url });
      await warned(recording);
      expect(recording.warnings[0]).toMatch(/127\.0\.0\.1:\d+ does not speak Foxglove/);
    }
  });

  it("a message beyond all measure ends the connection, not the program", async () => {
    const server = await serve();
    server.advertise(STATE);
    const recording = follow({ url: server.url });
    await publishUntil(server, recording, 1);
    server.send(new Uint8Array(5 * 1024 * 1024));
    await warned(recording);
    await publishUntil(server, recording, recording.readings.length + 2);
  });
});

it("a slow reader gets the newest, and the server never waits for it", async () => {
  const server = await serve();
  server.advertise(STATE);
  const recording = follow({ url: server.url }, 100);
  await publishUntil(server, recording, 1);
  let published = 0;
  let lastNs = 0n;
  await until(() => {
    for (let i = 0; i < 20; i++) server.publish(STATE.id, payload(), (lastNs = nowNs()));
    published += 20;
    return recording.readings.length >= 4;
  }, "the slow reader had some");
  expect(recording.readings.length).toBeLessThan(published / 10);
  await until(() => server.unsentBytes === 0, "all was taken");
  await until(
    () => Math.abs((recording.readings.at(-1)?.timeS ?? 0) - Number(lastNs / 1000n) / 1e6) < 1e-6,
    "the newest came",
  );
  const times = recording.readings.map(({ timeS }) => timeS);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

it("ends when it is stopped: connected, connecting or waiting", async () => {
  const server = await serve();
  server.advertise(STATE);
  const connected = follow({ url: server.url });
  await publishUntil(server, connected, 1);
  const silent = await serveTcp(() => undefined);
  closers.push(() => silent.close());
  const connecting = follow({ url: silent.url.replace("http", "ws") });
  const waiting = follow({ url: (await nobody()).replace("http", "ws") });
  await warned(waiting);
  await Promise.all([connected.stop(), connecting.stop(), waiting.stop()]);
  await until(() => server.clients === 0, "the server saw it");
  expect([...connected.warnings, ...connecting.warnings]).toEqual([]);
});

it("ends when it is stopped, also while the server says nothing, not even goodbye", async () => {
  let greeted = 0;
  const mute = await serveTcp((socket) =>
    socket.once("data", (request: Buffer) => {
      const key = /^sec-websocket-key: *(.*)$/im.exec(request.toString())?.[1].trim() ?? "";
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const head = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Accept: ${accept}`,
        "Sec-WebSocket-Protocol: foxglove.sdk.v1",
      ];
      socket.write(`${head.join("\r\n")}\r\n\r\n`, () => greeted++);
    }),
  );
  closers.push(() => mute.close());
  const recording = follow({ url: mute.url.replace("http", "ws") });
  await until(() => greeted > 0, "it was greeted");
  // The greeting is there, whatever has been made of it.
  await delay(200);
  await recording.stop();
  expect(recording.warnings).toEqual([]);
});

it.each<[string, Partial<FoxgloveOptions>, RegExp]>([
  ["an HTTP address", { url: "http://127.0.0.1:8765" }, /http:\/\/127\.0\.0\.1:8765 is no WebSocket address/],
  ["no address", { url: "lerobot" }, /lerobot is no WebSocket address/],
  ["norm without calibration", { units: "norm" }, /without the arm's calibration/],
])("refuses %s before it connects", (_, options, message) => {
  expect(() => foxgloveSource({ units: "deg", ...options })).toThrow(message);
});
