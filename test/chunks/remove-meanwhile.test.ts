import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { planRemoval } from "../../src/chunks/plan-removal.ts";
import { pushScene, type Pushed } from "../../src/chunks/push.ts";
import { removeChunks, type Removed } from "../../src/chunks/remove.ts";
import { readSceneFile } from "../../src/chunks/scene-file.ts";
import { MOST_STATUS_BYTES } from "../../src/chunks/session-status.ts";
import type { BucketWriter } from "../../src/chunks/status-file.ts";
import type { SessionOptions } from "../helpers/bucket-scenes.ts";
import { proxiedBucket } from "../helpers/proxied-bucket.ts";

const CHUNKS = [new Uint8Array(10), new Uint8Array(2000).fill(1), new Uint8Array(3000).fill(2)];
const FILE = fileURLToPath(new URL("../fixtures/scene.ply", import.meta.url));

const bucket = proxiedBucket();

/** Put sessions into a scene of their own, the last as its newest. */
function sessions(scene: string, ids: readonly string[], options: SessionOptions = {}): Promise<void> {
  return bucket.scenes.sessions(scene, ids, CHUNKS, options);
}

/** Look at a session, let `meanwhile` happen, and remove all of it. */
async function removeAfter(
  scene: string,
  session: string,
  meanwhile: () => Promise<unknown>,
): Promise<Removed> {
  const { reader, writer } = bucket;
  const removal = await planRemoval(reader, { scene, session }, "all", writer.signal);
  await meanwhile();
  return await removeChunks(writer, reader, removal, { isForced: false });
}

async function push(scene: string, options: { sessionId?: string; name?: string } = {}): Promise<Pushed> {
  return await pushScene(bucket.writer, await readSceneFile(FILE, bucket.writer.signal), {
    scene,
    ...options,
  });
}

/** Below the scene. */
async function keys(scene: string): Promise<string[]> {
  const prefix = `scenes/${scene}/`;
  return (await bucket.r2.keys(prefix)).map((key) => key.slice(prefix.length));
}

describe("while others write", () => {
  it("no chunk is lost that is pushed meanwhile", async () => {
    await sessions("race", ["one"]);
    let pushed: Promise<Pushed> | undefined;
    bucket.proxy.plan = ({ method, path }) => {
      if (method === "PUT" && path.includes("one/status.json")) pushed ??= push("race", { sessionId: "one" });
      return null;
    };
    const { reader, writer } = bucket;
    const removal = await planRemoval(reader, { scene: "race", session: "one" }, ["1"], writer.signal);
    await removeChunks(writer, reader, removal, { isForced: false });
    await pushed;
    const status = await bucket.status("scenes/race");
    expect(status?.chunks.map(({ name }) => name)).toEqual([
      "chunk_0002.ply",
      "chunk_0003.ply",
      "chunk_0004.ply",
    ]);
    expect(await bucket.broken("race")).toEqual([]);
  });

  it("a session stays into which somebody pushes while it goes", async () => {
    await sessions("filled", ["one"]);
    const removal = await planRemoval(
      bucket.reader,
      { scene: "filled", session: "one" },
      "all",
      bucket.writer.signal,
    );
    let pushed: Promise<Pushed> | undefined;
    const removing = { ...bucket.writer, bucket: bucket.writer.bucket, persist: bucket.writer.persist };
    bucket.proxy.plan = ({ method, path }) => {
      if (method === "DELETE" && path.includes("chunk_0003"))
        pushed ??= push("filled", { sessionId: "one", name: "mine.ply" });
      return null;
    };
    // Every removal waits for the push.
    const persist: typeof removing.persist = async (request) => {
      const result = await removing.persist(request);
      await pushed;
      return result;
    };
    const removed = await removeChunks({ ...removing, persist }, bucket.reader, removal, { isForced: false });
    expect(removed).toMatchObject({ failed: [], sessions: [] });
    expect((await bucket.status("scenes/filled"))?.chunks.map(({ name }) => name)).toEqual(["mine.ply"]);
    expect((await bucket.r2.get("scenes/filled/one/mine.ply"))?.equals(await readFile(FILE))).toBe(true);
    expect(await bucket.broken("filled")).toEqual([]);
  });

  it("a chunk stays, and its name, that was pushed while the question was open", async () => {
    await sessions("asked", ["one"]);
    const removed = await removeAfter("asked", "one", () => push("asked", { sessionId: "one" }));
    expect(removed).toMatchObject({ failed: [], sessions: [], newest: undefined });
    expect(removed.keys).toHaveLength(3);
    expect(await keys("asked")).toEqual(["one/chunk_0004.ply", "one/status.json", "status.json"]);
    expect((await bucket.status("scenes/asked"))?.chunks.map(({ name }) => name)).toEqual(["chunk_0004.ply"]);
    expect(await bucket.broken("asked")).toEqual([]);
  });

  it("a session is shown that began in the moment in which the scene's status.json went", async () => {
    await sessions("begun", ["one"]);
    let begun: Promise<unknown> | undefined;
    bucket.proxy.plan = ({ method, path }) => {
      if (method === "DELETE" && path.includes("begun/status.json"))
        begun ??= bucket.scenes.session("two", CHUNKS, { scene: "begun", isNewest: true });
      return null;
    };
    const persist: BucketWriter["persist"] = async (request) =>
      await bucket.writer.persist(async () => {
        const result = await request();
        if (begun === undefined) return result;
        await begun;
        // As if it had been the first of the two.
        begun = undefined;
        bucket.proxy.plan = () => null;
        await bucket.writer.bucket.remove("scenes/begun/status.json", bucket.writer.signal);
        return result;
      });
    const { reader, writer } = bucket;
    const removal = await planRemoval(reader, { scene: "begun", session: "one" }, "all", writer.signal);
    expect(await removeChunks({ ...writer, persist }, reader, removal, { isForced: false })).toMatchObject({
      sessions: ["one"],
      newest: "two",
    });
    expect(await bucket.status("scenes/begun")).toMatchObject({ session_id: "two" });
    expect(await bucket.broken("begun")).toEqual([]);
  });
});

describe("a scene's status.json that is not understood", () => {
  it.each([
    ["is another version's about another session", { session_id: "two", chunks: "elsewhere" }, true],
    ["says nothing", "?", true],
    ["is about what is gone", { session_id: "one", chunks: "elsewhere" }, false],
  ])("and %s is let be only when it may be about something else", async (_says, status, stays) => {
    await sessions("later", ["one"]);
    const text = JSON.stringify(status);
    await bucket.scenes.put("scenes/later/status.json", text);
    expect(await removeAfter("later", "one", () => Promise.resolve())).toMatchObject({ sessions: ["one"] });
    expect(await keys("later")).toEqual(stays ? ["status.json"] : []);
    if (stays) expect(String(await bucket.r2.get("scenes/later/status.json"))).toBe(text);
  });
});

describe("a session whose status.json is too large to be one", () => {
  it("can be removed", async () => {
    await bucket.scenes.put("scenes/large/one/chunk_0001.ply", "x");
    await bucket.scenes.put("scenes/large/one/status.json", new Uint8Array(MOST_STATUS_BYTES + 1).fill(32));
    expect(await removeAfter("large", "one", () => Promise.resolve())).toMatchObject({ sessions: ["one"] });
    expect(await keys("large")).toEqual([]);
  });
});
