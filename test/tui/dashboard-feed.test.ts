import { expect, onTestFinished, test, vi } from "vitest";
import type { SceneEvent, Status } from "../../src/api/schema.ts";
import { SplatError } from "../../src/errors.ts";
import { startFeed, type FeedOptions } from "../../src/tui/dashboard-feed.ts";
import { statusOf } from "../helpers/dashboard-views.ts";

const AWAY = new SplatError("unreachable", "no answer");

/** A feed from a backend that answers as `answer` says; `told` is what it told, in order. */
function feedFrom(
  answer: (asked: number) => Status | SplatError,
  {
    isCloud = false,
    events = [],
    ...options
  }: Partial<FeedOptions> & {
    readonly isCloud?: boolean;
    readonly events?: readonly SceneEvent[];
  } = {},
) {
  const told: string[] = [];
  let asked = 0;
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const client = {
    isCloud,
    status: () => {
      const now = answer(++asked);
      return now instanceof SplatError ? Promise.reject(now) : Promise.resolve(now);
    },
    async *events(signal?: AbortSignal) {
      yield* events;
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
    },
  };
  const feed = startFeed(
    client,
    { intervalMs: 1, ...options },
    {
      onStatus: ({ state, step }) => told.push(`${state} ${step}`),
      onEvent: ({ event }) => told.push(event),
      onAway: ({ message }) => told.push(message),
      onAsleep: () => told.push("asleep"),
    },
    stop.signal,
  );
  return { feed, told, stop, asked: () => asked };
}

test("a backend that is away is asked until it answers", async () => {
  const { told, stop, feed } = feedFrom((asked) => (asked < 3 ? AWAY : statusOf({ step: asked })));
  await vi.waitFor(() => expect(told).toContain("training 4"), { timeout: 5000 });
  expect(told.slice(0, 3)).toEqual(["no answer", "no answer", "training 3"]);
  stop.abort();
  await feed.ended;
});

test("events tell, and fewer questions are asked", async () => {
  const events: SceneEvent[] = [
    { event: "status", data: statusOf({ step: 7 }) },
    { event: "warning", data: { message: "dark" } },
  ];
  const { told } = feedFrom(() => statusOf(), { events });
  await vi.waitFor(() => expect(told).toEqual(expect.arrayContaining(["training 7", "warning"])));
});

test("a cloud is asked no more when training is complete, or nothing happens; somebody wakes it", async () => {
  const over = feedFrom(() => statusOf({ state: "complete" }), { isCloud: true });
  await vi.waitFor(() => expect(over.told).toEqual(["complete 34567", "asleep"]), { timeout: 5000 });
  over.feed.wake();
  await vi.waitFor(
    () => expect(over.told).toEqual(["complete 34567", "asleep", "complete 34567", "asleep"]),
    {
      timeout: 5000,
    },
  );
  expect(over.asked()).toBe(2);
  const idle = feedFrom(() => statusOf({ state: "idle" }), { isCloud: true, idleMs: 1 });
  await vi.waitFor(() => expect(idle.told).toEqual(["idle 34567", "asleep"]), { timeout: 5000 });
});

test("where the end is waited for, a cloud without news is asked on", async () => {
  const { told } = feedFrom((asked) => statusOf({ state: asked < 4 ? "training" : "complete" }), {
    isCloud: true,
    idleMs: -1,
    rareMs: 1,
  });
  await vi.waitFor(() => expect(told).toContain("complete 34567"), { timeout: 10_000 });
  expect(told).not.toContain("asleep");
});

test("what does not let us in ends it", async () => {
  const { feed } = feedFrom(() => new SplatError("not_configured", "the token is refused"));
  await expect(feed.ended).rejects.toThrow("the token is refused");
});
