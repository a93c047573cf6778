import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { giveBack } from "../../src/remote/r2-memory.ts";
import { SplatError } from "../../src/errors.ts";
import {
  readObject,
  type BodySink,
  type BucketReader,
  type ObjectQuestion,
} from "../../src/remote/r2-read.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { ask, collect, failureOf, keysOf, readFrom } from "../helpers/bucket-reading.ts";
import { startFaultProxy, type FaultProxy } from "../helpers/fault-proxy.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

const SIGNAL = new AbortController().signal;
const SHA256 = "ab".repeat(32);
const LARGE = Buffer.alloc(3_000_000, "large object ");
const ODD_KEYS = [
  "odd/a b.ply",
  "odd/ü.ply",
  "odd/日本 😀.ply",
  "odd/100%.ply",
  "odd/%20.ply",
  "odd/%2F.ply",
  "odd/a+b=c&d'e\"f.ply",
  "odd/~!*().ply",
  "odd/#?;:@,$.ply",
  "odd/<xml>&amp;.ply",
  "odd/ blanks around ",
  "odd/0012",
  "odd/1e3",
  "odd/true",
  "odd/back\\slash",
  "odd/[x]{y}|^`",
  "odd/tab\tend",
  "odd/...",
  "/slash first",
  "two//slashes",
  "slash last/",
];

let r2: LocalR2;
let proxy: FaultProxy;
let reader: BucketReader;
let etag: string;

beforeAll(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  reader = openSignedReader(r2.settings(proxy.url));
  await r2.put("large.ply", LARGE, { sha256: SHA256 });
  const { answer } = await ask(reader, "large.ply");
  etag = (answer.kind === "found" && answer.head.etag) || "";
});

beforeEach(() => {
  proxy.plan = () => null;
});

afterAll(async () => {
  await reader.close();
  await proxy.close();
  await r2.close();
});

async function whole(key: string, from = reader): Promise<string | null> {
  const answer = await readObject(from, key, { mostBytes: 1000 }, SIGNAL);
  return answer.kind === "found" ? answer.bytes.toString() : null;
}

describe("an object", () => {
  it.each(ODD_KEYS)("with the key %j", async (key) => {
    await r2.put(key, Buffer.from(`of ${key}`));
    expect(await whole(key)).toBe(`of ${key}`);
    expect(await keysOf(reader, key)).toContain(key);
  });

  it.each(["", ".", "a/../b", "a/./b", "..", "lone \ud800 surrogate"])(
    "is not asked for by a key that no URL carries: %j",
    async (key) => {
      const error = await failureOf(whole(key));
      expect(error).toMatchObject({ code: "bad_input", message: expect.stringContaining("cannot be asked") });
    },
  );

  it("comes whole, with what the server says of it", async () => {
    const { answer, bytes } = await ask(reader, "large.ply");
    expect(bytes.equals(LARGE)).toBe(true);
    expect(answer).toEqual({
      kind: "found",
      head: {
        etag,
        sizeBytes: LARGE.length,
        start: 0,
        bodyBytes: LARGE.length,
        sha256: SHA256,
        modifiedS: expect.any(Number) as number,
      },
    });
  });

  it("that is empty", async () => {
    await r2.put("empty", new Uint8Array(0));
    expect(await ask(reader, "empty")).toMatchObject({
      answer: { head: { sizeBytes: 0, bodyBytes: 0, sha256: null } },
      bytes: Buffer.alloc(0),
    });
  });

  it.each([
    [{ start: 0, end: 0 }, 0, 1],
    [{ start: 1000, end: 1999 }, 1000, 2000],
    [{ start: 2_999_990 }, 2_999_990, 3_000_000],
    [{ start: 2_999_990, end: 9_999_999 }, 2_999_990, 3_000_000],
  ])("comes in part: %j", async (range, start, end) => {
    const { answer, bytes } = await ask(reader, "large.ply", { range, ifMatch: etag });
    expect(answer).toMatchObject({ head: { start, bodyBytes: end - start, sizeBytes: 3_000_000, etag } });
    expect(bytes.equals(LARGE.subarray(start, end))).toBe(true);
  });

  it("has no part beyond its end", async () => {
    const error = await failureOf(ask(reader, "large.ply", { range: { start: 3_000_000 } }));
    expect(error).toMatchObject({ code: "refused", refusal: { status: 416, code: "InvalidRange" } });
    expect(error.message).toContain("it ends before");
  });

  it("that is missing, unchanged, or another by now", async () => {
    const kind = async (question: ObjectQuestion, key = "large.ply") =>
      (await ask(reader, key, question)).answer.kind;
    expect(await kind({}, "nothing")).toBe("missing");
    expect(await kind({ ifNoneMatch: etag })).toBe("unchanged");
    expect(await kind({ ifNoneMatch: '"other"' })).toBe("found");
    expect(await kind({ ifMatch: '"other"' })).toBe("changed");
  });

  it("is read whole only up to a size", async () => {
    const most = (mostBytes: number) => readObject(reader, "large.ply", { mostBytes }, SIGNAL);
    const answer = await most(3_000_000);
    expect(answer.kind === "found" && answer.bytes.equals(LARGE)).toBe(true);
    const error = await failureOf(most(2_999_999));
    expect(error).toMatchObject({ code: "bad_input", message: "large.ply is larger than 2999999 bytes" });
    expect(await readObject(reader, "large.ply", { mostBytes: 9, ifNoneMatch: etag }, SIGNAL)).toEqual({
      kind: "unchanged",
    });
  });

  it("of unknown length too", async () => {
    const { answer, bytes } = await readFrom((_, response) => {
      response.setHeader("etag", '"e"');
      response.write("ab");
      response.end("c");
    });
    expect(answer).toMatchObject({ head: { sizeBytes: null, bodyBytes: null, modifiedS: null } });
    expect(bytes.toString()).toBe("abc");
  });
});

describe("a taker", () => {
  it("that is slow holds the socket up, and is not taken for silence", async () => {
    const patient = openSignedReader(r2.settings(), { idleTimeoutMs: 1000 });
    let [atOnce, most, taken] = [0, 0, 0];
    const slow: BodySink = {
      begin: () => undefined,
      async take(piece) {
        most = Math.max(most, ++atOnce);
        await new Promise((resolve) => setTimeout(resolve, taken === 0 ? 1500 : 0));
        taken += piece.length;
        atOnce--;
      },
    };
    await patient.get("large.ply", {}, slow, SIGNAL);
    expect([most, taken]).toEqual([1, LARGE.length]);
    await patient.close();
  });

  it("ends a request by what it throws, and the next one is none the worse", async () => {
    const words = new SplatError("bad_input", "no room");
    const thrower = (take: BodySink["take"], begin = (): void => undefined): BodySink => ({ begin, take });
    const sinks = [
      thrower(() => {
        throw words;
      }),
      thrower(() => Promise.reject(words)),
      thrower(
        () => undefined,
        () => {
          throw words;
        },
      ),
    ];
    for (const sink of sinks) {
      await expect(reader.get("large.ply", {}, sink, SIGNAL)).rejects.toBe(words);
    }
    expect((await ask(reader, "large.ply")).bytes.equals(LARGE)).toBe(true);
  });

  it("of the last piece is waited for", async () => {
    await r2.put("small", Buffer.from("small"));
    let isDone = false;
    await reader.get(
      "small",
      {},
      {
        begin: () => undefined,
        async take() {
          await new Promise((resolve) => setTimeout(resolve, 20));
          isDone = true;
        },
      },
      SIGNAL,
    );
    expect(isDone).toBe(true);
  });

  it("gets an object of any size through little memory", async () => {
    const piece = Buffer.alloc(1 << 20);
    const sizeBytes = 200 * piece.length;
    const server = await serveHttp((_, response) => {
      response.writeHead(200, { etag: '"e"', "content-length": sizeBytes });
      let left = 200;
      const more = (): void => {
        while (left-- > 0) if (!response.write(piece)) return;
        response.end();
      };
      response.on("drain", more);
      more();
    });
    const other = openSignedReader({ ...r2.settings(), endpoint: server.url });
    const before = process.memoryUsage().arrayBuffers;
    let [taken, mostBytes] = [0, 0];
    await other.get(
      "x",
      {},
      {
        begin: () => undefined,
        async take(taking) {
          taken += taking.length;
          mostBytes = Math.max(mostBytes, process.memoryUsage().arrayBuffers - before);
          await new Promise((resolve) => setImmediate(resolve));
          giveBack([taking]);
        },
      },
      SIGNAL,
    );
    expect(taken).toBe(sizeBytes);
    expect(mostBytes).toBeLessThan(sizeBytes / 2);
    await other.close();
    await server.close();
  });
});

describe("giving up", () => {
  it("ends with the signal's reason, at once, before the answer and in its midst", async () => {
    const reason = new SplatError("interrupted", "Ctrl-C");
    const gone = AbortSignal.abort(reason);
    await expect(reader.get("large.ply", {}, collect(), gone)).rejects.toBe(reason);

    proxy.plan = () => ({ kind: "stall", side: "response", atByte: 1000 });
    const stop = new AbortController();
    const sink: BodySink = { begin: () => stop.abort(reason), take: () => undefined };
    await expect(reader.get("large.ply", {}, sink, stop.signal)).rejects.toBe(reason);

    const bare = new AbortController();
    const begun: BodySink = { begin: () => bare.abort(), take: () => undefined };
    await expect(reader.get("large.ply", {}, begun, bare.signal)).rejects.toMatchObject({
      code: "interrupted",
    });
  });

  it("ends requests that wait for a connection", async () => {
    proxy.plan = () => ({ kind: "stall", side: "response", atByte: 1000 });
    const narrow = openSignedReader(r2.settings(proxy.url), { connections: 1 });
    const stop = new AbortController();
    let onBegun = (): void => undefined;
    const begun = new Promise<void>((resolve) => (onBegun = resolve));
    const first = narrow.get("large.ply", {}, { begin: () => onBegun(), take: () => undefined }, stop.signal);
    const second = narrow.get("large.ply", {}, collect(), stop.signal);
    await begun;
    stop.abort(new SplatError("interrupted", "enough"));
    expect(await Promise.allSettled([first, second])).toMatchObject(
      Array.from({ length: 2 }, () => ({ status: "rejected", reason: { message: "enough" } })),
    );
    await narrow.close();
  });

  it("is heard by many requests at a time without a word from Node", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const stop = new AbortController();
    await Promise.all(Array.from({ length: 40 }, () => reader.get("large.ply", {}, collect(), stop.signal)));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });
});

it("sends temporary keys' token, signed", async () => {
  let authorization: string | undefined;
  let token: unknown;
  const server = await serveHttp((request, response) => {
    ({ authorization } = request.headers);
    token = request.headers["x-amz-security-token"];
    response.setHeader("etag", '"e"').end("x");
  });
  const other = openSignedReader({ ...r2.settings(), endpoint: server.url, sessionToken: "for-a-while" });
  await ask(other, "large.ply");
  expect(token).toBe("for-a-while");
  expect(authorization).toContain("x-amz-security-token");
  await other.close();
  await server.close();
});

it("goes on after an outage, over new connections", async () => {
  await proxy.down();
  expect(await failureOf(ask(reader, "large.ply"))).toMatchObject({ code: "unreachable" });
  await proxy.up();
  expect((await ask(reader, "large.ply")).bytes.equals(LARGE)).toBe(true);
});
