import { createHash } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { bucketStatusSchema, type BucketStatus } from "../../src/api/schema.ts";
import { openBucket, type BucketSettings } from "../../src/remote/r2.ts";
import { sleep } from "../../src/time.ts";
import {
  jpeg,
  json,
  openTestBackend,
  temporaryFolder,
  type TestBackend,
} from "../helpers/backend-fixture.ts";
import { observeBucket, type BucketObserver } from "../helpers/bucket-observer.ts";
import { seededFaults, startFaultProxy, type Fault, type FaultProxy } from "../helpers/fault-proxy.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

/** As in use, only faster. */
const PACE = {
  firstWaitMs: 20,
  longestWaitMs: 100,
  longestUserWaitMs: 100,
  statusEveryMs: 50,
  graceMs: 2000,
};

const FAULTS: readonly Fault[] = [
  { kind: "refuse" },
  { kind: "reset", side: "request", atByte: 100 },
  { kind: "reset", side: "response", atByte: 0 },
  { kind: "stall", side: "request", atByte: 50 },
  { kind: "corrupt", side: "request", atByte: 20 },
  { kind: "duplicate" },
  { kind: "slow", side: "request", bytesPerS: 40_000 },
  { kind: "answer", status: 503, retryAfterS: 0 },
  { kind: "answer", status: 429 },
  { kind: "answer", status: 500, body: "<html>oops</html>" },
];

let r2: LocalR2;
let proxy: FaultProxy;
const started: TestBackend[] = [];

beforeEach(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  return async () => {
    await Promise.all(started.splice(0).map(({ scene }) => scene.close()));
    await proxy.close();
    await r2.close();
  };
});

async function start(
  dataDir?: string,
  settings: Partial<BucketSettings> = {},
  pace: Partial<typeof PACE> = {},
): Promise<TestBackend> {
  const bucket = await openBucket({ ...r2.settings(proxy.url), ...settings }, { idleTimeoutMs: 1000 });
  const backend = await openTestBackend({
    dataDir: dataDir ?? (await temporaryFolder()),
    bucket,
    uploadPace: { ...PACE, ...pace },
  });
  started.push(backend);
  await backend.send("/scene", json("PUT", { chunk_every: 1 }));
  return backend;
}

async function send(backend: TestBackend, from: number, to: number): Promise<void> {
  for (let seed = from; seed <= to; seed++) {
    expect((await backend.upload(await jpeg(seed))).status).toBe(200);
    await backend.until(({ chunks }) => chunks.length >= seed);
  }
}

function stop(backend: TestBackend): Promise<Response> {
  return backend.send("/stop-training", json("POST", { finish_seconds: 0.05 }));
}

function observe(): BucketObserver {
  const observer = observeBucket(r2);
  onTestFinished(() => observer.close());
  return observer;
}

async function statusOf(placeKey: string): Promise<BucketStatus | null> {
  const text = await r2.get(`${placeKey}/status.json`);
  return text === null ? null : bucketStatusSchema.parse(JSON.parse(text.toString()));
}

async function untilBucket(
  placeKey: string,
  wanted: (status: BucketStatus) => boolean,
): Promise<BucketStatus> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const status = await statusOf(placeKey);
    if (status !== null && wanted(status)) return status;
    await sleep(20);
  }
  throw new Error(`${placeKey}/status.json never was as wanted: ${JSON.stringify(await statusOf(placeKey))}`);
}

async function expectMirrored(backend: TestBackend): Promise<void> {
  const sums = await r2.sums();
  for (const { key, sha256 } of backend.scene.status().chunks) {
    expect(sums.get(key)).toBe(sha256);
    const local = await readFile(join(backend.dataDir, "bucket", key));
    expect(createHash("sha256").update(local).digest("hex")).toBe(sha256);
  }
}

describe("a capture into a bucket", () => {
  it("brings every chunk and names none before it is there, while one request in five fails and it goes away", async () => {
    proxy.plan = seededFaults(7, 0.2, FAULTS);
    const observer = observe();
    const backend = await start();
    await send(backend, 1, 5);
    await proxy.down();
    await send(backend, 6, 9);
    const away = backend.scene.status();
    expect(away.chunks.length).toBe(9);
    expect(away.chunks_uploaded).toBeLessThan(9);
    expect((await backend.until(({ last_error }) => last_error !== null)).last_error).toMatch(
      /no answer from the bucket/,
    );
    await proxy.up();
    await send(backend, 10, 12);
    expect(await (await stop(backend)).json()).toMatchObject({ complete: true });
    const { session_id } = backend.scene.status();
    const final = await untilBucket("scenes/main", ({ complete }) => complete);
    expect(await untilBucket(`scenes/main/${session_id}`, ({ complete }) => complete)).toEqual(final);
    const local = backend.scene.status();
    expect(final).toMatchObject({ session_id, state: "complete", frame_count: 12, chunks: local.chunks });
    expect(local).toMatchObject({ chunks_uploaded: local.chunks.length, last_error: null });
    await expectMirrored(backend);
    await observer.close();
    expect(observer.broken).toEqual([]);
    expect(observer.looks).toBeGreaterThan(5);
    expect(proxy.seen.filter(({ fault }) => fault !== null).length).toBeGreaterThan(3);
  });

  it("gives each chunk its public address, a type, and status.json that nobody keeps", async () => {
    const backend = await start();
    await send(backend, 1, 1);
    const [chunk] = (await backend.until(({ chunks_uploaded }) => chunks_uploaded > 0)).chunks;
    const read = await fetch(chunk.url ?? "");
    expect(
      createHash("sha256")
        .update(new Uint8Array(await read.arrayBuffer()))
        .digest("hex"),
    ).toBe(chunk.sha256);
    expect(read.headers.get("content-type")).toBe("application/octet-stream");
    await untilBucket("scenes/main", ({ chunks }) => chunks.length > 0);
    const status = await fetch(`${r2.settings().publicUrl}/scenes/main/status.json`);
    expect(status.headers.get("cache-control")).toBe("no-store");
    expect(status.headers.get("content-type")).toBe("application/json");
  });

  it("has no address for a chunk of a bucket that is not public", async () => {
    const backend = await start(undefined, { publicUrl: null });
    await send(backend, 1, 1);
    expect((await backend.until(({ chunks_uploaded }) => chunks_uploaded > 0)).chunks[0].url).toBeNull();
  });

  it("writes a status.json no more often than it may, and the newest wins", async () => {
    const backend = await start(undefined, {}, { statusEveryMs: 400 });
    await send(backend, 1, 8);
    await stop(backend);
    await untilBucket("scenes/main", ({ complete }) => complete);
    const writes = proxy.seen.filter(
      ({ method, path }) => method === "PUT" && /main\/status\.json/.test(path),
    );
    expect(writes.length).toBeLessThan(8);
    expect(await statusOf("scenes/main")).toMatchObject({ frame_count: 8 });
  });
});

describe("after a restart", () => {
  it("goes on with what did not get there, and sends nothing twice that did", async () => {
    const observer = observe();
    const dataDir = await temporaryFolder();
    const first = await start(dataDir, {}, { graceMs: 0 });
    await send(first, 1, 3);
    await first.until(({ chunks_uploaded }) => chunks_uploaded === 3);
    await proxy.down();
    await send(first, 4, 6);
    await first.scene.close();
    await proxy.up();
    const before = proxy.seen.length;
    const second = await start(dataDir);
    expect(second.scene.status().chunks.length).toBeGreaterThanOrEqual(6);
    await second.until(({ chunks, chunks_uploaded }) => chunks_uploaded === chunks.length);
    await stop(second);
    await untilBucket("scenes/main", ({ complete }) => complete);
    await expectMirrored(second);
    const sent = proxy.seen
      .slice(before)
      .filter(({ method, path }) => method === "PUT" && path.includes(".ply"));
    expect(sent.some(({ path }) => /chunk_000[123]\.ply/.test(path))).toBe(false);
    await observer.close();
    expect(observer.broken).toEqual([]);
  });

  it("finds in the bucket what its own notes have lost", async () => {
    const dataDir = await temporaryFolder();
    const first = await start(dataDir);
    await send(first, 1, 2);
    await first.until(({ chunks_uploaded }) => chunks_uploaded === 2);
    await first.scene.close();
    await writeFile(join(dataDir, "state/uploads.json"), "{");
    const sums = await r2.sums();
    const second = await start(dataDir);
    await second.until(({ chunks_uploaded }) => chunks_uploaded >= 2);
    expect(second.scene.status().warnings.join()).not.toContain("bucket");
    for (const [key, sum] of sums) if (key.endsWith(".ply")) expect((await r2.sums()).get(key)).toBe(sum);
  });

  it("brings also what a session of before a reset left behind, under that session", async () => {
    const dataDir = await temporaryFolder();
    await proxy.down();
    const backend = await start(dataDir, {}, { graceMs: 0 });
    await send(backend, 1, 2);
    const old = backend.scene.status();
    await backend.send("/reset", { method: "POST" });
    await send(backend, 1, 1);
    await stop(backend);
    await backend.scene.close();
    await proxy.up();
    const second = await start(dataDir);
    const { session_id } = second.scene.status();
    const kept = await untilBucket(`scenes/main/${old.session_id}`, ({ chunks }) => chunks.length >= 2);
    expect(kept.chunks.map(({ key }) => key).join()).not.toContain(session_id);
    await untilBucket("scenes/main", (status) => status.session_id === session_id && status.complete);
    expect((await statusOf("scenes/main"))?.session_id).toBe(session_id);
  });

  it("does not write a chunk again that the bucket may have, also when the session's own file is older", async () => {
    const dataDir = await temporaryFolder();
    const first = await start(dataDir);
    await send(first, 1, 2);
    await first.until(({ chunks_uploaded }) => chunks_uploaded === 2);
    await first.scene.close();
    const path = join(dataDir, "state/main/session.json");
    const saved = JSON.parse(await readFile(path, "utf8")) as { chunks: unknown[] };
    await writeFile(path, JSON.stringify({ ...saved, chunks: saved.chunks.slice(0, 1) }));
    const second = await start(dataDir);
    expect(second.scene.status().chunks.length).toBeGreaterThanOrEqual(2);
    await send(second, 3, 3);
    await second.until(
      ({ chunks, chunks_uploaded }) => chunks.length >= 3 && chunks_uploaded === chunks.length,
    );
    expect(second.scene.status().warnings.join()).not.toContain("bucket");
    await expectMirrored(second);
  });
});

describe("what the user has to mend", () => {
  it.each([
    ["a wrong key", { accessKeyId: "nobody" }, /does not know the access key[^]*AWS_ACCESS_KEY_ID/],
    ["a wrong secret", { secretAccessKey: "swordfish" }, /secret key is wrong[^]*clock/],
    ["a missing bucket", { bucket: "elsewhere" }, /has no such bucket[^]*R2_BUCKET_NAME/],
  ])("%s is told once, at once, and nothing else suffers", async (_, settings, words) => {
    const backend = await start(undefined, settings);
    await backend.until(({ warnings }) => warnings.some((warning) => words.test(warning)));
    await send(backend, 1, 3);
    const status = await backend.until(({ last_error }) => last_error !== null);
    expect(status.last_error).toMatch(words);
    expect(status.warnings.filter((warning) => words.test(warning))).toHaveLength(1);
    expect(status).toMatchObject({ chunks_uploaded: 0, frame_count: 3 });
    expect(JSON.stringify(status)).not.toMatch(/swordfish|test-secret/);
    expect(await (await stop(backend)).json()).toMatchObject({ complete: true });
    await backend.scene.close();
    expect((await r2.sums()).size).toBe(0);
  });

  it("a token that is taken away in mid-session: chunks wait, and go when it is back", async () => {
    const observer = observe();
    const backend = await start();
    await send(backend, 1, 2);
    await backend.until(({ chunks_uploaded }) => chunks_uploaded === 2);
    const denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    proxy.plan = () => ({ kind: "answer", status: 403, body: denied });
    await send(backend, 3, 4);
    const status = await backend.until(({ last_error }) => last_error !== null);
    expect(status.last_error).toMatch(/denied access[^]*Object Read & Write/);
    expect(status.chunks_uploaded).toBe(2);
    proxy.plan = () => null;
    const after = await backend.until(({ chunks_uploaded, chunks }) => chunks_uploaded === chunks.length);
    await backend.until(({ last_error }) => last_error === null);
    expect(after.warnings.filter((warning) => warning.includes("denied"))).toHaveLength(1);
    await observer.close();
    expect(observer.broken).toEqual([]);
  });

  it("another object at a chunk's key: it stays, and the chunk is not named", async () => {
    const backend = await start();
    const key = `scenes/main/${backend.scene.sessionId}/chunk_0001.ply`;
    const direct = await openBucket(r2.settings());
    const signal = new AbortController().signal;
    const object = { bytes: new Uint8Array([1]), sha256: "00", contentType: "text/plain" };
    expect(await direct.create(key, object, signal)).toBe("created");
    await send(backend, 1, 2);
    const status = await backend.until(
      ({ chunks_uploaded, warnings }) => chunks_uploaded > 0 && warnings.length > 0,
    );
    expect(status.warnings.join()).toMatch(/chunk_0001\.ply does not go to the bucket: another object/);
    expect(await r2.get(key)).toEqual(Buffer.from([1]));
    const seen = await untilBucket("scenes/main", ({ chunks }) => chunks.length > 0);
    expect(seen.chunks.map(({ name }) => name)).not.toContain("chunk_0001.ply");
    direct.close();
  });

  it("a chunk whose file was damaged or removed: the others go", async () => {
    await proxy.down();
    const backend = await start();
    await send(backend, 1, 3);
    const [damaged, removed] = backend.scene
      .status()
      .chunks.map(({ key }) => join(backend.dataDir, "bucket", key));
    await writeFile(damaged, new Uint8Array((await readFile(damaged)).length));
    await rm(removed);
    await proxy.up();
    await backend.until(({ chunks_uploaded }) => chunks_uploaded > 0);
    const told = (words: RegExp) => backend.until(({ warnings }) => words.test(warnings.join()));
    await told(/chunk_0001\.ply is damaged/);
    await told(/chunk_0002\.ply cannot be read/);
    await stop(backend);
    expect((await untilBucket("scenes/main", ({ chunks }) => chunks.length > 0)).complete).toBe(false);
  });
});

it("keeps several backends in one bucket apart", async () => {
  const backends = [await start(), await start()];
  await Promise.all(backends.map((backend) => send(backend, 1, 3)));
  await Promise.all(backends.map(stop));
  for (const backend of backends) {
    const { session_id } = backend.scene.status();
    await untilBucket(`scenes/main/${session_id}`, ({ complete }) => complete);
    await expectMirrored(backend);
  }
});

it("ends within the grace it has when the bucket hangs", async () => {
  const backend = await start(undefined, {}, { graceMs: 100 });
  proxy.plan = () => ({ kind: "stall", side: "request", atByte: 0 });
  await send(backend, 1, 1);
  await backend.scene.close();
  expect((await r2.sums()).size).toBe(0);
});
