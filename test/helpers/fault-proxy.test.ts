import type { IncomingMessage, ServerResponse } from "node:http";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { request } from "undici";
import { scriptedFaults, seededFaults, startFaultProxy, type Fault, type FaultProxy } from "./fault-proxy.ts";
import { serveHttp } from "./loopback.ts";

const BODY = "0123456789";

let received: string[];
let proxy: FaultProxy;

async function setUp(): Promise<void> {
  received = [];
  const echo = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await asked.toArray()).toString();
    received.push(body);
    response.setHeader("content-length", BODY.length);
    response.end(BODY);
  };
  const server = await serveHttp((asked, response) => void echo(asked, response).catch(() => undefined));
  onTestFinished(() => server.close());
  proxy = await startFaultProxy(server.url);
  onTestFinished(() => proxy.close());
}

beforeEach(setUp);

async function send(fault: Fault | null, bodyTimeout = 300): Promise<{ status: number; body: string }> {
  proxy.plan = scriptedFaults(fault);
  const options = { method: "POST", body: BODY, headersTimeout: 300, bodyTimeout } as const;
  const { statusCode, body } = await request(`${proxy.url}/x?y=1`, options);
  return { status: statusCode, body: await body.text() };
}

it("lets requests pass as they are, and notes them", async () => {
  expect(await send(null)).toEqual({ status: 200, body: BODY });
  expect(received).toEqual([BODY]);
  expect(proxy.seen).toEqual([{ method: "POST", path: "/x?y=1", index: 0, fault: null }]);
});

it.each<[string, Fault, string[]]>([
  ["refuses", { kind: "refuse" }, []],
  ["resets the request at a byte", { kind: "reset", side: "request", atByte: 4 }, []],
  ["loses the answer", { kind: "reset", side: "response", atByte: 0 }, [BODY]],
  ["resets the answer at a byte", { kind: "reset", side: "response", atByte: 4 }, [BODY]],
  ["truncates the answer", { kind: "truncate", atByte: 4 }, [BODY]],
  ["stalls the request", { kind: "stall", side: "request", atByte: 4 }, []],
  ["stalls the answer", { kind: "stall", side: "response", atByte: 4 }, [BODY]],
])("%s", async (_, fault, arrived) => {
  await expect(send(fault)).rejects.toThrow();
  expect(received).toEqual(arrived);
});

it("corrupts one byte, there or back", async () => {
  expect((await send({ kind: "corrupt", side: "response", atByte: 3 })).body).not.toBe(BODY);
  expect(received).toEqual([BODY]);
  expect((await send({ kind: "corrupt", side: "request", atByte: 3 })).body).toBe(BODY);
  expect(received[1]).not.toBe(BODY);
});

it("slows without changing anything, and sends twice", async () => {
  expect(await send({ kind: "slow", side: "response", bytesPerS: 100 })).toEqual({ status: 200, body: BODY });
  expect(await send({ kind: "slow", side: "request", bytesPerS: 100 }, 1000)).toMatchObject({ status: 200 });
  received.length = 0;
  expect(await send({ kind: "duplicate" })).toEqual({ status: 200, body: BODY });
  expect(received).toEqual([BODY, BODY]);
});

it("answers in the server's stead", async () => {
  proxy.plan = scriptedFaults({ kind: "answer", status: 429, retryAfterS: 2, body: "busy" });
  const { statusCode, headers, body } = await request(proxy.url, { method: "POST", body: BODY });
  expect([statusCode, headers["retry-after"], await body.text()]).toEqual([429, "2", "busy"]);
  expect(received).toEqual([]);
});

it("goes away and comes back at the same address", async () => {
  await proxy.down();
  await expect(send(null)).rejects.toThrow(/ECONNREFUSED/);
  await proxy.up();
  expect((await send(null)).status).toBe(200);
});

it("draws the same faults from the same seed, at the rate it was given", () => {
  const asked = { method: "GET", path: "/", index: 0 };
  const draw = () => {
    const plan = seededFaults(3, 0.2, [{ kind: "refuse" }, { kind: "duplicate" }]);
    return Array.from({ length: 1000 }, () => plan(asked)?.kind ?? null);
  };
  expect(draw()).toEqual(draw());
  const share = draw().filter((kind) => kind !== null).length / 1000;
  expect(share).toBeGreaterThan(0.15);
  expect(share).toBeLessThan(0.25);
});
