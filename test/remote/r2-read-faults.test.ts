import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BucketSettings } from "../../src/remote/r2-settings.ts";
import type { SplatError } from "../../src/errors.ts";
import type { BucketReader } from "../../src/remote/r2-read.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { ask, failureOf, keysOf, readFrom } from "../helpers/bucket-reading.ts";
import { startFaultProxy, type Fault, type FaultProxy } from "../helpers/fault-proxy.ts";
import { nobody, serveHttp, serveTcp } from "../helpers/loopback.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

const LARGE = Buffer.alloc(3_000_000, "large object ");

let r2: LocalR2;
let proxy: FaultProxy;
let reader: BucketReader;

beforeAll(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  reader = openSignedReader(r2.settings(proxy.url));
  await r2.put("large.ply", LARGE);
});

beforeEach(() => {
  proxy.plan = () => null;
});

afterAll(async () => {
  await reader.close();
  await proxy.close();
  await r2.close();
});

describe("a bad road", () => {
  it.each<[string, Fault, RegExp]>([
    ["a connection that is refused", { kind: "refuse" }, /no answer .*: the connection broke/],
    [
      "one that breaks before the answer",
      { kind: "reset", side: "response", atByte: 0 },
      /torn: 0 of 3000000 bytes|no answer/,
    ],
    [
      "one that breaks in the body",
      { kind: "reset", side: "response", atByte: 1_000_000 },
      /arrived torn: \d+ of 3000000 bytes \(.*the connection broke/,
    ],
    ["a body that ends early", { kind: "truncate", atByte: 1_000_000 }, /arrived torn: \d+ of 3000000 bytes/],
  ])("%s", async (_, fault, words) => {
    proxy.plan = () => fault;
    const error = await failureOf(ask(reader, "large.ply"));
    expect(error).toMatchObject({ code: "unreachable", hint: expect.any(String) as string });
    expect(error.message).toMatch(words);
  });

  it.each([0, 1_000_000])("silence after %i bytes of the body", async (atByte) => {
    const impatient = openSignedReader(r2.settings(proxy.url), { idleTimeoutMs: 100 });
    proxy.plan = () => ({ kind: "stall", side: "response", atByte });
    const error = await failureOf(ask(impatient, "large.ply"));
    expect(error).toMatchObject({ code: "unreachable" });
    expect(error.message).toMatch(/nothing moved on the connection/);
    await impatient.close();
  });

  it("silence before the answer", async () => {
    const server = await serveTcp(() => undefined);
    const mute = openSignedReader({ ...r2.settings(), endpoint: server.url }, { idleTimeoutMs: 100 });
    const error = await failureOf(ask(mute, "large.ply"));
    expect(error.message).toMatch(/no answer .*: nothing moved on the connection/);
    await mute.close();
    await server.close();
  });

  it("slow but steady is no silence", async () => {
    await r2.put("medium", LARGE.subarray(0, 600_000));
    const impatient = openSignedReader(r2.settings(proxy.url), { idleTimeoutMs: 400 });
    proxy.plan = () => ({ kind: "slow", side: "response", bytesPerS: 500_000 });
    expect((await ask(impatient, "medium")).bytes).toHaveLength(600_000);
    await impatient.close();
  });

  it("nobody there, no such host, and a server that speaks no TLS", async () => {
    const at = async (endpoint: string): Promise<SplatError> => {
      const other = openSignedReader({ ...r2.settings(), endpoint });
      const error = await failureOf(ask(other, "large.ply"));
      await other.close();
      return error;
    };
    expect(await at(await nobody())).toMatchObject({
      code: "unreachable",
      message: expect.stringMatching(/connection refused$/) as string,
      hint: "Check R2_ENDPOINT_URL, and whether this machine is online.",
    });
    expect(await at("https://bucket.invalid")).toMatchObject({
      code: "unreachable",
      hint: expect.stringMatching(/R2_ENDPOINT_URL.*online/) as string,
    });
    const plain = await serveHttp((_, response) => response.end());
    expect(await at(plain.url.replace("http:", "https:"))).toMatchObject({
      code: "not_configured",
      hint: expect.stringContaining("its scheme") as string,
    });
    await plain.close();
  });

  it.each<[string, Record<string, string | number>, string]>([
    ["another part", { "content-range": "bytes 10-14/100" }, "01234"],
    ["a longer part", { "content-range": "bytes 0-9/100" }, "0123456789"],
    ["a shorter part", { "content-range": "bytes 0-3/100" }, "0123"],
    ["a part that says nothing of itself", {}, "01234"],
    ["a part whose length is another", { "content-range": "bytes 0-4/100" }, "01234567"],
    ["a part turned around", { "content-range": "bytes 4-0/100" }, "01234"],
  ])("%s than was asked for", async (_, headers, body) => {
    const answer = readFrom(
      (__, response) => response.writeHead(206, { etag: '"e"', ...headers }).end(body),
      { range: { start: 0, end: 4 } },
    );
    expect(await failureOf(answer)).toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("arrived torn") as string,
    });
  });

  it("a part whose body is longer or shorter than it says", async () => {
    const of = (body: string) =>
      readFrom(
        (_, response) => {
          response.writeHead(206, { etag: '"e"', "content-range": "bytes 0-4/*" });
          response.write(body);
          response.end();
        },
        { range: { start: 0, end: 4 } },
      );
    expect(await of("01234")).toMatchObject({ answer: { head: { sizeBytes: null, bodyBytes: 5 } } });
    expect((await failureOf(of("0123"))).message).toBe("the object arrived torn: 4 of 5 bytes");
    expect((await failureOf(of("012345"))).message).toBe("the object arrived torn: 6 of 5 bytes");
  });

  it("a part that was not asked for, and the whole where a part was", async () => {
    const part = readFrom((_, response) =>
      response.writeHead(206, { etag: '"e"', "content-range": "bytes 0-1/2" }).end("ab"),
    );
    expect(await failureOf(part)).toMatchObject({ code: "unreachable" });
    const all = await readFrom(
      (_, response) => response.writeHead(200, { etag: '"e"', "content-length": 3 }).end("abc"),
      { range: { start: 1 } },
    );
    expect(all).toMatchObject({ answer: { head: { start: 0, bodyBytes: 3 } } });
  });

  it("a cache that does not look at the condition", async () => {
    const asked = (header: string) =>
      readFrom((_, response) => response.writeHead(200, { etag: header }).end("abc"), { ifMatch: '"e"' });
    expect((await asked('"f"')).answer).toEqual({ kind: "changed" });
    expect((await asked('W/"e"')).answer).toMatchObject({ kind: "found" });
  });

  it("an answer that is not HTTP", async () => {
    const server = await serveTcp((socket) => socket.once("data", () => socket.end("SSH-2.0-x\r\n")));
    const other = openSignedReader({ ...r2.settings(), endpoint: server.url });
    expect(await failureOf(ask(other, "large.ply"))).toMatchObject({ code: "unreachable" });
    await other.close();
    await server.close();
  });
});

describe("a no", () => {
  it.each<[string, Partial<BucketSettings>, RegExp, RegExp]>([
    ["of a wrong key", { accessKeyId: "nobody" }, /does not know the access key/, /AWS_ACCESS_KEY_ID/],
    ["of a wrong secret", { secretAccessKey: "swordfish" }, /secret key is wrong/, /clock/],
    ["of no such bucket", { bucket: "elsewhere" }, /has no such bucket/, /R2_BUCKET_NAME.*\.eu\.r2\./],
  ])("%s", async (_, settings, words, hint) => {
    const other = openSignedReader({ ...r2.settings(), ...settings });
    for (const work of [ask(other, "large.ply"), keysOf(other)]) {
      const error = await failureOf(work);
      expect(error).toMatchObject({
        code: "not_configured",
        message: expect.stringMatching(words) as string,
      });
      expect(error.hint).toMatch(hint);
    }
    await other.close();
  });

  it.each<[number, string, object]>([
    [403, "AccessDenied", { code: "not_configured", hint: expect.stringContaining("Object Read only") }],
    [400, "ExpiredToken", { code: "not_configured", hint: expect.stringContaining("AWS_SESSION_TOKEN") }],
    [403, "NotEntitled", { code: "not_configured" }],
    [500, "InternalError", { code: "refused", message: expect.stringContaining("could not do it now") }],
    [501, "NotImplemented", { code: "refused" }],
    [418, "Teapot", { code: "refused", message: expect.stringMatching(/answered Teapot \(HTTP 418\)$/) }],
  ])("%i %s", async (status, code, expected) => {
    proxy.plan = () => ({
      kind: "answer",
      status,
      body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>test-secret</Message></Error>`,
    });
    const error = await failureOf(ask(reader, "large.ply"));
    expect(error).toMatchObject({ ...expected, refusal: { status, code } });
    expect(error.refusal).not.toHaveProperty("isForeign");
  });

  it("with Retry-After", async () => {
    proxy.plan = () => ({ kind: "answer", status: 429, retryAfterS: 3 });
    for (const work of [ask(reader, "large.ply"), keysOf(reader)]) {
      expect(await failureOf(work)).toMatchObject({
        code: "refused",
        message: expect.stringContaining("wants fewer requests") as string,
        refusal: { status: 429, retryAfterS: 3 },
      });
    }
  });

  it("of a server that is not S3", async () => {
    const page = (status: number) =>
      readFrom((_, response) =>
        response
          .writeHead(status, { "content-type": "text/html; charset=utf-8" })
          .end("<html>Sign in".repeat(9)),
      );
    for (const status of [200, 404, 400]) {
      const error = await failureOf(page(status));
      expect(error).toMatchObject({ code: "refused", refusal: { status, isForeign: true } });
      expect(error.message).toContain("answered with a web page, not as S3 would");
      expect(error.hint).toMatch(/R2_ENDPOINT_URL.*proxy/);
    }
    const bare = await failureOf(readFrom((_, response) => response.writeHead(404).end("not found")));
    expect(bare).toMatchObject({ code: "refused", refusal: { status: 404, isForeign: true } });
  });

  it("that sends us elsewhere: where to is said, and nothing is sent there", async () => {
    const error = await failureOf(
      readFrom((_, response) =>
        response.writeHead(302, { location: "https://login.example.org/x?secret=1" }).end(),
      ),
    );
    expect(error.code).toBe("not_configured");
    expect(error.message).toContain("wants to send the request on to login.example.org,");
    expect(error.message).not.toContain("secret");
  });

  it("of a wrong clock says how wrong it is", async () => {
    const behind = readFrom((_, response) => {
      response.sendDate = false;
      response.writeHead(403, { date: new Date(Date.now() + 25 * 60_000).toUTCString() });
      response.end("<Error><Code>RequestTimeTooSkewed</Code></Error>");
    });
    expect((await failureOf(behind)).message).toContain("this machine's clock is wrong, 25 min behind");
  });

  it("with a body without end, of which enough is read, and with one that breaks off", async () => {
    const error = await failureOf(
      readFrom((_, response) => {
        response.writeHead(503, { "retry-after": "7" });
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(1 << 16)));
        };
        response.on("drain", more);
        more();
      }),
    );
    expect(error).toMatchObject({ code: "refused", refusal: { status: 503, retryAfterS: 7 } });
    const broken = readFrom((_, response) => {
      response.writeHead(503, { "retry-after": "8", "content-length": "1000" });
      response.write("<Error>", () => response.destroy());
    });
    expect(await failureOf(broken)).toMatchObject({ refusal: { status: 503, retryAfterS: 8 } });
  });
});
