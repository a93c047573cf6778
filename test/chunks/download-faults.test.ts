/** Downloads that something befalls: nothing half-written has its name, and the second run at the latest brings it all. */
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { DownloadEvent } from "../../src/chunks/download.ts";
import { SplatError } from "../../src/errors.ts";
import { KIB, MIB, openDownloads, PART_BYTES, sessionOf } from "../helpers/downloads.ts";
import { scriptedFaults, type Fault, type FaultPlan } from "../helpers/fault-proxy.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

let r2: LocalR2;
beforeAll(async () => {
  r2 = await startR2();
});
afterAll(() => r2.close());

/** The first few requests for each object: more in a row would be given up. */
function firstOfEach(fault: Fault): FaultPlan {
  const asked = new Map<string, number>();
  return ({ path }) => {
    const before = asked.get(path) ?? 0;
    asked.set(path, before + 1);
    return before < 4 ? fault : null;
  };
}

function refusal(status: number, code: string, more: Partial<Fault & { kind: "answer" }> = {}): Fault {
  return {
    kind: "answer",
    status,
    body: `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`,
    ...more,
  };
}

function reset(atByte: number): Fault {
  return { kind: "reset", side: "response", atByte };
}

const SMALL = 300 * KIB;
const LARGE = 3 * MIB + 17;

const PASSING: [string, Fault][] = [
  ["a connection refused", { kind: "refuse" }],
  ["429", refusal(429, "TooManyRequests", { retryAfterS: 0 })],
  ["500", refusal(500, "InternalError")],
  ["503", refusal(503, "ServiceUnavailable")],
  ["503 of something in between", { kind: "answer", status: 503, body: "<html>busy</html>" }],
  ["a body cut before its first byte", reset(0)],
  ["a body cut after its first byte", reset(1)],
  ["a body cut in the middle", reset(100_000)],
  ["a body that ends early", { kind: "truncate", atByte: 70_000 }],
];

describe.each(PASSING)("%s", (_, fault) => {
  it("does not keep files from coming", async () => {
    const { proxy, store, runToEnd } = await openDownloads(r2);
    const stored = await store(SMALL, LARGE, 1000);
    proxy.plan = firstOfEach(fault);
    const { events } = await runToEnd(stored);
    expect(events.some(({ kind }) => kind === "retry")).toBe(true);
  });

  it("fails files when it does not pass, which the next run brings", async () => {
    const { proxy, store, run, runToEnd, names } = await openDownloads(r2);
    const stored = await store(SMALL, LARGE);
    // A cut body brings something each time; with nothing it never ends otherwise.
    proxy.plan = () => ("atByte" in fault ? reset(0) : fault);
    const { results } = await run(stored);
    expect(results.map(({ outcome }) => outcome)).toEqual(["failed", "failed"]);
    expect(results.map(({ error }) => error?.code)).toEqual(
      results.map(() => expect.stringMatching(/unreachable|refused/)),
    );
    for (const { name } of stored.keys()) expect(await names(stored)).not.toContain(name);
    proxy.plan = () => null;
    await runToEnd(stored);
  });
});

it("waits as long as the server asks", async () => {
  const { proxy, store, runToEnd } = await openDownloads(r2);
  const stored = await store(1000);
  proxy.plan = scriptedFaults(refusal(503, "SlowDown", { retryAfterS: 1 }));
  const { events } = await runToEnd(stored);
  expect(events.find(({ kind }) => kind === "retry")).toMatchObject({ waitMs: expect.closeTo(1002, -1) });
});

it("goes on where a connection was cut, and fetches no byte twice", async () => {
  const { proxy, store, runToEnd } = await openDownloads(r2);
  const stored = await store(SMALL, LARGE);
  proxy.plan = ({ index }) => (index % 3 === 2 ? null : reset(50_000));
  const { events } = await runToEnd(stored);
  const came = events.reduce((sum, event) => sum + (event.kind === "progress" ? event.bytes : 0), 0);
  expect(came).toBe(SMALL + LARGE);
});

it("gives up a connection on which nothing moves", async () => {
  const { proxy, store, runToEnd } = await openDownloads(r2, 500);
  const stored = await store(SMALL, LARGE);
  proxy.plan = ({ index }) => (index < 2 ? { kind: "stall", side: "response", atByte: 10_000 } : null);
  await runToEnd(stored);
});

describe.each([
  ["a small file", SMALL],
  ["a large file", LARGE],
  ["a file that is hashed on the thread", 9 * MIB],
])("%s", (_, size) => {
  it("that arrives damaged once is fetched again", async () => {
    const { proxy, store, runToEnd } = await openDownloads(r2);
    const stored = await store(size);
    proxy.plan = scriptedFaults({ kind: "corrupt", side: "response", atByte: 1000 });
    const { events } = await runToEnd(stored);
    const retries = events.filter((event) => event.kind === "retry");
    expect(retries.map(({ bytes, error }) => [bytes, error.message])).toEqual([
      [size, expect.stringMatching(/arrived damaged: its SHA-256 is not/)],
    ]);
  });

  it("whose copy in the bucket is damaged fails, and nothing of it stays", async () => {
    const { store, run, names } = await openDownloads(r2);
    const stored = await store(size);
    const [[entry, bytes]] = stored;
    await r2.put(entry.key, Buffer.alloc(size));
    const { results } = await run(stored);
    expect(results[0].error?.message).toMatch(/arrived damaged: its SHA-256/);
    expect(results[0].error?.hint).toMatch(/the bucket's copy is damaged/);
    expect(await names(stored)).toEqual([]);
    await r2.put(entry.key, bytes);
  });

  it("that has another length than status.json says fails", async () => {
    const { store, run } = await openDownloads(r2);
    const stored = await store(size);
    const [[entry, bytes]] = stored;
    await r2.put(entry.key, bytes.subarray(0, size - 1));
    const { results } = await run(stored);
    expect(results[0].error?.message).toMatch(new RegExp(`it has ${size - 1} bytes instead of ${size}`));
  });

  it("that is only listed is checked by what is kept with it, or by its MD5", async () => {
    const { proxy, store, run } = await openDownloads(r2);
    const stored = await store(size);
    const [[entry, bytes]] = stored;
    const listed = new Map([[{ ...entry, sha256: null }, bytes]]);
    const corrupt: Fault = { kind: "corrupt", side: "response", atByte: 1000 };
    proxy.plan = () => corrupt;
    expect((await run(listed)).results[0].error?.message).toMatch(/its SHA-256 is not/);
    await r2.put(entry.key, bytes);
    expect((await run(listed)).results[0].error?.message).toMatch(/its MD5 is not/);
    proxy.plan = () => null;
    expect((await run(listed)).results[0].outcome).toBe("downloaded");
  });

  it("that is gone fails alone", async () => {
    const { store, run, names } = await openDownloads(r2);
    const stored = await store(size, 1000);
    const [entry] = stored.keys();
    await r2.remove(entry.key);
    const { results } = await run(stored);
    expect(results.map(({ outcome }) => outcome)).toEqual(["failed", "downloaded"]);
    expect(results[0].error?.message).toMatch(/"main\/.*chunk_0001.ply" is no longer in the bucket/);
    expect(await names(stored)).toEqual(["SHA256SUMS", "chunk_0002.ply"]);
  });
});

it.each([
  ["small", SMALL],
  ["large", LARGE],
])("starts a %s file over that changes while it comes", async (_, size) => {
  const { proxy, store, run } = await openDownloads(r2);
  const stored = await store(size);
  const [[entry]] = stored;
  const changed = Buffer.alloc(size + 1, 7);
  let change: "not yet" | "begun" | "done" = "not yet";
  proxy.plan = ({ index }) => {
    if (index === 0) return reset(200_000);
    return change === "done" ? null : refusal(503, "ServiceUnavailable", { retryAfterS: 1 });
  };
  const onEvent = (event: DownloadEvent): void => {
    if (event.kind !== "retry" || change !== "not yet") return;
    change = "begun";
    void r2.put(entry.key, changed).then(() => (change = "done"));
  };
  const { results, events } = await run(new Map([[{ ...entry, sha256: null }, changed]]), { onEvent });
  expect(results[0]).toMatchObject({ outcome: "downloaded", sizeBytes: size + 1 });
  expect(events.filter(({ kind }) => kind === "retry").at(-1)).toMatchObject({
    error: { message: expect.stringMatching(/changed in the bucket while it was being downloaded/) },
  });
});

it("fails a file that changes again and again", async () => {
  const { proxy, store, run, names } = await openDownloads(r2);
  const stored = await store(LARGE);
  const [[entry, bytes]] = stored;
  proxy.plan = ({ range }) =>
    range === `bytes=0-${PART_BYTES - 1}` ? null : refusal(412, "PreconditionFailed");
  const { results } = await run(new Map([[entry, bytes]]));
  expect(results[0].error?.message).toMatch(/changed in the bucket while/);
  expect(proxy.seen.filter(({ range }) => range === `bytes=0-${PART_BYTES - 1}`)).toHaveLength(4);
  expect(await names(stored)).toEqual([]);
});

it.each([
  ["an expired token", refusal(403, "ExpiredToken"), /have expired/],
  ["an expired token that is said with 400", refusal(400, "ExpiredToken"), /have expired/],
  ["an unknown key", refusal(401, "Unauthorized"), /does not know the access key/],
  ["no such bucket", refusal(404, "NoSuchBucket"), /has no such bucket/],
])("ends everything at once for %s", async (_, fault, message) => {
  const { proxy, store, run, runToEnd } = await openDownloads(r2);
  const stored = await store(LARGE, 1000, 1000, 1000);
  // In the midst of the large one.
  proxy.plan = ({ index }) => (index < 6 ? null : fault);
  await expect(run(stored, { parallel: 2 })).rejects.toMatchObject({
    code: "not_configured",
    message: expect.stringMatching(message),
  });
  expect(proxy.seen.length).toBeLessThan(12);
  proxy.plan = () => null;
  const { results } = await runToEnd(stored);
  expect(results[0].resumedBytes).toBeGreaterThan(0);
});

it("copes with a server that knows no ranges", async () => {
  const { store, run } = await openDownloads(r2);
  const stored = await store(LARGE);
  const [[entry, bytes]] = stored;
  let asked = 0;
  const server = await serveHttp((_request, response) => {
    asked++;
    response.setHeader("etag", '"x"').setHeader("content-length", bytes.length);
    // Cut twice; each time it starts anew.
    if (asked < 3) response.write(bytes.subarray(0, asked * MIB), () => response.socket?.resetAndDestroy());
    else response.end(bytes);
  });
  onTestFinished(() => server.close());
  const { downloadEntries } = await import("../../src/chunks/download.ts");
  const { openSignedReader } = await import("../../src/remote/r2-signed.ts");
  const { folder } = await openDownloads(r2);
  const reader = openSignedReader({ ...r2.settings(), endpoint: server.url });
  onTestFinished(() => reader.close());
  const pace = { firstWaitMs: 1, longestWaitMs: 1, longestUserWaitMs: 1 };
  const options = { folder, pace, partBytes: PART_BYTES };
  const [result] = await downloadEntries(reader, [entry], options, new AbortController().signal);
  expect(result.error?.message ?? result.outcome).toBe("downloaded");
  expect((await readFile(result.path)).equals(bytes)).toBe(true);
  expect(asked).toBe(3);
  await run(new Map());
});

it("keeps half files at an interruption, and goes on from them", async () => {
  const { proxy, store, run, runToEnd, names } = await openDownloads(r2, 60_000);
  const stored = await store(2 * PART_BYTES, 10 * MIB);
  const stop = new AbortController();
  proxy.plan = ({ index }) => (index < 4 ? null : { kind: "stall", side: "response", atByte: 100_000 });
  let bytes = 0;
  const onEvent = (event: { kind: string; bytes?: number }): void => {
    if (event.kind === "progress") bytes += event.bytes ?? 0;
    if (bytes > 4 * PART_BYTES) stop.abort(new SplatError("interrupted", "interrupted"));
  };
  await expect(run(stored, { onEvent }, stop.signal)).rejects.toMatchObject({ code: "interrupted" });
  expect(await names(stored)).toContain(".chunk_0002.ply.part.json");
  proxy.plan = () => null;
  const { results, events } = await runToEnd(stored);
  expect(results[1].resumedBytes).toBeGreaterThan(PART_BYTES);
  expect(events.find(({ kind }) => kind === "resumed")).toMatchObject({ bytes: results[1].resumedBytes });
  const came = events.reduce((sum, event) => sum + (event.kind === "progress" ? event.bytes : 0), 0);
  expect(came).toBe(
    [...stored.values()].reduce((sum, { length }) => sum + length, 0) -
      results[1].resumedBytes -
      (results[0].outcome === "already" ? 2 * PART_BYTES : results[0].resumedBytes),
  );
});

it.each([
  ["garbled", (): string => "{"],
  [
    "of spans that are not there",
    (): string =>
      JSON.stringify({ etag: '"x"', sizeBytes: LARGE, sha256: null, modifiedS: null, spans: [[0, LARGE]] }),
  ],
  [
    "of another object",
    (text: string): string => text.replace(/"etag":"[^,]*,/, String.raw`"etag":"\"other\"",`),
  ],
  ["empty", (): string => ""],
])("starts over where the record of a half file is %s", async (_, change) => {
  const { folder, proxy, store, run, runToEnd } = await openDownloads(r2);
  const stored = await store(LARGE);
  proxy.plan = ({ index }) => (index < 9 ? null : refusal(401, "Unauthorized"));
  await expect(run(stored)).rejects.toMatchObject({ code: "not_configured" });
  const record = join(sessionOf(folder, stored), ".chunk_0001.ply.part.json");
  const text = await readFile(record, "utf8");
  expect(JSON.parse(text).spans[0][1]).toBeGreaterThan(0);
  await writeFile(record, change(text));
  proxy.plan = () => null;
  const { results } = await runToEnd(stored);
  expect(results[0].resumedBytes).toBe(0);
});

it("fetches anew what an earlier run left damaged", async () => {
  const { folder, proxy, store, run, runToEnd } = await openDownloads(r2);
  const stored = await store(LARGE);
  proxy.plan = ({ index }) => (index < 9 ? null : refusal(401, "Unauthorized"));
  await expect(run(stored)).rejects.toMatchObject({ code: "not_configured" });
  const part = join(sessionOf(folder, stored), ".chunk_0001.ply.part");
  await writeFile(part, Buffer.alloc((await stat(part)).size));
  proxy.plan = () => null;
  const { events } = await runToEnd(stored);
  expect(events.filter(({ kind }) => kind === "retry")).toHaveLength(1);
});
