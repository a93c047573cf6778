import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { createClient } from "../../src/api/client.ts";
import {
  uploadFrames,
  type Upload,
  type UploadEvent,
  type UploaderOptions,
} from "../../src/queue/uploader.ts";
import { answer, no } from "../api/answers.ts";
import { nobody } from "../helpers/loopback.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";

const upload = (name: string): Upload => ({
  frame: { name, bytes: Buffer.from(name), mediaType: "image/jpeg" },
  meta: { frame_id: name, captured_at: 1 },
});

/** Upload `names`, recording what happened; `asked` counts what the source was asked for. */
function run(
  url: string,
  names: string[],
  options: Partial<UploaderOptions> = {},
  source?: AsyncIterable<Upload>,
) {
  const events: UploadEvent[] = [];
  const controller = new AbortController();
  const asked = { count: 0 };
  async function* frames(): AsyncGenerator<Upload> {
    for (const name of names) {
      asked.count++;
      yield upload(name);
    }
    if (source !== undefined) yield* source;
  }
  const ended = uploadFrames(
    frames,
    {
      client: createClient({ url }),
      inFlight: 4,
      minIntervalMs: 0,
      giveUpAfterMs: Infinity,
      drainMs: 2000,
      onEvent: (event) => events.push(event),
      random: () => 0.02,
      ...options,
    },
    controller.signal,
  );
  const of = (kind: UploadEvent["kind"]): string[] =>
    events.filter((event) => event.kind === kind).map((event) => event.name);
  return { ended, events, of, asked, stop: () => controller.abort() };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `f${i}`);

/** Holds responses back until released. */
function gate() {
  const held: (() => void)[] = [];
  return {
    held,
    wait: () => new Promise<void>((resolve) => held.push(resolve)),
    until: async (count: number) => {
      while (held.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    release: () => held.splice(0).forEach((resolve) => resolve()),
  };
}

test("every frame arrives with its bytes and meta, and the sender's clock", async () => {
  const backend = await uploadBackend();
  const sent = run(backend.url, names(20));
  expect(await sent.ended).toBeNull();
  expect(sent.of("accepted")).toHaveLength(20);
  const first = backend.accepted.find(({ name }) => name === "f0");
  expect(first?.bytes.toString()).toBe("f0");
  expect(first?.meta).toMatchObject({ frame_id: "f0", captured_at: 1, sent_at: expect.any(Number) });
});

test("as many as allowed are under way, and the source is asked for no more", async () => {
  const { wait, until, held, release } = gate();
  const backend = await uploadBackend(() => wait().then(() => false));
  const sent = run(backend.url, names(10), { inFlight: 3 });
  await until(3);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(held).toHaveLength(3);
  expect(sent.asked.count).toBe(3);
  expect(backend.attempts.map(({ name }) => name).toSorted()).toEqual(["f0", "f1", "f2"]);
  const timer = setInterval(release, 5);
  await sent.ended;
  clearInterval(timer);
  expect(sent.of("accepted")).toHaveLength(10);
});

test("a duplicate is told apart", async () => {
  const backend = await uploadBackend();
  const sent = run(backend.url, ["a", "a"], { inFlight: 1 });
  await sent.ended;
  const who = { sessionId: "session-1", bootId: "boot-1" };
  expect(sent.events).toEqual([
    { ...who, kind: "accepted", name: "a", duplicate: false },
    { ...who, kind: "accepted", name: "a", duplicate: true },
  ]);
});

test("busy, broken connections and outages are waited for; nothing is lost", async () => {
  const trouble: ((response: ServerResponse) => void)[] = [
    (response) => answer(response, 429, no("busy"), { "retry-after": "0" }),
    (response) => response.destroy(),
    (response) => answer(response, 503, no("unavailable"), { "retry-after": "0.01" }),
    (response) => answer(response, 500, no("internal")),
    (response) => response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>"),
    (response) => answer(response, 507, no("storage_full")),
  ];
  const backend = await uploadBackend((_received, response) => {
    const next = trouble.shift();
    next?.(response);
    return next !== undefined;
  });
  const sent = run(backend.url, names(5), { inFlight: 2 });
  expect(await sent.ended).toBeNull();
  expect(sent.of("accepted").toSorted()).toEqual(names(5));
  expect(sent.of("waiting")).toHaveLength(6);
});

test("Retry-After is waited for", async () => {
  let first = true;
  const backend = await uploadBackend((_received, response) => {
    if (!first) return false;
    first = false;
    answer(response, 429, no("busy"), { "retry-after": "0.2" });
    return true;
  });
  const sent = run(backend.url, ["a"], { random: () => 0 });
  await sent.ended;
  expect(sent.events[0]).toMatchObject({ kind: "waiting", waitMs: 200 });
});

test("a frame that the backend will never take is set aside with its reason, the rest goes on", async () => {
  const answers: Record<string, [number, string]> = {
    f1: [422, "bad_image"],
    f2: [415, "unsupported_media"],
    f3: [413, "too_large"],
    f4: [400, "bad_request"],
  };
  const backend = await uploadBackend(({ name }, response) => {
    if (!(name in answers)) return false;
    const [status, code] = answers[name];
    answer(response, status, no(code, "this picture is no good"));
    return true;
  });
  const sent = run(backend.url, names(7));
  expect(await sent.ended).toBeNull();
  expect(sent.of("accepted").toSorted()).toEqual(["f0", "f5", "f6"]);
  expect(sent.of("rejected").toSorted()).toEqual(["f1", "f2", "f3", "f4"]);
  const [reason] = sent.events.flatMap((event) =>
    event.kind === "rejected" && event.name === "f1" ? [event.reason] : [],
  );
  expect(reason).toContain("bad_image");
  expect(reason).toContain("this picture is no good");
  expect(backend.attempts).toHaveLength(7);
});

test("a refusal that holds for every frame ends the run at once, source included", async () => {
  const statuses = [401, 403, 404, 409];
  for (const status of statuses) {
    const backend = await uploadBackend(({ name }, response) => {
      if (name !== "f1") return false;
      answer(response, status, no("x"));
      return true;
    });
    const sent = run(backend.url, names(50), { inFlight: 1 });
    expect((await sent.ended)?.refusal?.status).toBe(status);
    expect(sent.of("unsent")).toContain("f1");
    expect(backend.attempts).toHaveLength(2);
  }
});

test("the source is told to end when the run is over", async () => {
  const backend = await uploadBackend((_received, response) => {
    answer(response, 409, no("stopped"));
    return true;
  });
  let ended = false;
  async function* idle(signal: AbortSignal): AsyncGenerator<Upload> {
    yield upload("a");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended = true;
  }
  const fatal = await uploadFrames(
    idle,
    {
      client: createClient({ url: backend.url }),
      inFlight: 2,
      minIntervalMs: 0,
      giveUpAfterMs: Infinity,
      drainMs: 100,
      onEvent: () => undefined,
    },
    new AbortController().signal,
  );
  expect(fatal?.refusal?.status).toBe(409);
  expect(ended).toBe(true);
});

test("an interrupt takes no new frames and sees through those under way", async () => {
  const { wait, until, release } = gate();
  const backend = await uploadBackend(() => wait().then(() => false));
  const sent = run(backend.url, names(10), { inFlight: 3 });
  await until(3);
  sent.stop();
  release();
  expect(await sent.ended).toBeNull();
  expect(sent.of("accepted")).toHaveLength(3);
  expect(backend.attempts).toHaveLength(3);
});

test("draining does not wait for a dead backend for ever", async () => {
  const sent = run(await nobody(), ["a", "b"], { drainMs: 100 });
  while (sent.of("waiting").length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  sent.stop();
  expect(await sent.ended).toBeNull();
  expect(sent.of("unsent").toSorted()).toEqual(["a", "b"]);
});

test("patience with a backend that never answers ends when told so", async () => {
  const sent = run(await nobody(), names(3), { giveUpAfterMs: 100 });
  expect((await sent.ended)?.code).toBe("unreachable");
  expect(sent.of("unsent")).toHaveLength(3);
});

test("uploads start no faster than the cap", async () => {
  const backend = await uploadBackend();
  const started = Date.now();
  await run(backend.url, names(5), { minIntervalMs: 40 }).ended;
  expect(Date.now() - started).toBeGreaterThanOrEqual(4 * 40 - 5);
});

test("what the source throws comes out after the drain", async () => {
  const backend = await uploadBackend();
  async function* breaks(): AsyncGenerator<Upload> {
    yield upload("last");
    throw new Error("the folder is gone");
  }
  const sent = run(backend.url, ["a"], {}, breaks());
  await expect(sent.ended).rejects.toThrow("the folder is gone");
  expect(sent.of("accepted").toSorted()).toEqual(["a", "last"]);
});
