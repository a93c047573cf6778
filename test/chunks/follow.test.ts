import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { followSession, type FollowEvent } from "../../src/chunks/follow.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { sleep } from "../../src/time.ts";
import { scriptedFaults, startFaultProxy, type Fault, type FaultProxy } from "../helpers/fault-proxy.ts";
import { growingSession, QUICK_PACE as PACE } from "../helpers/growing-session.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

let r2: LocalR2;
let proxy: FaultProxy;
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
  proxy = await startFaultProxy(r2.origin);
  onTestFinished(() => proxy.close());
});

interface Followed {
  /** In short: `session a`, `chunk_0001.ply`, `trouble`. */
  readonly said: readonly string[];
  readonly events: readonly FollowEvent[];
  /** Until it has said this. Throws when it ends without. */
  until(text: string): Promise<void>;
  /** Rejects with what it threw. */
  readonly ended: Promise<void>;
  abort(reason: Error): void;
}

interface How {
  readonly wait?: boolean;
  readonly idleTimeoutMs?: number;
  readonly patienceMs?: number;
}

function follow(session = "latest", { wait, idleTimeoutMs, ...pace }: How = {}): Followed {
  const reader = openSignedReader(r2.settings(proxy.url), { idleTimeoutMs });
  const question = { scene, session, wait, pace: { ...PACE, ...pace } };
  const controller = new AbortController();
  onTestFinished(async () => {
    controller.abort(new Error("the test is over"));
    await reader.close();
  });
  const events: FollowEvent[] = [];
  const said: string[] = [];
  let isOver = false;
  const ended = (async () => {
    for await (const event of followSession(reader, question, controller.signal)) {
      events.push(event);
      if (event.kind !== "looked" && event.kind !== "status") said.push(inShort(event));
    }
  })().finally(() => (isOver = true));
  ended.catch(() => undefined);
  return {
    said,
    events,
    ended,
    abort: (reason) => controller.abort(reason),
    async until(text) {
      while (!said.includes(text)) {
        if (isOver) await ended;
        if (isOver) expect(said).toContain(text);
        await sleep(2);
      }
    },
  };
}

function inShort(event: FollowEvent): string {
  switch (event.kind) {
    case "session":
      return `session ${event.session.sessionId}${event.previous === null ? "" : ` after ${event.previous}`}`;
    case "chunk":
      return `${event.entry.sessionId} ${event.entry.name}`;
    case "complete":
      return `complete ${event.session.sessionId}`;
    case "skipped":
    case "stopped":
    case "resumed":
    case "failed-session":
      return `${event.kind} ${event.session.sessionId}`;
    case "lingering":
      return `lingering ${event.sessionIds.join()}`;
    default:
      return event.kind;
  }
}

/** Whether it comes to that depends on how long the takeover took. */
function withoutLingering({ said }: Followed): string[] {
  return said.filter((text) => !text.startsWith("lingering"));
}

/** Until the bucket was asked so many times more. */
async function untilAsked(times: number): Promise<void> {
  const before = proxy.seen.length;
  while (proxy.seen.length < before + times) await sleep(2);
}

it("tells of each chunk once, in order, and ends when the session is complete", async () => {
  const session = growingSession(r2, "a", scene);
  await session.chunk();
  await session.grow();
  const followed = follow();
  await followed.until("a chunk_0002.ply");
  const third = await session.grow();
  await followed.until("a chunk_0003.ply");
  await session.chunk();
  await session.publish("complete");
  await followed.ended;
  const names = [1, 2, 3, 4].map((index) => `a chunk_000${index}.ply`);
  expect(followed.said).toEqual(["session a", ...names, "complete a"]);
  const chunk = followed.events.find((event) => event.kind === "chunk" && event.entry.index === 3);
  expect(chunk).toMatchObject({
    entry: { key: third.key, sizeBytes: third.bytes, sha256: third.sha256, lastFrame: 150, scene },
  });
});

it("asks for status.json alone, and reads it only when it is another", async () => {
  const session = growingSession(r2, "a", scene);
  await session.grow();
  const followed = follow();
  await followed.until("a chunk_0001.ply");
  await untilAsked(4);
  await session.grow();
  await followed.until("a chunk_0002.ply");
  await session.publish("complete");
  await followed.ended;
  expect(new Set(proxy.seen.map(({ method, path }) => `${method} ${path.split("?")[0]}`)).size).toBe(1);
  const statuses = proxy.answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(3);
  expect(statuses.filter((status) => status === 304).length).toBeGreaterThanOrEqual(3);
});

it("waits for a session that is not there yet, and says so once", async () => {
  const followed = follow();
  await untilAsked(3);
  expect(followed.said).toEqual(["waiting"]);
  const session = growingSession(r2, "a", scene);
  await session.grow();
  await followed.until("a chunk_0001.ply");
  await session.publish("complete");
  await followed.ended;
  expect(followed.said).toEqual(["waiting", "session a", "a chunk_0001.ply", "complete a"]);
});

it("goes on with a session that takes the scene over, and leaves no chunk of the one before", async () => {
  const [old, next] = [growingSession(r2, "old", scene), growingSession(r2, "next", scene)];
  await old.grow();
  const followed = follow();
  await followed.until("old chunk_0001.ply");
  await old.chunk();
  await old.publish("training", "own");
  await next.grow();
  await followed.until("next chunk_0001.ply");
  await next.publish("complete");
  await followed.ended;
  expect(withoutLingering(followed)).toEqual([
    "session old",
    "old chunk_0001.ply",
    "old chunk_0002.ply",
    "session next after old",
    "next chunk_0001.ply",
    "complete next",
  ]);
});

it("brings the chunks of the session before that come after the takeover, the next one's end included", async () => {
  const [old, next] = [growingSession(r2, "old", scene), growingSession(r2, "next", scene)];
  await old.grow();
  const followed = follow("latest", { patienceMs: 60_000 });
  await followed.until("old chunk_0001.ply");
  await next.grow();
  await followed.until("next chunk_0001.ply");
  await old.chunk();
  await old.publish("training", "own");
  await followed.until("old chunk_0002.ply");
  await next.publish("complete");
  await followed.until("lingering old");
  await old.chunk();
  await old.publish("complete", "own");
  await followed.ended;
  expect(followed.said.slice(2)).toEqual([
    "session next after old",
    "next chunk_0001.ply",
    "old chunk_0002.ply",
    "lingering old",
    "old chunk_0003.ply",
    "complete next",
  ]);
});

it("waits for no session before that is gone", async () => {
  const [old, next] = [growingSession(r2, "old", scene), growingSession(r2, "next", scene)];
  await old.grow();
  const followed = follow("latest", { patienceMs: 60_000 });
  await followed.until("old chunk_0001.ply");
  await r2.remove(`scenes/${scene}/old/status.json`);
  await next.publish("complete");
  await followed.ended;
  expect(followed.said.slice(2)).toEqual(["session next after old", "complete next"]);
});

it.each([
  ["damaged", null],
  ["not readable", { kind: "answer", status: 503 }],
  ["denied", { kind: "answer", status: 403, body: "<Error><Code>AccessDenied</Code></Error>" }],
] as const)("is not held up by a status.json of the session before that is %s", async (_, fault) => {
  const [old, next] = [growingSession(r2, "old", scene), growingSession(r2, "next", scene)];
  await old.grow();
  const followed = follow();
  await followed.until("old chunk_0001.ply");
  await r2.put(`scenes/${scene}/old/status.json`, Buffer.from("{"));
  proxy.plan = ({ path }) => (path.includes("/old/") ? fault : null);
  await next.grow();
  await followed.until("next chunk_0001.ply");
  await next.publish("complete");
  await followed.ended;
  expect(withoutLingering(followed).slice(2)).toEqual([
    "session next after old",
    "next chunk_0001.ply",
    "complete next",
  ]);
});

it("tells once that a session failed, and ends when it does not go on", async () => {
  const session = growingSession(r2, "a", scene);
  await session.grow();
  const followed = follow();
  await followed.until("a chunk_0001.ply");
  await session.publish("failed");
  await followed.ended;
  expect(followed.said.slice(2)).toEqual(["stopped a", "failed-session a"]);
});

it("goes on with a session that failed and was taken up again", async () => {
  const session = growingSession(r2, "a", scene);
  await session.publish("failed");
  const followed = follow("latest", { patienceMs: 60_000 });
  await followed.until("stopped a");
  await session.grow();
  await followed.until("resumed a");
  await session.publish("complete");
  await followed.ended;
  expect(followed.said).toEqual(["session a", "stopped a", "a chunk_0001.ply", "resumed a", "complete a"]);
});

it.each(["complete", "failed"] as const)(
  "with wait leaves a session that was %s before the first look, and no later one",
  async (state) => {
    const [old, next] = [growingSession(r2, "old", scene), growingSession(r2, "next", scene)];
    await old.chunk();
    await old.publish(state);
    const followed = follow("latest", { wait: true });
    await followed.until("skipped old");
    const before = proxy.seen.length;
    await old.publish(state);
    while (proxy.seen.length < before + 3) await sleep(2);
    await next.chunk();
    await next.publish("complete");
    await followed.ended;
    expect(followed.said).toEqual(["skipped old", "session next", "next chunk_0001.ply", "complete next"]);
  },
);

it("with wait follows a session that goes on, and one that comes complete", async () => {
  const session = growingSession(r2, "a", scene);
  await session.grow();
  const followed = follow("latest", { wait: true });
  await followed.until("a chunk_0001.ply");
  await session.publish("complete");
  await followed.ended;
  scene = `${scene}-b`;
  const other = follow("latest", { wait: true });
  await other.until("waiting");
  await growingSession(r2, "b", scene).publish("complete");
  await other.ended;
  expect(other.said).toEqual(["waiting", "session b", "complete b"]);
});

it("refuses wait beside a session's id", async () => {
  await expect(follow("a", { wait: true }).ended).rejects.toMatchObject({ code: "usage" });
});

it("stays with the session that was named", async () => {
  const [named, other] = [growingSession(r2, "named", scene), growingSession(r2, "other", scene)];
  await named.grow();
  await other.grow();
  const followed = follow("named");
  await followed.until("named chunk_0001.ply");
  await other.publish("complete");
  await untilAsked(3);
  await named.publish("complete");
  await followed.ended;
  expect(followed.said).toEqual(["session named", "named chunk_0001.ply", "complete named"]);
});

const TROUBLES: readonly (readonly [string, Fault])[] = [
  ["429", { kind: "answer", status: 429, retryAfterS: 0 }],
  ["503", { kind: "answer", status: 503 }],
  ["a refused connection", { kind: "refuse" }],
  ["a cut answer", { kind: "reset", side: "response", atByte: 100 }],
  ["an answer that ends too soon", { kind: "truncate", atByte: 100 }],
  ["a damaged answer", { kind: "corrupt", side: "response", atByte: 20 }],
];

it.each(TROUBLES)("waits out %s, and tells of it once when it lasts", async (_, fault) => {
  const session = growingSession(r2, "a", scene);
  await session.grow();
  const followed = follow();
  await followed.until("a chunk_0001.ply");
  proxy.plan = () => fault;
  await session.grow();
  await followed.until("trouble");
  await untilAsked(3);
  proxy.plan = () => null;
  await followed.until("a chunk_0002.ply");
  await session.publish("complete");
  await followed.ended;
  expect(followed.said.slice(2)).toEqual(["trouble", "over", "a chunk_0002.ply", "complete a"]);
});

it("waits out an answer that stalls", async () => {
  const session = growingSession(r2, "a", scene);
  await session.grow();
  const followed = follow("latest", { idleTimeoutMs: 300 });
  await followed.until("a chunk_0001.ply");
  proxy.plan = () => ({ kind: "stall", side: "response", atByte: 10 });
  await session.grow();
  await followed.until("trouble");
  proxy.plan = () => null;
  await followed.until("a chunk_0002.ply");
  expect(followed.said).toContain("over");
});

it("says nothing of what fails once", async () => {
  const session = growingSession(r2, "a", scene);
  await session.grow();
  const followed = follow();
  await followed.until("a chunk_0001.ply");
  for (const fault of [503, 429, 500, 503].map((status) => ({ kind: "answer", status }) as const)) {
    proxy.plan = scriptedFaults(fault, null);
    await untilAsked(3);
  }
  await session.publish("complete");
  await followed.ended;
  expect(followed.said.slice(2)).toEqual(["complete a"]);
});

const DENIED: Fault = { kind: "answer", status: 403, body: "<Error><Code>AccessDenied</Code></Error>" };

it("ends at once when it may not read", async () => {
  proxy.plan = () => DENIED;
  const followed = follow();
  await expect(followed.ended).rejects.toMatchObject({
    code: "not_configured",
    message: expect.stringContaining("AccessDenied"),
  });
  expect(followed.said).toEqual([]);
  expect(proxy.seen).toHaveLength(1);
});

it("tells of a token that ends on the way, and ends when it stays so", async () => {
  await growingSession(r2, "a", scene).grow();
  const followed = follow();
  await followed.until("a chunk_0001.ply");
  proxy.plan = () => DENIED;
  await expect(followed.ended).rejects.toMatchObject({ code: "not_configured" });
  expect(followed.said.slice(2)).toEqual(["trouble"]);
});

it("believes no status.json that is damaged, and reads the next one", async () => {
  const session = growingSession(r2, "a", scene);
  await session.grow();
  const followed = follow();
  await followed.until("a chunk_0001.ply");
  for (const text of [
    "",
    "{",
    "[]",
    JSON.stringify({ session_id: "b" }),
    JSON.stringify({
      session_id: "..",
      updated_at: 1,
      state: "complete",
      frame_count: 0,
      gaussian_count: 0,
      complete: true,
      chunks: [],
    }),
    JSON.stringify({
      session_id: "\u001b[2J",
      updated_at: 1,
      state: "complete",
      frame_count: 0,
      gaussian_count: 0,
      complete: true,
      chunks: [],
    }),
  ]) {
    await r2.put(`scenes/${scene}/status.json`, Buffer.from(text));
    await untilAsked(2);
  }
  await session.grow();
  await followed.until("a chunk_0002.ply");
  expect(followed.said.slice(2)).toEqual(["trouble", "over", "a chunk_0002.ply"]);
});

it("follows no status.json that names what is not its session's", async () => {
  const followed = follow();
  await followed.until("waiting");
  const session = growingSession(r2, "a", scene);
  await session.chunk(Buffer.from("x"), { key: `scenes/${scene}/b/chunk_0001.ply` });
  await session.publish();
  await followed.until("trouble");
  await untilAsked(2);
  expect(followed.said).toEqual(["waiting", "trouble"]);
});

it.each(["a/b", "", "..", "a\nb"])("refuses %j as a session", async (session) => {
  const followed = follow(session);
  await expect(followed.ended).rejects.toMatchObject({ code: "usage" });
  expect(proxy.seen).toEqual([]);
});

it("ends with the signal's own reason, at once", async () => {
  await growingSession(r2, "a", scene).grow();
  const followed = follow();
  await followed.until("a chunk_0001.ply");
  const reason = new Error("enough");
  followed.abort(reason);
  await expect(followed.ended).rejects.toBe(reason);
});
