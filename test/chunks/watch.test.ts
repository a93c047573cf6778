import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { watchChunks, type WatchEvent, type WatchSummary } from "../../src/chunks/watch.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { sleep } from "../../src/time.ts";
import { startFaultProxy, type FaultProxy } from "../helpers/fault-proxy.ts";
import { growingSession, QUICK_PACE as PACE } from "../helpers/growing-session.ts";
import { tempFolder } from "../helpers/pictures.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

let r2: LocalR2;
let proxy: FaultProxy;
let folder: string;
/** Each test has a scene of its own. */
let scene = "scene-0";
let scenes = 0;

beforeAll(async () => {
  r2 = await startR2();
});
afterAll(async () => {
  await r2.close();
});
beforeEach(async () => {
  scene = `scene-${++scenes}`;
  folder = await tempFolder();
  proxy = await startFaultProxy(r2.origin);
  onTestFinished(() => proxy.close());
});

interface Watched {
  /** In short: `a/chunk_0001.ply`, `failed a/chunk_0001.ply`, `session a`. */
  readonly said: readonly string[];
  until(text: string): Promise<void>;
  readonly ended: Promise<WatchSummary>;
  abort(): void;
}

function watch(latestOnly = false): Watched {
  const reader = openSignedReader(r2.settings(proxy.url));
  const controller = new AbortController();
  onTestFinished(async () => {
    controller.abort();
    await reader.close();
  });
  const said: string[] = [];
  let isOver = false;
  const options = { scene, session: "latest", folder, latestOnly, pace: PACE };
  const onEvent = (event: WatchEvent): void => void said.push(inShort(event));
  const ended = watchChunks(reader, options, onEvent, controller.signal).finally(() => (isOver = true));
  ended.catch(() => undefined);
  return {
    said,
    ended,
    abort: () => controller.abort(),
    async until(text) {
      while (!said.includes(text)) {
        if (isOver) await ended;
        if (isOver) expect(said).toContain(text);
        await sleep(2);
      }
    },
  };
}

function inShort(event: WatchEvent): string {
  if (event.kind === "session") return `session ${event.session.sessionId}`;
  if (event.kind === "dropped") return `dropped ${event.entry.sessionId}/${event.entry.name}`;
  if (event.kind !== "landed" && event.kind !== "failed") return event.kind;
  const { sessionId, name } = event.result.entry;
  return `${event.kind === "failed" ? "failed " : ""}${sessionId}/${name}`;
}

it("tries what failed again and again, tells of it once, and holds nothing else up", async () => {
  const session = growingSession(r2, "a", scene);
  await session.chunk();
  const second = await session.chunk(undefined, undefined, "elsewhere");
  await session.grow();
  const watched = watch();
  await watched.until("a/chunk_0003.ply");
  const asked = () => proxy.seen.filter(({ path }) => path.includes(second.name)).length;
  const before = asked();
  while (asked() < before + 2) await sleep(2);
  await r2.put(second.key, Buffer.from(`chunk 2 of a`));
  await watched.until("a/chunk_0002.ply");
  await session.publish("complete");
  expect(await watched.ended).toMatchObject({
    sessions: ["a"],
    downloaded: 3,
    already: 0,
    failed: [],
    complete: true,
  });
  expect(watched.said.filter((text) => text === "failed a/chunk_0002.ply")).toHaveLength(1);
  expect(await readFile(join(folder, scene, "a", second.name), "utf8")).toBe("chunk 2 of a");
});

it("says which chunks it does not have when the session is complete", async () => {
  const session = growingSession(r2, "a", scene);
  await session.chunk(undefined, undefined, "elsewhere");
  await session.chunk();
  await session.publish("complete");
  const summary = await watch().ended;
  expect(summary).toMatchObject({ downloaded: 1, complete: true });
  expect(summary.failed.map(({ entry }) => entry.name)).toEqual(["chunk_0001.ply"]);
});

it("waits no longer for a chunk that status.json does not name any more, unless it is named again", async () => {
  const session = growingSession(r2, "a", scene);
  const first = await session.chunk(undefined, undefined, "elsewhere");
  const second = await session.chunk(undefined, undefined, "elsewhere");
  await session.grow();
  const watched = watch();
  await watched.until("failed a/chunk_0002.ply");
  await session.publish("training", undefined, [session.chunks[2]]);
  await watched.until("dropped a/chunk_0002.ply");
  await r2.put(second.key, Buffer.from("another"));
  const renamed = { ...second, bytes: 7, sha256: createHash("sha256").update("another").digest("hex") };
  await session.publish("training", undefined, [renamed, session.chunks[2]]);
  await watched.until("a/chunk_0002.ply");
  await session.publish("complete", undefined, [renamed, session.chunks[2]]);
  expect(await watched.ended).toMatchObject({ downloaded: 2, failed: [], complete: true });
  expect(watched.said).toContain(`dropped a/${first.name}`);
});

it("of a chunk that waits, the newest word counts", async () => {
  const session = growingSession(r2, "a", scene);
  const wrong = await session.chunk(Buffer.from("one"), { sha256: "0".repeat(64) });
  await session.publish();
  const watched = watch();
  await watched.until("failed a/chunk_0001.ply");
  const right = { ...wrong, sha256: createHash("sha256").update("one").digest("hex") };
  await session.publish("complete", undefined, [right]);
  expect(await watched.ended).toMatchObject({ downloaded: 1, failed: [] });
});

it("lands the chunks of a session that failed, and says that it did", async () => {
  const session = growingSession(r2, "a", scene);
  await session.chunk();
  await session.publish("failed");
  const watched = watch();
  expect(await watched.ended).toMatchObject({ downloaded: 1, complete: false, sessionFailed: true });
  expect(watched.said).toEqual(["session a", "stopped", "a/chunk_0001.ply", "failed-session"]);
});

it("keeps trying for a chunk of a session that another took over from", async () => {
  const [old, next] = [growingSession(r2, "old", scene), growingSession(r2, "next", scene)];
  const missing = await old.chunk(undefined, undefined, "elsewhere");
  await old.publish();
  const watched = watch();
  await watched.until("failed old/chunk_0001.ply");
  await next.grow();
  await watched.until("next/chunk_0001.ply");
  await r2.put(missing.key, Buffer.from("chunk 1 of old"));
  await next.publish("complete");
  expect(await watched.ended).toMatchObject({ sessions: ["old", "next"], downloaded: 2, failed: [] });
});

it("tells of what one look found in its order, however fast each of them is", async () => {
  const session = growingSession(r2, "a", scene);
  await session.chunk(Buffer.alloc(2_000_000, 1));
  for (let n = 0; n < 6; n++) await session.chunk();
  await session.publish("complete");
  proxy.plan = ({ path }) =>
    path.includes("chunk_0002") ? { kind: "slow", side: "response", bytesPerS: 60 } : null;
  const watched = watch();
  await watched.ended;
  const names = [1, 2, 3, 4, 5, 6, 7].map((index) => `a/chunk_000${index}.ply`);
  expect(watched.said).toEqual(["session a", ...names, "complete"]);
});

it("with latestOnly leaves out what a newer chunk has overtaken", async () => {
  const session = growingSession(r2, "a", scene);
  await session.chunk();
  await session.grow();
  const watched = watch(true);
  await watched.until("a/chunk_0002.ply");
  await session.chunk();
  await session.grow();
  await watched.until("a/chunk_0004.ply");
  await session.publish("complete");
  expect(await watched.ended).toMatchObject({ downloaded: 2, failed: [] });
  expect(watched.said).toEqual(["session a", "a/chunk_0002.ply", "a/chunk_0004.ply", "complete"]);
});

it("with latestOnly goes back to no older chunk that comes late", async () => {
  const session = growingSession(r2, "a", scene);
  const [first, second] = [await session.chunk(), await session.chunk()];
  await session.publish("training", undefined, [second]);
  const watched = watch(true);
  await watched.until("a/chunk_0002.ply");
  await session.publish("complete", undefined, [first, second]);
  expect(await watched.ended).toMatchObject({ downloaded: 1, complete: true });
});

it("an end before time loses nothing: what landed is told, the rest comes with the next watch", async () => {
  const session = growingSession(r2, "a", scene);
  await session.chunk();
  await session.grow();
  proxy.plan = ({ path }) =>
    path.includes("chunk_0001") ? { kind: "stall", side: "response", atByte: 3 } : null;
  const watched = watch();
  while (!proxy.answers.some(({ path }) => path.includes("chunk_0002"))) await sleep(2);
  watched.abort();
  const summary = await watched.ended;
  expect(summary).toMatchObject({ complete: false, failed: [] });
  proxy.plan = () => null;
  await session.publish("complete");
  const again = await watch().ended;
  expect(again).toMatchObject({
    complete: true,
    downloaded: 2 - summary.downloaded,
    already: summary.downloaded,
  });
});
