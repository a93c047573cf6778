import type { RequestListener } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPublicReader } from "../../src/remote/r2-public.ts";
import { readObject, type BucketReader, type ObjectQuestion } from "../../src/remote/r2-read.ts";
import { ask } from "../helpers/bucket-reading.ts";
import { startFaultProxy, type FaultProxy } from "../helpers/fault-proxy.ts";
import { nobody, serveHttp } from "../helpers/loopback.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

const SIGNAL = new AbortController().signal;
const BYTES = Buffer.alloc(20_000, "public object ");

let r2: LocalR2;
let proxy: FaultProxy;
let reader: BucketReader;
let etag: string;

beforeAll(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  const { publicUrl } = r2.settings();
  for (const key of ["a.ply", "a b+ü%20.ply"]) await r2.put(key, BYTES);
  reader = openPublicReader((publicUrl ?? "").replace(r2.origin, proxy.url));
  const { answer } = await ask(reader, "a.ply");
  etag = (answer.kind === "found" && answer.head.etag) || "";
});

afterAll(async () => {
  await reader.close();
  await proxy.close();
  await r2.close();
});

async function read(question: ObjectQuestion = {}, key = "a.ply", from = reader) {
  return await readObject(from, key, { ...question, mostBytes: 1_000_000 }, SIGNAL);
}

/** What is thrown when a server answers so. */
async function refusal(listener: RequestListener): Promise<unknown> {
  const server = await serveHttp(listener);
  const other = openPublicReader(`${server.url}/files/`);
  try {
    return await read({}, "a.ply", other).catch((error: unknown) => error);
  } finally {
    await other.close();
    await server.close();
  }
}

it("reads whole objects, parts, and what has not changed, without keys", async () => {
  for (const key of ["a.ply", "a b+ü%20.ply"]) {
    expect(await read({}, key)).toMatchObject({
      kind: "found",
      head: { sizeBytes: BYTES.length, start: 0, etag, sha256: null },
      bytes: BYTES,
    });
  }
  expect(await read({ range: { start: 10, end: 19 }, ifMatch: etag })).toMatchObject({
    head: { start: 10, bodyBytes: 10, sizeBytes: BYTES.length },
    bytes: BYTES.subarray(10, 20),
  });
  expect(await read({ ifNoneMatch: etag })).toEqual({ kind: "unchanged" });
  expect(await read({ ifMatch: '"other"' })).toEqual({ kind: "changed" });
  expect(await read({}, "nothing")).toEqual({ kind: "missing" });
});

it("sends no keys, and a name that firewalls know us by", async () => {
  let headers: NodeJS.Dict<string | string[]> = {};
  await refusal((request, response) => {
    headers = request.headers;
    response.end();
  });
  expect(Object.keys(headers).sort()).toEqual(["accept-encoding", "host", "user-agent"]);
});

it("lists nothing, and says what to do", async () => {
  const pages = reader.list("", {}, SIGNAL)[Symbol.asyncIterator]();
  await expect(pages.next()).rejects.toMatchObject({
    code: "usage",
    message: expect.stringMatching(/public address 127\.0\.0\.1:\d+ lists nothing/) as string,
    hint: expect.stringContaining("without --public") as string,
  });
});

it("names itself for people, and knows what cannot be a public address", () => {
  expect(reader.name).toMatch(/^127\.0\.0\.1:\d+\/cdn-cgi\/local\/r2\/public\/splats$/);
  expect(() => openPublicReader("pub-1.r2.dev")).toThrow(
    expect.objectContaining({
      code: "not_configured",
      hint: expect.stringMatching(/^Put https:\/\//) as string,
    }),
  );
  expect(() => openPublicReader("https://x.r2.cloudflarestorage.com/splats")).toThrow(/S3 endpoint/);
});

describe("a no", () => {
  const HTML = { "content-type": "text/html; charset=UTF-8" };

  it.each<[string, number, Record<string, string>, string, object]>([
    [
      "r2.dev for a bucket that is not public",
      401,
      HTML,
      "<h1>Error 401</h1>This bucket cannot be viewed",
      { code: "not_configured", message: expect.stringContaining("does not let the bucket be read") },
    ],
    [
      "a firewall's challenge",
      403,
      { ...HTML, "cf-mitigated": "challenge" },
      "<title>Just a moment...</title>",
      { code: "not_configured", message: expect.stringContaining("wants proof of a browser") },
    ],
    [
      "a challenge by its looks",
      503,
      HTML,
      '<script src="/cdn-cgi/challenge-platform/h/b/orchestrate"></script>',
      { code: "not_configured", message: expect.stringContaining("wants proof of a browser") },
    ],
    [
      "an r2.dev that is asked too much",
      429,
      { ...HTML, "retry-after": "5" },
      "<h1>Too many requests</h1>",
      {
        code: "refused",
        hint: expect.stringContaining("r2.dev addresses are slowed down"),
        refusal: { status: 429, code: "TooManyRequests", retryAfterS: 5 },
      },
    ],
    [
      "a redirect, of which only the host is told",
      308,
      { location: "https://other.example.org/a.ply?token=xyzzy" },
      "",
      {
        code: "not_configured",
        message: expect.stringMatching(/send the request on to other\.example\.org \(/),
      },
    ],
    [
      "a redirect to nowhere",
      302,
      { location: "http://[" },
      "",
      { code: "not_configured", message: expect.stringContaining("to another address") },
    ],
    [
      "a sign-in page of the network",
      200,
      HTML,
      "<html>Welcome to the hotel",
      { code: "refused", message: expect.stringContaining("answered with a web page") },
    ],
    [
      "a domain whose server is away",
      522,
      HTML,
      "<html>Connection timed out",
      { code: "refused", refusal: { status: 522 } },
    ],
    ["trouble at R2", 500, {}, "", { code: "refused", hint: expect.stringContaining("cloudflarestatus") }],
    [
      "anything else",
      418,
      {},
      "",
      { code: "refused", message: expect.stringMatching(/would not \(HTTP 418\)$/) },
    ],
  ])("of %s", async (_, status, headers, body, expected) => {
    const error = await refusal((_request, response) => response.writeHead(status, headers).end(body));
    expect(error).toMatchObject(expected);
    expect(JSON.stringify(error)).not.toContain("xyzzy");
  });

  it("of a page that says an object is missing", async () => {
    const answer = await refusal((_, response) =>
      response.writeHead(404, HTML).end("<h1>Object not found</h1>"),
    );
    expect(answer).toEqual({ kind: "missing" });
  });
});

it("tells a torn body and a server that is away", async () => {
  proxy.plan = () => ({ kind: "truncate", atByte: 1000 });
  await expect(read()).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringMatching(/torn: \d+ of 20000 bytes/) as string,
  });
  const gone = openPublicReader(await nobody());
  await expect(read({}, "a.ply", gone)).rejects.toMatchObject({ code: "unreachable" });
  await gone.close();
  const nowhere = openPublicReader("https://bucket.invalid");
  await expect(read({}, "a.ply", nowhere)).rejects.toMatchObject({
    hint: expect.stringContaining("R2_PUBLIC_URL") as string,
  });
  await nowhere.close();
});
