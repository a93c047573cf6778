import { createHash } from "node:crypto";
import { open, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openBucket, type NewFile, type R2Bucket } from "../../src/remote/r2.ts";
import { startFaultProxy, type Fault, type FaultProxy } from "../helpers/fault-proxy.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

const SIGNAL = new AbortController().signal;
const TEXT = new TextEncoder();
const JSON_TYPE = "application/json";

let r2: LocalR2;
let proxy: FaultProxy;
let bucket: R2Bucket;
let folder: string;

beforeAll(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  bucket = await openBucket(r2.settings(proxy.url));
});

beforeEach(async () => {
  proxy.plan = () => null;
  folder = await mkdtemp(join(tmpdir(), "splatctl-r2-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

afterAll(async () => {
  bucket.close();
  await proxy.close();
  await r2.close();
});

function digest(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

async function newFile(bytes: Uint8Array): Promise<NewFile> {
  const path = join(folder, "scene.ply");
  await writeFile(path, bytes);
  return {
    path,
    sizeBytes: bytes.length,
    sha256: digest("sha256", bytes),
    md5: digest("md5", bytes),
    contentType: "text/x-scene",
  };
}

describe("a file", () => {
  const bytes = new Uint8Array(3_500_000).map((_, i) => i % 251);

  it("is stored once and for all, and says how far it is", async () => {
    const file = await newFile(bytes);
    const sent: number[] = [];
    const tell = (sentBytes: number): number => sent.push(sentBytes);
    expect(await bucket.createFromFile("file/one", file, SIGNAL, tell)).toBe("created");
    expect(sent).toEqual([1 << 20, 2 << 20, 3 << 20, bytes.length]);
    expect((await r2.get("file/one"))?.equals(bytes)).toBe(true);
    expect(await bucket.head("file/one", SIGNAL)).toEqual({ sizeBytes: bytes.length, sha256: file.sha256 });
    expect(await bucket.createFromFile("file/one", await newFile(new Uint8Array(9)), SIGNAL)).toBe("exists");
    expect((await r2.get("file/one"))?.equals(bytes)).toBe(true);
  });

  it.each([
    ["shorter", (path: string) => truncate(path, 1_200_000)],
    ["another, of the same length", (path: string) => writeFile(path, new Uint8Array(bytes.length))],
    ["gone", (path: string) => rm(path)],
  ])("that is %s than when it was looked at is not stored", async (_, change) => {
    const file = await newFile(bytes);
    await change(file.path);
    await expect(bucket.createFromFile("file/changed", file, SIGNAL)).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringMatching(/scene\.ply changed while it was being sent|cannot read/) as string,
    });
    expect(await r2.get("file/changed")).toBeNull();
  });

  it("that is changed while it is being sent is not stored", async () => {
    const file = await newFile(bytes);
    const change = async (): Promise<void> => {
      const handle = await open(file.path, "r+");
      await handle.write(new Uint8Array(100), 0, 100, 3_400_000);
      await handle.close();
    };
    let changing: Promise<void> | undefined;
    proxy.plan = () => ({ kind: "slow", side: "request", bytesPerS: 20_000_000 });
    const stored = bucket.createFromFile("file/midway", file, SIGNAL, () => void (changing ??= change()));
    await expect(stored).rejects.toMatchObject({ code: "bad_input" });
    await changing;
    expect(await r2.get("file/midway")).toBeNull();
  });

  it("of 5 GiB is refused before anything of it is read", async () => {
    const file = await newFile(new Uint8Array(0));
    await truncate(file.path, 5 * 2 ** 30);
    const asked = proxy.seen.length;
    await expect(
      bucket.createFromFile("file/huge", { ...file, sizeBytes: 5 * 2 ** 30 }, SIGNAL),
    ).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringMatching(/less than 5 GiB/) as string,
    });
    expect(proxy.seen).toHaveLength(asked);
  });

  it("that is changed on its way is not stored, and may be sent again", async () => {
    proxy.plan = () => ({ kind: "corrupt", side: "request", atByte: 2_000_000 });
    await expect(bucket.createFromFile("file/corrupt", await newFile(bytes), SIGNAL)).rejects.toMatchObject({
      code: "unreachable",
    });
    expect(await r2.get("file/corrupt")).toBeNull();
  });

  it.each<[string, Fault]>([
    ["cut in its midst", { kind: "reset", side: "request", atByte: 1_000_000 }],
    ["cut before the answer", { kind: "reset", side: "response", atByte: 0 }],
    ["stalled", { kind: "stall", side: "request", atByte: 1000 }],
  ])("whose request is %s is told of", async (_, fault) => {
    const impatient = await openBucket(r2.settings(proxy.url), { idleTimeoutMs: 300 });
    proxy.plan = () => fault;
    await expect(
      impatient.createFromFile(`file/${fault.kind}`, await newFile(bytes), SIGNAL),
    ).rejects.toMatchObject({ code: "unreachable" });
    impatient.close();
  });

  it("is given up when the caller is interrupted", async () => {
    proxy.plan = () => ({ kind: "stall", side: "request", atByte: 0 });
    const asked = new AbortController();
    const stored = bucket.createFromFile("file/given-up", await newFile(bytes), asked.signal, () =>
      asked.abort(),
    );
    await expect(stored).rejects.toMatchObject({ code: "interrupted" });
  });
});

it("is not stored from what cannot be read to its end, which is no bug of ours", async () => {
  // A folder opens as a file does, and then cannot be read.
  const file = { ...(await newFile(new Uint8Array(9))), path: tmpdir() };
  await expect(bucket.createFromFile("file/unreadable", file, SIGNAL)).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringMatching(/cannot read .*EISDIR/) as string,
  });
  expect(await bucket.head("file/unreadable", SIGNAL)).toBeNull();
});

describe("an object that changes", () => {
  const write = (key: string, text: string, condition: { etag: string } | "absent") =>
    bucket.replaceIf(key, { bytes: TEXT.encode(text), contentType: JSON_TYPE }, condition, SIGNAL);

  it("is written only over what was read", async () => {
    expect(await write("if/a", "1", "absent")).toBe("written");
    expect(await write("if/a", "2", "absent")).toBe("changed");
    const read = await bucket.read("if/a", 100, SIGNAL);
    expect(Buffer.from(read?.bytes ?? []).toString()).toBe("1");
    const etag = read?.etag ?? "";
    expect(await write("if/a", "2", { etag })).toBe("written");
    expect(await write("if/a", "3", { etag })).toBe("changed");
    expect(String(await r2.get("if/a"))).toBe("2");
    expect(await write("if/none", "3", { etag })).toBe("changed");
    const shown = await fetch(bucket.urlOf("if/a") ?? "");
    expect(shown.headers.get("cache-control")).toBe("no-store");
    expect(shown.headers.get("content-type")).toBe(JSON_TYPE);
  });

  it("is read whole or not at all", async () => {
    expect(await bucket.read("if/nothing", 100, SIGNAL)).toBeNull();
    await bucket.replace("if/long", new Uint8Array(101), JSON_TYPE, SIGNAL);
    expect(await bucket.read("if/long", 100, SIGNAL)).toMatchObject({ bytes: null });
    proxy.plan = () => ({ kind: "reset", side: "response", atByte: 50 });
    await expect(bucket.read("if/long", 200, SIGNAL)).rejects.toMatchObject({ code: "unreachable" });
  });

  it("is removed, and what is not there is as good", async () => {
    await bucket.replace("gone", new Uint8Array(1), JSON_TYPE, SIGNAL);
    await bucket.remove("gone", SIGNAL);
    await bucket.remove("gone", SIGNAL);
    expect(await r2.get("gone")).toBeNull();
  });
});

it.each(["remove", "read", "replaceIf"] as const)("%s says when there is no such bucket", async (method) => {
  const other = await openBucket({ ...r2.settings(), bucket: "elsewhere" });
  const asked = {
    remove: () => other.remove("a", SIGNAL),
    read: () => other.read("a", 1, SIGNAL),
    replaceIf: () =>
      other.replaceIf("a", { bytes: new Uint8Array(1), contentType: "a/b" }, { etag: '"x"' }, SIGNAL),
  };
  await expect(asked[method]()).rejects.toMatchObject({
    code: "not_configured",
    message: expect.stringContaining("no such bucket") as string,
  });
  other.close();
});
