import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { httpPollSource, type HttpPollOptions } from "../../src/robot/http-poll.ts";
import { JOINT_NAMES } from "../../src/robot/so101.ts";
import { preciseNowS } from "../../src/time.ts";
import { nobody, serveHttp, serveTcp, type Loopback } from "../helpers/loopback.ts";
import { record, until, type Recording } from "../helpers/record-joints.ts";

const SIX = [0.1, -0.2, 0.3, -0.4, 0.5, 0.6];

const servers: Loopback[] = [];
const recordings: Recording[] = [];
afterEach(async () => {
  await Promise.all(recordings.splice(0).map((recording) => recording.stop()));
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A server of joints; counts what came, and how many requests were under way at once. */
async function serve(answer: Answer): Promise<{ url: string; seen: string[]; most: () => number }> {
  const seen: string[] = [];
  let underWay = 0;
  let most = 0;
  const server = await serveHttp((request, response) => {
    most = Math.max(most, ++underWay);
    response.on("close", () => underWay--);
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString()));
    request.on("end", () => {
      seen.push(`${request.method} ${request.url} ${body}`.trim());
      answer(request, response, body);
    });
  });
  servers.push(server);
  return { url: server.url, seen, most: () => most };
}

function json(body: unknown): Answer {
  return (_, response) => response.end(JSON.stringify(body));
}

function poll(options: HttpPollOptions, eachMs = 0): Recording {
  const recording = record(httpPollSource({ hz: 100, ...options }), eachMs);
  recordings.push(recording);
  return recording;
}

async function someReadings(recording: Recording, count = 3): Promise<void> {
  await until(() => recording.readings.length >= count, `${count} readings came`);
}

describe("what is asked", () => {
  it("a GET of any path, its JSON in any of the three forms", async () => {
    const { url, seen } = await serve(json({ joint_angles: SIX }));
    const recording = poll({ url: `${url}/arm?left=1` });
    const before = preciseNowS();
    await someReadings(recording);
    expect(recording.readings[0].anglesRad).toEqual(SIX);
    expect(recording.readings[0].timeS).toBeGreaterThan(before - 1);
    expect(recording.readings[0].timeS).toBeLessThanOrEqual(preciseNowS());
    expect(seen[0]).toBe("GET /arm?left=1");
    expect(recording.notes).toEqual([expect.stringMatching(/\/arm, dated by the middle of request/)]);
    expect(recording.warnings).toEqual([]);
  });

  it("LeRobot's observation, in the units given", async () => {
    const observation = Object.fromEntries(JOINT_NAMES.map((name) => [`${name}.pos`, 50]));
    const { url } = await serve(json(observation));
    const recording = poll({ url: `${url}/observation`, units: "deg" });
    await someReadings(recording);
    expect(recording.readings[0].anglesRad[0]).toBeCloseTo((50 * Math.PI) / 180, 12);
  });

  it("phosphobot's POST where the path is its own", async () => {
    const { url, seen } = await serve((_, response, body) =>
      json({ angles: SIX, unit: (JSON.parse(body) as { unit: string }).unit })(_, response, body),
    );
    const recording = poll({ url: `${url}/joints/read`, robotId: 1 });
    await someReadings(recording);
    expect(recording.readings[0].anglesRad).toEqual(SIX);
    expect(seen[0]).toBe(`POST /joints/read?robot_id=1 {"unit":"rad","source":"robot"}`);
    const inDegrees = poll({ url: `${url}/joints/read?robot_id=2`, units: "deg" });
    await someReadings(inDegrees);
    expect(inDegrees.readings[0].anglesRad[0]).toBeCloseTo((0.1 * Math.PI) / 180, 12);
    expect(seen).toContain(`POST /joints/read?robot_id=2 {"unit":"degrees","source":"robot"}`);
  });

  it("phosphobot's POST at a root that is a page", async () => {
    const { url, seen } = await serve((request, response, body) => {
      if (request.url === "/") response.end("<!doctype html><title>phosphobot</title>");
      else json({ angles: SIX, unit: "rad" })(request, response, body);
    });
    const recording = poll({ url });
    await someReadings(recording);
    expect(seen.filter((line) => line === "GET /")).toHaveLength(1);
    expect(recording.warnings).toEqual([]);
  });

  it("phosphobot's POST at a root that answers JSON without joints", async () => {
    const { url, seen } = await serve((request, response, body) => {
      const answer = request.url === "/" ? { status: "ok" } : { angles: SIX, unit: "rad" };
      json(answer)(request, response, body);
    });
    const recording = poll({ url });
    await someReadings(recording);
    expect(seen.filter((line) => line === "GET /")).toHaveLength(1);
    expect(recording.warnings).toEqual([]);
  });

  it("a root again that had no joints at first", async () => {
    let asked = 0;
    const { url } = await serve((request, response, body) => {
      if (request.method !== "GET") response.writeHead(404).end();
      else json(++asked < 3 ? { status: "starting" } : { joint_angles: SIX })(request, response, body);
    });
    const recording = poll({ url });
    await someReadings(recording);
    expect(recording.warnings).toEqual([expect.stringMatching(/no joint angles in the body: it has status/)]);
  });

  it("a GET of a root that answers JSON", async () => {
    const { url, seen } = await serve(json({ joint_angles: SIX }));
    await someReadings(poll({ url }));
    expect(new Set(seen)).toEqual(new Set(["GET /"]));
  });

  it("with the password of the address, which is told to nobody", async () => {
    const { url } = await serve((request, response, body) => {
      const pair = Buffer.from(
        request.headers.authorization?.slice("Basic ".length) ?? "",
        "base64",
      ).toString();
      response.statusCode = pair === "me:s3cret!" ? 404 : 401;
      json({ detail: "no arm" })(request, response, body);
    });
    const recording = poll({ url: `${url.replace("http://", "http://me:s3cret%21@")}/arm?key=t0ken` });
    await until(() => recording.warnings.length > 0, "it was warned");
    expect(recording.warnings[0]).toMatch(/\/arm answered 404: \{"detail":"no arm"\}/);
    expect(recording.warnings[0]).not.toMatch(/s3cret|t0ken/);
  });
});

describe("time", () => {
  it("is captured_at where the answer has it; the same one twice is one reading", async () => {
    const start = Math.floor(preciseNowS()) - 2;
    let asked = 0;
    const { url } = await serve((request, response, body) => {
      asked++;
      json({ joint_angles: SIX, captured_at: start + Math.floor(asked / 3) / 100 })(request, response, body);
    });
    const recording = poll({ url: `${url}/arm` });
    await someReadings(recording, 4);
    const times = recording.readings.map(({ timeS }) => timeS);
    expect(new Set(times).size).toBe(times.length);
    expect(times[1] - times[0]).toBeCloseTo(0.01, 6);
    expect(recording.notes[0]).toMatch(/dated by their captured_at/);
  });

  it("else lies between request and response", async () => {
    const moments: [asked: number, answered: number][] = [];
    const { url } = await serve((request, response, body) => {
      const asked = preciseNowS();
      setTimeout(() => {
        moments.push([asked, preciseNowS()]);
        json({ joint_angles: SIX })(request, response, body);
      }, 400);
    });
    const recording = poll({ url: `${url}/arm` });
    await someReadings(recording, 2);
    const [asked, answered] = moments[1];
    expect(recording.readings[1].timeS).toBeGreaterThan(asked);
    expect(recording.readings[1].timeS).toBeLessThan(answered);
  });

  it("keeps to the grid and to one request, however slow the server or the reader", async () => {
    const slow = await serve((request, response, body) => {
      setTimeout(() => json({ joint_angles: SIX })(request, response, body), 35);
    });
    const quick = await serve(json({ joint_angles: SIX }));
    const bySlowServer = poll({ url: `${slow.url}/arm` });
    const bySlowReader = poll({ url: `${quick.url}/arm` }, 70);
    await Promise.all([someReadings(bySlowServer, 5), someReadings(bySlowReader, 5)]);
    expect(slow.most()).toBe(1);
    expect(quick.most()).toBe(1);
    // A reader that takes its time finds nothing that has waited for it.
    expect(quick.seen.length).toBeLessThanOrEqual(bySlowReader.readings.length + 2);
    const gaps = bySlowReader.readings.slice(1).map(({ timeS }, i) => timeS - bySlowReader.readings[i].timeS);
    expect(Math.min(...gaps)).toBeGreaterThan(0.05);
  });

  it("a value that never changes is fine", async () => {
    const { url } = await serve(json({ joint_angles: SIX }));
    const recording = poll({ url: `${url}/arm`, hz: 200 });
    await someReadings(recording, 20);
    expect(recording.warnings).toEqual([]);
  });
});

describe("trouble", () => {
  it("a server that is not there yet, comes, vanishes and returns", async () => {
    const url = await nobody();
    const port = Number(new URL(url).port);
    const start = async (): Promise<() => Promise<void>> => {
      const server = createServer((_, response) => response.end(JSON.stringify({ joint_angles: SIX })));
      await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
      return () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        });
    };
    const recording = poll({ url: `${url}/arm` });
    await until(() => recording.warnings.length > 0, "it was warned");
    expect(recording.warnings[0]).toMatch(/cannot be reached \(ECONNREFUSED\); trying again/);
    const stop = await start();
    await until(() => recording.notes.some((note) => note.endsWith("again")), "it was told of");
    expect(recording.warnings).toHaveLength(1);
    await stop();
    await until(() => recording.warnings.length > 1, "the second outage was told");
    const { length } = recording.readings;
    const stopAgain = await start();
    await until(() => recording.readings.length > length + 3, "readings went on");
    expect(recording.warnings).toHaveLength(2);
    await stopAgain();
  });

  it.each<[string, Answer, RegExp]>([
    [
      "a 404",
      (_, response) => void response.writeHead(404).end(`{"detail":\n"Not Found"}`),
      /answered 404: \{"detail": "Not Found"\}; trying/,
    ],
    ["a 500", (_, response) => void response.writeHead(500).end("x".repeat(5000)), /answered 500: x{100}…; /],
    [
      "a redirection",
      (_, response) => void response.writeHead(302, { location: "/x" }).end(),
      /answered 302; /,
    ],
    ["a page", (_, response) => response.end("<html>\u001b[2J"), /answered no JSON: <html> \[2J; /],
    ["nothing", (_, response) => response.end(), /answered no JSON; /],
    ["NaN", (_, response) => response.end(`{"joint_angles": [NaN]}`), /answered no JSON: .*NaN/],
    ["another JSON", json({ status: "ok" }), /no joint angles in the body: it has status/],
    ["degrees", json({ joint_angles: [90, 0, 0, 0, 0, 0] }), /joint_angles\[0\] is 90.*degrees/],
    [
      "units that nobody gave",
      json(Object.fromEntries(JOINT_NAMES.map((name) => [`${name}.pos`, 1]))),
      /--units/,
    ],
    ["a flood", (_, response) => response.end(`[${"1,".repeat(200_000)}1]`), /answered more than 64 KiB/],
    [
      "half an answer",
      (_, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write("{", () => response.destroy());
      },
      /cannot be reached/,
    ],
  ])("%s is told once, with what came", async (_, answer, message) => {
    const { url, seen } = await serve(answer);
    const recording = poll({ url: `${url}/arm` });
    await until(() => seen.length >= 3, "it tried again");
    await recording.stop();
    expect(recording.warnings).toHaveLength(1);
    expect(recording.warnings[0]).toMatch(message);
    expect(recording.readings).toEqual([]);
  });

  it("one bad answer among good ones is passed over", async () => {
    let asked = 0;
    const { url } = await serve((request, response, body) => {
      const isBad = ++asked % 3 === 0;
      json(isBad ? { angles: [...SIX.slice(1), null], unit: "rad" } : { angles: SIX, unit: "rad" })(
        request,
        response,
        body,
      );
    });
    const recording = poll({ url: `${url}/joints/read` });
    await someReadings(recording, 10);
    expect(recording.warnings).toEqual([]);
  });

  it("an answer that never comes, or drips, ends at a deadline", async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(" "), 50);
      response.on("close", () => clearInterval(drip));
    });
    const recording = poll({ url: `${url}/arm` });
    await until(() => recording.warnings.length > 0, "it was warned");
    expect(recording.warnings[0]).toMatch(/did not answer within 2 s/);
  });

  it("a port where no HTTP is spoken", async () => {
    const server = await serveTcp((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    servers.push(server);
    const recording = poll({ url: `${server.url}/arm` });
    await until(() => recording.warnings.length > 0, "it was warned");
    expect(recording.warnings[0]).toMatch(/does not speak HTTP/);
  });
});

describe("what can never work is refused before anything is asked", () => {
  it.each<[string, Partial<HttpPollOptions>, RegExp]>([
    ["no address", { url: "arm" }, /arm is no HTTP address/],
    ["a WebSocket", { url: "ws://127.0.0.1:8765" }, /ws: is no HTTP address/],
    ["a stray % in a password", { url: "http://me:50%@127.0.0.1:1/arm" }, /has a % in its user or password/],
    ["a rate of 0", { hz: 0 }, /0 readings a second/],
    ["a rate that is no number", { hz: Number.NaN }, /NaN readings/],
    ["norm without calibration", { units: "norm" }, /without the arm's calibration/],
  ])("%s", (_, options, message) => {
    expect(() => httpPollSource({ url: "http://127.0.0.1:1/arm", ...options })).toThrow(message);
  });
});

it("ends at once when it is stopped, also while it waits", async () => {
  const { url, seen } = await serve(() => undefined);
  const hanging = poll({ url: `${url}/arm` });
  await until(() => seen.length > 0, "it asked");
  const unreachable = poll({ url: `${await nobody()}/arm` });
  await until(() => unreachable.warnings.length > 0, "it was warned");
  await Promise.all([hanging.stop(), unreachable.stop()]);
  expect(hanging.warnings).toEqual([]);
});
