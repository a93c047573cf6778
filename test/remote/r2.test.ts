import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openBucket, type R2Bucket, type BucketSettings } from "../../src/remote/r2.ts";
import { startFaultProxy, type Fault, type FaultProxy } from "../helpers/fault-proxy.ts";
import { nobody } from "../helpers/loopback.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

const SIGNAL = new AbortController().signal;
const CHUNK = {
  bytes: new Uint8Array(3_000_000).fill(7),
  sha256: "ab".repeat(32),
  contentType: "text/x-chunk",
};

let r2: LocalR2;
let proxy: FaultProxy;
let bucket: R2Bucket;

beforeAll(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  bucket = await openBucket(r2.settings(proxy.url));
});

beforeEach(() => {
  proxy.plan = () => null;
});

afterAll(async () => {
  bucket.close();
  await proxy.close();
  await r2.close();
});

async function opened(settings: Partial<BucketSettings>): Promise<R2Bucket> {
  return await openBucket({ ...r2.settings(), ...settings });
}

it("stores an object once and for all, in slices, and says what lies there", async () => {
  expect(await bucket.create("a/chunk 1.ply", CHUNK, SIGNAL)).toBe("created");
  expect(await bucket.create("a/chunk 1.ply", { ...CHUNK, bytes: new Uint8Array(1) }, SIGNAL)).toBe("exists");
  expect(await bucket.head("a/chunk 1.ply", SIGNAL)).toEqual({ sizeBytes: 3_000_000, sha256: CHUNK.sha256 });
  expect((await r2.get("a/chunk 1.ply"))?.equals(CHUNK.bytes)).toBe(true);
  const read = await fetch(bucket.urlOf("a/chunk 1.ply") ?? "");
  expect(read.headers.get("content-type")).toBe("text/x-chunk");
});

it("lets one of many that store at the same key win", async () => {
  const tries = Array.from({ length: 6 }, (_, i) =>
    bucket.create("race", { ...CHUNK, bytes: new Uint8Array([i]) }, SIGNAL),
  );
  expect((await Promise.all(tries)).filter((outcome) => outcome === "created")).toHaveLength(1);
});

it("replaces an object, an empty one too", async () => {
  await bucket.replace("status", new Uint8Array([1]), "application/json", SIGNAL);
  await bucket.replace("status", new Uint8Array(0), "application/json", SIGNAL);
  expect(await r2.get("status")).toEqual(Buffer.alloc(0));
});

it("knows what is not there, and that all is well with the bucket", async () => {
  expect(await bucket.head("nothing", SIGNAL)).toBeNull();
  await bucket.check(SIGNAL);
});

describe("errors say what happened and what to do", () => {
  it.each([
    ["a wrong key", { accessKeyId: "nobody" }, /does not know the access key/],
    ["a wrong secret", { secretAccessKey: "swordfish" }, /secret key is wrong/],
    ["no such bucket", { bucket: "elsewhere" }, /has no such bucket/],
  ])("%s", async (_, settings, words) => {
    const other = await opened(settings);
    const error = (await other.check(SIGNAL).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: "not_configured", hint: expect.any(String) as string });
    expect(error.message).toMatch(words);
    expect(`${error.message} ${String(error.cause)} ${error.stack}`).not.toMatch(
      /swordfish|test-secret|test-key/,
    );
    other.close();
  });

  it.each([
    [403, "AccessDenied", /denied access/],
    [403, "RequestTimeTooSkewed", /clock is wrong/],
    [400, "ExpiredToken", /keys: they have expired/],
    [403, "NotEntitled", /R2 not turned on/],
    [403, "", /denied access/],
    [401, "", /does not know the access key/],
  ])("%i %s", async (status, code, words) => {
    proxy.plan = () => ({ kind: "answer", status, body: code && `<Error><Code>${code}</Code></Error>` });
    await expect(bucket.replace("x", CHUNK.bytes, "a/b", SIGNAL)).rejects.toMatchObject({
      code: "not_configured",
      message: expect.stringMatching(words) as string,
      refusal: { status },
    });
  });

  it("passes on when a busy server wants to be asked again", async () => {
    proxy.plan = () => ({ kind: "answer", status: 429, retryAfterS: 3 });
    await expect(bucket.create("busy", CHUNK, SIGNAL)).rejects.toMatchObject({
      code: "refused",
      refusal: { status: 429, retryAfterS: 3 },
    });
    proxy.plan = () => ({ kind: "answer", status: 503, body: "<html>not S3 at all" });
    await expect(bucket.create("busy", CHUNK, SIGNAL)).rejects.toMatchObject({ refusal: { status: 503 } });
  });

  it.each<[string, Fault]>([
    ["cut when it asks", { kind: "refuse" }],
    ["cut in its midst", { kind: "reset", side: "request", atByte: 1_000_000 }],
    ["cut before the answer", { kind: "reset", side: "response", atByte: 0 }],
  ])("a request %s", async (_, fault) => {
    proxy.plan = () => fault;
    await expect(bucket.create(`cut/${fault.kind}`, CHUNK, SIGNAL)).rejects.toMatchObject({
      code: "unreachable",
    });
  });

  it("a request on which nothing moves any more", async () => {
    const impatient = await openBucket(r2.settings(proxy.url), { idleTimeoutMs: 100 });
    proxy.plan = () => ({ kind: "stall", side: "request", atByte: 1000 });
    await expect(impatient.create("stalled", CHUNK, SIGNAL)).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("nothing moved") as string,
    });
    impatient.close();
  });

  it("a body that was changed on its way is not stored", async () => {
    proxy.plan = () => ({ kind: "corrupt", side: "request", atByte: 2_000_000 });
    await expect(bucket.create("changed", CHUNK, SIGNAL)).rejects.toMatchObject({
      refusal: { code: "BadDigest" },
    });
    expect(await r2.get("changed")).toBeNull();
  });

  it("nobody there, and a name that nobody has", async () => {
    const gone = await opened({ endpoint: await nobody() });
    await expect(gone.check(SIGNAL)).rejects.toMatchObject({ code: "unreachable" });
    const nowhere = await opened({ endpoint: "https://bucket.invalid", bucket: "splats" });
    await expect(nowhere.check(SIGNAL)).rejects.toMatchObject({
      code: "unreachable",
      hint: expect.stringContaining("online") as string,
    });
  });

  it("a caller who gives up", async () => {
    proxy.plan = () => ({ kind: "stall", side: "request", atByte: 0 });
    const asked = new AbortController();
    const answer = bucket.create("given-up", CHUNK, asked.signal);
    asked.abort();
    await expect(answer).rejects.toMatchObject({ code: "interrupted" });
  });
});
