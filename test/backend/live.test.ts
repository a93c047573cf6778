import { expect, it } from "vitest";
import { decodeEvents } from "../../src/api/events.ts";
import type { SceneEvent } from "../../src/api/schema.ts";
import { LiveEvents } from "../../src/backend/live.ts";
import { jpeg, json, openTestBackend, type TestBackend } from "../helpers/backend-fixture.ts";

async function idleStatus() {
  return (await openTestBackend()).scene.status();
}

async function listen(backend: TestBackend): Promise<AsyncGenerator<SceneEvent>> {
  const answer = await backend.send("/events");
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  return decodeEvents(answer.body as ReadableStream<Uint8Array>);
}

/** Events until one is as wanted, that one included. */
async function untilEvent(events: AsyncIterable<SceneEvent>, wanted: (event: SceneEvent) => boolean) {
  const seen: SceneEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    if (wanted(event)) return seen;
  }
  return seen;
}

it("tells every reader of frames, snapshots, chunks, warnings and the status", async () => {
  const backend = await openTestBackend();
  await backend.send("/scene", json("PUT", { chunk_every: 2 }));
  const readers = [await listen(backend), await listen(backend)].map((events) =>
    untilEvent(events, ({ event, data }) => event === "status" && data.chunks_uploaded === 1),
  );
  for (const seed of [1, 2]) await backend.upload(await jpeg(seed), { frame_id: `f${seed}` });
  for (const seen of await Promise.all(readers)) {
    expect(seen[0]).toMatchObject({ event: "status", data: { state: "idle" } });
    const names = new Set(seen.map(({ event }) => event));
    expect(names).toEqual(new Set(["status", "frame", "splat", "chunk", "warning"]));
    const frames = seen.flatMap(({ event, data }) => (event === "frame" ? [data.frame_id] : []));
    expect(frames).toEqual(["f1", "f2"]);
  }
});

it("lets a slow reader skip: what waits for it is bounded, the newest is kept", async () => {
  const status = await idleStatus();
  const live = new LiveEvents(() => status);
  const stream = live.stream();
  for (let i = 1; i <= 5000; i++) {
    live.publish({ event: "splat", data: { version: i, gaussian_count: i } });
    live.publish({ event: "warning", data: { message: String(i) } });
  }
  live.close();
  const seen: SceneEvent[] = [];
  for await (const event of decodeEvents(stream)) seen.push(event);
  expect(seen.length).toBeLessThan(300);
  expect(seen.filter(({ event }) => event === "splat").at(-1)?.data).toMatchObject({ version: 5000 });
  expect(seen.at(-1)?.data).toEqual({ message: "5000" });
});

it("sends many changes of the status as one", async () => {
  const status = await idleStatus();
  let asked = 0;
  const live = new LiveEvents(() => {
    asked++;
    return status;
  });
  const events = decodeEvents(live.stream());
  for (let i = 0; i < 100; i++) live.statusChanged();
  await events.next();
  await events.next();
  expect(asked).toBe(2);
  live.close();
});

it("asks nobody for a status while nobody listens", async () => {
  const live = new LiveEvents(() => expect.unreachable());
  live.statusChanged();
  live.close();
});

it("ends a stream when the backend closes, and forgets a reader that left", async () => {
  const backend = await openTestBackend();
  const stayed = untilEvent(await listen(backend), () => false);
  const left = await listen(backend);
  await left.next();
  await left.return(undefined);
  await backend.upload(await jpeg(1));
  await backend.scene.close();
  expect((await stayed).length).toBeGreaterThan(0);
});
