import { describe, expect, it } from "vitest";
import { planRemoval, type DoomedSession } from "../../src/chunks/plan-removal.ts";
import { removeChunks, requireNoneLive, type Removed } from "../../src/chunks/remove.ts";
import type { SessionOptions } from "../helpers/bucket-scenes.ts";
import { proxiedBucket } from "../helpers/proxied-bucket.ts";

const CHUNKS = [new Uint8Array(10), new Uint8Array(2000).fill(1), new Uint8Array(3000).fill(2)];

const bucket = proxiedBucket();

/** Put sessions into a scene of their own, the last as its newest. */
function sessions(scene: string, ids: readonly string[], options: SessionOptions = {}): Promise<void> {
  return bucket.scenes.sessions(scene, ids, CHUNKS, options);
}

/** As the command does. */
async function remove(
  scene: string,
  wanted: readonly string[] | "all",
  { session = "latest", isForced = false } = {},
): Promise<Removed> {
  const { reader, writer } = bucket;
  const removal = await planRemoval(reader, { scene, session }, wanted, writer.signal);
  if (!isForced) requireNoneLive(removal);
  return await removeChunks(writer, reader, removal, { isForced });
}

/** Below the scene. */
async function keys(scene: string): Promise<string[]> {
  const prefix = `scenes/${scene}/`;
  return (await bucket.r2.keys(prefix)).map((key) => key.slice(prefix.length));
}

const chunksOf = (id: string): string[] => [1, 2, 3].map((n) => `${id}/chunk_000${n}.ply`);

describe("what is removed", () => {
  it("is named by no status.json, while the rest stays as it was", async () => {
    await sessions("some", ["old", "new"]);
    const removed = await remove("some", ["chunk_0002.ply", "3"]);
    expect(removed).toMatchObject({ failed: [], sessions: [], newest: undefined });
    expect(await keys("some")).toEqual([
      "new/chunk_0001.ply",
      "new/status.json",
      ...chunksOf("old"),
      "old/status.json",
      "status.json",
    ]);
    expect(await bucket.status("scenes/some")).toMatchObject({
      session_id: "new",
      gaussian_count: 1000,
      frame_count: 150,
      updated_at: 1_700_001_030,
      chunks: [{ name: "chunk_0001.ply" }],
    });
    expect(await bucket.broken("some")).toEqual([]);
  });

  it("goes in that order: status.json, chunks, and a whole session's status.json last", async () => {
    await sessions("order", ["old", "new"]);
    const { length } = bucket.proxy.seen;
    expect(await remove("order", "all")).toMatchObject({ sessions: ["new"], newest: "old" });
    const changes = bucket.proxy.seen
      .slice(length)
      .filter(({ method }) => method === "PUT" || method === "DELETE")
      .map(({ method, path }) => `${method} ${/order\/([^?]*)/.exec(path)?.[1]}`);
    expect(changes.slice(0, 2)).toEqual(["PUT new/status.json", "PUT status.json"]);
    expect(changes.slice(2, 5).sort()).toEqual(chunksOf("new").map((key) => `DELETE ${key}`));
    expect(changes.slice(5)).toEqual(["DELETE new/status.json", "PUT status.json"]);
    expect(await bucket.status("scenes/order")).toMatchObject({ session_id: "old" });
    expect(await bucket.broken("order")).toEqual([]);
  });

  it("is everything, with the last session of a scene", async () => {
    await sessions("last", ["one", "two"]);
    await bucket.scenes.put("scenes/last/one/notes/deep.txt", "mine");
    const removed = await remove("last", "all", { session: "all" });
    expect([...removed.sessions].sort()).toEqual(["one", "two"]);
    expect(removed).toMatchObject({ newest: null, failed: [] });
    expect(removed.keys).toHaveLength(9);
    expect(await keys("last")).toEqual([]);
    expect(await remove("last", "all", { session: "all" })).toMatchObject({ keys: [], sessions: [] });
  });

  it("may be an older session; then the scene stays as it is", async () => {
    await sessions("older", ["one", "two"]);
    const before = await bucket.r2.get("scenes/older/status.json");
    expect(await remove("older", ["*.ply"], { session: "one" })).toMatchObject({ sessions: ["one"] });
    expect(await keys("older")).toEqual(["status.json", ...chunksOf("two"), "two/status.json"]);
    expect(await bucket.r2.get("scenes/older/status.json")).toEqual(before);
  });

  it("is not a session in which something else lies", async () => {
    await sessions("kept", ["one"]);
    await bucket.scenes.put("scenes/kept/one/notes.txt", "mine");
    expect(await remove("kept", ["*.ply"])).toMatchObject({ sessions: [] });
    expect(await keys("kept")).toEqual(["one/notes.txt", "one/status.json", "status.json"]);
    expect(await bucket.status("scenes/kept")).toMatchObject({ chunks: [], gaussian_count: 0 });
  });

  it("is in no other scene or session and never outside of scenes/", async () => {
    await sessions("near", ["one"]);
    await sessions("near-by", ["one"]);
    await bucket.scenes.put("elsewhere/one/chunk_0001.ply", "x");
    await bucket.scenes.put("scenes/near/notes.txt", "x");
    await bucket.scenes.session("onex", CHUNKS, { scene: "near" });
    await remove("near", "all", { session: "one" });
    expect(await keys("near")).toEqual(["notes.txt", ...chunksOf("onex"), "onex/status.json", "status.json"]);
    expect(await keys("near-by")).toHaveLength(5);
    expect(await bucket.r2.keys("elsewhere")).toHaveLength(1);
  });

  it("is not what a status.json only pretends to own", async () => {
    await bucket.scenes.put("private/key.ply", "x");
    const status = await bucket.scenes.session("one", CHUNKS, { scene: "hostile" });
    const [first, ...rest] = status.chunks;
    const lie = { ...status, chunks: [{ ...first, key: "private/key.ply", name: "key.ply" }, ...rest] };
    await bucket.scenes.put("scenes/hostile/one/status.json", JSON.stringify(lie));
    await bucket.scenes.put("scenes/hostile/status.json", JSON.stringify(lie));
    await expect(remove("hostile", ["key.ply"])).rejects.toMatchObject({ code: "bad_input" });
    await remove("hostile", "all", { isForced: true });
    expect(await bucket.r2.keys("private")).toEqual(["private/key.ply"]);
    expect(await keys("hostile")).toEqual([]);
  });

  it("is found by listing where nothing names it", async () => {
    await sessions("left", ["one"]);
    await bucket.scenes.put("scenes/left/one/chunk_0009.ply", "left");
    expect(await remove("left", ["chunk_0009.ply"])).toMatchObject({
      keys: ["scenes/left/one/chunk_0009.ply"],
    });
    expect((await bucket.status("scenes/left"))?.chunks).toHaveLength(3);
    await bucket.scenes.put("scenes/left/gone/chunk_0001.ply", "left");
    await bucket.scenes.put("scenes/left/odd/chunk_0001.ply", "left");
    await bucket.scenes.put("scenes/left/odd/status.json", "{");
    await expect(remove("left", "all", { session: "gone" })).rejects.toMatchObject({
      code: "refused",
      message: expect.stringMatching(/gone has no status\.json .* not an hour old/) as string,
      hint: expect.stringMatching(/--force/) as string,
    });
    expect(await remove("left", "all", { session: "gone", isForced: true })).toMatchObject({
      keys: ["scenes/left/gone/chunk_0001.ply"],
      sessions: ["gone"],
    });
    expect(await remove("left", "all", { session: "odd", isForced: true })).toMatchObject({
      sessions: ["odd"],
    });
    expect(await keys("left")).toEqual([...chunksOf("one"), "one/status.json", "status.json"]);
  });

  it("by the word latest is the newest chunk, not what somebody left", async () => {
    await sessions("newest", ["one"]);
    await bucket.scenes.put("scenes/newest/one/chunk_0002.left.ply", "left");
    expect(await remove("newest", ["latest"])).toMatchObject({ keys: ["scenes/newest/one/chunk_0003.ply"] });
  });

  it.each([
    [["absent.ply"], "latest", /nothing there is called absent\.ply/],
    [["chunk_0001.ply", "absent*"], "latest", /nothing there is called absent/],
    [[""], "latest", /cannot be empty/],
    ["all", "absent", /has no session absent/],
    ["all", "../other", /no session/],
  ] as const)("is never more than %j of session %s", async (wanted, session, words) => {
    await sessions("named", ["one"]);
    await expect(remove("named", wanted, { session })).rejects.toThrow(words);
    expect(await keys("named")).toHaveLength(5);
  });
});

describe("a session that a backend is writing", () => {
  const live = { complete: false, state: "training" as const };

  it("is left alone, unless forced", async () => {
    await sessions("live", ["one"], { status: { ...live, updated_at: Date.now() / 1000 - 300 } });
    await expect(remove("live", ["1"])).rejects.toMatchObject({ code: "refused" });
    expect(await keys("live")).toHaveLength(5);
    await remove("live", ["1"], { isForced: true });
    expect(await bucket.status("scenes/live")).toMatchObject({
      state: "training",
      chunks: [{ index: 2 }, { index: 3 }],
    });
  });

  it("may have been silent for days", async () => {
    await sessions("quiet", ["one"], { status: live });
    await expect(remove("quiet", ["1"])).rejects.toMatchObject({
      code: "refused",
      message: "the session one is not finished (training): a backend may still write it",
      hint: expect.stringMatching(/--force .* names? them again/) as string,
    });
    expect(await keys("quiet")).toHaveLength(5);
  });

  it("is none that has failed", async () => {
    await sessions("failed", ["one"], { status: { ...live, state: "failed" } });
    expect(await remove("failed", ["1"])).toMatchObject({ failed: [] });
  });

  it("is named without what a terminal would obey", async () => {
    const id = "a\u001b[2J\u009b\u202e";
    const session = { sessionId: id, complete: false, state: "training", updatedAtS: 0 } as const;
    const removal = { scene: "main", sessions: [session as unknown as DoomedSession] };
    expect(() => requireNoneLive(removal)).toThrow("the session a\\u{1b}[2J\\u{9b}\\u{202e} is not finished");
  });

  it("is noticed even when it came to life after it was looked at", async () => {
    await sessions("woken", ["one"]);
    const removal = await planRemoval(
      bucket.reader,
      { scene: "woken", session: "latest" },
      "all",
      bucket.writer.signal,
    );
    requireNoneLive(removal);
    await sessions("woken", ["one"], { status: { ...live, updated_at: Date.now() / 1000 } });
    await expect(
      removeChunks(bucket.writer, bucket.reader, removal, { isForced: false }),
    ).rejects.toMatchObject({ code: "refused" });
    expect(await keys("woken")).toHaveLength(5);
  });
});

describe("over a bad network", () => {
  it("what a busy server and a cut line spoil is tried again", async () => {
    await sessions("bad", ["one"]);
    let failures = 0;
    bucket.proxy.plan = () => {
      failures++;
      if (failures % 3 === 0) return { kind: "reset", side: "response", atByte: 0 };
      return failures % 3 === 1 ? { kind: "answer", status: 503 } : null;
    };
    expect(await remove("bad", "all")).toMatchObject({ failed: [], sessions: ["one"] });
    expect(await keys("bad")).toEqual([]);
  });

  it("the others go when one cannot, and the next run finishes", async () => {
    await sessions("partly", ["old", "one"]);
    bucket.proxy.plan = ({ method, path }) =>
      method === "DELETE" && path.includes("chunk_0002") ? { kind: "answer", status: 503 } : null;
    expect(await remove("partly", "all")).toMatchObject({
      failed: [{ key: "scenes/partly/one/chunk_0002.ply", error: { code: "refused" } }],
      sessions: [],
    });
    expect(await bucket.status("scenes/partly")).toMatchObject({ session_id: "one", chunks: [] });
    expect(await bucket.broken("partly")).toEqual([]);
    bucket.proxy.plan = () => null;
    expect(await remove("partly", "all")).toMatchObject({ sessions: ["one"], newest: "old" });
    expect(await keys("partly")).toHaveLength(5);
    expect(await bucket.broken("partly")).toEqual([]);
  });
});
