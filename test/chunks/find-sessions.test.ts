import { afterAll, afterEach, beforeAll, describe, expect, it, test } from "vitest";
import { findSessions } from "../../src/chunks/find-sessions.ts";
import { openPublicReader } from "../../src/remote/r2-public.ts";
import type { BucketReader } from "../../src/remote/r2-read.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { bucketScenes, type BucketScenes } from "../helpers/bucket-scenes.ts";
import { scriptedFaults, startFaultProxy, type FaultProxy } from "../helpers/fault-proxy.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

const SIGNAL = new AbortController().signal;
const CHUNKS = [new Uint8Array(10).fill(1), new Uint8Array(20).fill(2)];

let r2: LocalR2;
let proxy: FaultProxy;
let scenes: BucketScenes;
let reader: BucketReader;
let publicReader: BucketReader;

beforeAll(async () => {
  r2 = await startR2();
  proxy = await startFaultProxy(r2.origin);
  scenes = await bucketScenes(r2.settings());
  reader = openSignedReader(r2.settings(proxy.url));
  publicReader = openPublicReader(r2.settings().publicUrl ?? "");
});

afterEach(() => {
  proxy.plan = () => null;
});

afterAll(async () => {
  await reader.close();
  await publicReader.close();
  scenes.close();
  await proxy.close();
  await r2.close();
});

/** Ids and origins of what is found. */
async function found(scene: string, session: string, of = reader): Promise<string[]> {
  const sessions = await findSessions(of, { scene, session }, SIGNAL);
  return sessions.map((each) => `${each.sessionId} ${each.from} ${each.entries.length}`);
}

describe("three sessions", () => {
  beforeAll(async () => {
    await scenes.session("b-old", CHUNKS, { scene: "three", createdS: 100 });
    await scenes.session("c-middle", CHUNKS.slice(1), { scene: "three", createdS: 200 });
    await scenes.session("a-new", CHUNKS, { scene: "three", createdS: 300, isNewest: true });
  });

  it("the latest by one request, all from the oldest to the newest, one by its id", async () => {
    const before = proxy.seen.length;
    expect(await found("three", "latest")).toEqual(["a-new status 2"]);
    expect(proxy.seen.length - before).toBe(1);
    expect(await found("three", "all")).toEqual(["b-old status 2", "c-middle status 1", "a-new status 2"]);
    expect(await found("three", "c-middle")).toEqual(["c-middle status 1"]);
    const [session] = await findSessions(reader, { scene: "three", session: "b-old" }, SIGNAL);
    expect(session.entries[1]).toMatchObject({
      key: "scenes/three/b-old/chunk_0002.ply",
      sizeBytes: 20,
      index: 2,
      firstFrame: 51,
      lastFrame: 100,
      gaussianCount: 2000,
      createdAtS: 110,
    });
  });

  it("a public address tells of the latest and of one by its id, not of all", async () => {
    expect(await found("three", "latest", publicReader)).toEqual(["a-new status 2"]);
    expect(await found("three", "b-old", publicReader)).toEqual(["b-old status 2"]);
    await expect(found("three", "all", publicReader)).rejects.toMatchObject({ code: "usage" });
    await expect(found("nowhere", "latest", publicReader)).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("no status.json of scene nowhere") as string,
    });
  });

  it("an unknown id is told with those that begin so", async () => {
    await expect(found("three", "c-mid")).rejects.toMatchObject({
      code: "bad_input",
      message: "the bucket has no session c-mid of scene three",
      hint: "Give the whole id: c-middle",
    });
    await expect(found("three", "zzz")).rejects.toMatchObject({
      hint: expect.stringContaining("--session all") as string,
    });
    for (const id of ["a/b", "..", "", "a\nb"]) {
      await expect(found("three", id)).rejects.toMatchObject({ code: "usage" });
    }
  });

  it("an id is told without what a terminal would obey", async () => {
    await scenes.put("scenes/odd/esc-\u001b[2J/chunk_0001.ply", "x");
    await expect(found("odd", "esc")).rejects.toMatchObject({ hint: "Give the whole id: esc-\\u{1b}[2J" });
  });

  it("a busy server is asked again", async () => {
    proxy.plan = scriptedFaults(
      { kind: "answer", status: 503 },
      { kind: "reset", side: "response", atByte: 0 },
      null,
      { kind: "truncate", atByte: 40 },
    );
    expect(await found("three", "all")).toHaveLength(3);
    proxy.plan = () => ({ kind: "answer", status: 403, body: "<Error><Code>AccessDenied</Code></Error>" });
    const before = proxy.seen.length;
    await expect(found("three", "latest")).rejects.toMatchObject({ code: "not_configured" });
    expect(proxy.seen.length - before).toBe(1);
  });
});

test("a scene that is not there has no sessions", async () => {
  expect(await found("nowhere", "latest")).toEqual([]);
  expect(await found("nowhere", "all")).toEqual([]);
});

describe("without a status.json that can be used", () => {
  it("what lies there is listed, scene files only, and the newest is the latest", async () => {
    await scenes.put("scenes/bare/first/b.splat", "12345");
    await scenes.put("scenes/bare/first/chunk_0003.ply", "1234");
    await scenes.put("scenes/bare/first/notes.txt", "1234");
    await scenes.put("scenes/bare/loose.ply", "1");
    expect(await found("bare", "latest")).toEqual(["first listing 2"]);
    const [session] = await findSessions(reader, { scene: "bare", session: "first" }, SIGNAL);
    expect(session).toMatchObject({ state: null, complete: false, frameCount: null });
    expect(session.entries.find(({ index }) => index === 3)).toMatchObject({
      key: "scenes/bare/first/chunk_0003.ply",
      sizeBytes: 4,
      sha256: null,
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/) as string,
      firstFrame: null,
    });
  });

  it("the newest session's own status.json is used where only the scene's is damaged", async () => {
    await scenes.session("whole", CHUNKS, { scene: "half" });
    await scenes.put("scenes/half/status.json", "{");
    expect(await found("half", "latest")).toEqual(["whole status 2"]);
  });

  it.each<[string, (status: object) => string]>([
    ["torn", (status) => JSON.stringify(status).slice(0, -9)],
    ["empty", () => ""],
    ["another's", (status) => JSON.stringify({ ...status, session_id: "someone" })],
    ["of a strange shape", (status) => JSON.stringify({ ...status, chunks: [7] })],
    ["larger than any", (status) => JSON.stringify({ ...status, more: "x".repeat(8 * 2 ** 20) })],
    [
      "leading elsewhere",
      (status) =>
        JSON.stringify({
          ...status,
          chunks: [
            { ...(status as { chunks: object[] }).chunks[0], key: "scenes/three/a-new/chunk_0001.ply" },
          ],
        }),
    ],
  ])("one that is %s", async (kind, damage) => {
    const scene = `bad-${kind.length}`;
    const status = await scenes.session("s", CHUNKS, { scene });
    await scenes.put(`scenes/${scene}/s/status.json`, damage(status));
    await scenes.put(`scenes/${scene}/status.json`, damage(status));
    for (const session of ["s", "latest", "all"]) {
      expect(await found(scene, session)).toEqual(["s listing 2"]);
    }
    await expect(found(scene, "s", publicReader)).rejects.toMatchObject({ code: "usage" });
  });
});
