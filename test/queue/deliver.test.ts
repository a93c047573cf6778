import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { Confirmation } from "../../src/queue/confirmation.ts";
import { deliver, type DeliveryEvent, type DeliveryOptions } from "../../src/queue/deliver.ts";
import type { Reconciled } from "../../src/queue/reconcile.ts";
import { answer } from "../api/answers.ts";
import { nobody, serveHttp } from "../helpers/loopback.ts";
import { tempFolder } from "../helpers/pictures.ts";
import { FILE, NEVER, filled, frame, open } from "../helpers/spools.ts";
import { uploadBackend, type UploadBackend } from "../helpers/upload-backend.ts";
import type { Spool } from "../../src/queue/spool.ts";

const names = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `f${from + i}`);
const ids = (backend: UploadBackend): string[] => [...backend.memory.held.keys()];

/** Deliver a spool, first looking at the backend as a capture does; `fill` ends what is put in. */
function run(spool: Spool, url: string, options: Partial<DeliveryOptions> = {}) {
  const stop = new AbortController();
  const filledUp = new AbortController();
  onTestFinished(() => stop.abort());
  const events: DeliveryEvent[] = [];
  const looks: Reconciled[] = [];
  const client = createClient({ url });
  const confirmation = new Confirmation(client, spool, (result) => looks.push(result));
  const delivering = async () => {
    if (options.giveUpAfterMs === undefined) await confirmation.look(NEVER);
    return await deliver(
      spool,
      {
        client,
        confirmation,
        filled: filledUp.signal,
        inFlight: 3,
        minIntervalMs: 0,
        giveUpAfterMs: Infinity,
        drainMs: 1000,
        onEvent: (event) => events.push(event),
        random: () => 0.02,
        ...options,
      },
      stop.signal,
    );
  };
  const accepted = () => events.filter((event) => event.kind === "accepted");
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return {
    ended: delivering(),
    events,
    accepted,
    looks,
    until,
    stop: () => stop.abort(),
    fill: () => filledUp.abort(),
  };
}

test("everything is sent in order and let go", async () => {
  const backend = await uploadBackend();
  const spool = await filled(await tempFolder(), names(20));
  const sending = run(spool, backend.url, { inFlight: 1 });
  await spool.put(frame("later"), FILE, NEVER);
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(backend.attempts.map(({ name }) => name)).toEqual([...names(20), "later"]);
  expect(backend.accepted[3]).toMatchObject({ bytes: Buffer.from("f3..................") });
  expect(spool.counts).toEqual({ waiting: 0, accepted: 0, failed: 0 });
});

test("a backend that forgets frames gets them again, in order, and counts none twice", async () => {
  const backend = await uploadBackend(({ name }) => {
    if (name === "f9") for (const id of ["id-f5", "id-f2"]) backend.memory.held.delete(id);
    return false;
  });
  const spool = await filled(await tempFolder(), names(10));
  const sending = run(spool, backend.url, { inFlight: 1 });
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(ids(backend).toSorted()).toEqual(names(10).map((name) => `id-${name}`));
  expect(backend.attempts.slice(10).map(({ name }) => name)).toEqual(["f2", "f5"]);
  expect(sending.accepted().filter(({ isAgain }) => isAgain)).toHaveLength(2);
});

test("a backend that comes back with an older checkpoint gets what it lost, also what it had called safe", async () => {
  const backend = await uploadBackend(({ name }) => {
    if (name !== "f15") return false;
    // Another process; checkpoint of frame 4.
    for (const id of ids(backend).slice(4)) backend.memory.held.delete(id);
    backend.memory.bootId = "boot-2";
    backend.memory.durableThrough = 4;
    return false;
  });
  const spool = await filled(await tempFolder(), names(10));
  const sending = run(spool, backend.url, { inFlight: 1 });
  await sending.until(() => backend.accepted.length === 10);
  await sending.until(() => spool.counts.accepted === 0); // all held for good
  for (const name of names(10, 10)) await spool.put(frame(name), FILE, NEVER);
  await sending.until(() => spool.counts.waiting === 0 && ids(backend).length === 20);
  backend.memory.durableThrough = null;
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(backend.attempts.slice(16, 27).map(({ name }) => name)).toEqual(names(11, 4));
  expect(sending.looks.map(({ change }) => change)).toContain("restarted");
});

test("a backend that could not restore its session gets everything that is kept", async () => {
  const backend = await uploadBackend(({ name }) => {
    if (name !== "f5") return false;
    backend.memory.held.clear();
    backend.memory.sessionId = "session-2";
    backend.memory.bootId = "boot-2";
    return false;
  });
  const spool = await filled(await tempFolder(), names(8));
  const sending = run(spool, backend.url);
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(ids(backend).toSorted()).toEqual(names(8).map((name) => `id-${name}`));
});

test("after a reset on purpose only what was not sent yet goes into the new session", async () => {
  const backend = await uploadBackend(({ name }) => {
    if (name !== "f5") return false;
    backend.memory.held.clear();
    backend.memory.sessionId = "session-2";
    return false;
  });
  const spool = await filled(await tempFolder(), names(8));
  const sending = run(spool, backend.url, { inFlight: 1 });
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(ids(backend)).toEqual(["id-f5", "id-f6", "id-f7"]);
  expect(sending.looks.find(({ change }) => change === "reset")).toMatchObject({ over: 5, again: 0 });
});

test("a backend that accepts and never has it is told apart from one that restarts", async () => {
  const backend = await uploadBackend();
  backend.memory.held.set = () => backend.memory.held;
  const spool = await filled(await tempFolder(), ["a"]);
  const sending = run(spool, backend.url);
  sending.fill();
  expect(await sending.ended).toMatchObject({
    code: "partial",
    message: expect.stringContaining("lost it each time"),
  });
  expect(spool.counts.waiting).toBe(1);
});

test("several backends behind one address are found out", async () => {
  const backend = await uploadBackend();
  const spool = await filled(await tempFolder(), ["a"]);
  let turn = 0;
  Object.defineProperty(backend.memory, "bootId", { get: () => `boot-${turn++}` });
  await expect(run(spool, backend.url).ended).rejects.toMatchObject({
    code: "partial",
    message: expect.stringContaining("several backends"),
  });
});

test("poison is set aside with its reason, the others are sent", async () => {
  const backend = await uploadBackend(({ name }, response) => {
    if (name !== "f1") return false;
    answer(response, 422, { success: false, session_id: "s", error: { code: "bad_image", message: "cut" } });
    return true;
  });
  const spool = await filled(await tempFolder(), names(3));
  const sending = run(spool, backend.url);
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(spool.counts).toEqual({ waiting: 0, accepted: 0, failed: 1 });
  expect(sending.events).toContainEqual({
    kind: "rejected",
    name: "f1",
    reason: expect.stringContaining("bad_image"),
  });
});

test("answers that make no sense end the run after some attempts, and nothing is lost", async () => {
  const backend = await uploadBackend((_received, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<html>");
    return true;
  });
  const spool = await filled(await tempFolder(), names(2));
  expect(await run(spool, backend.url).ended).toMatchObject({ code: "refused" });
  expect(spool.counts).toEqual({ waiting: 2, accepted: 0, failed: 0 });
});

test("while the backend is away the spool fills; when it is back all of it arrives", async () => {
  let isAway = true;
  const backend = await uploadBackend((_received, response) => {
    if (isAway) response.destroy();
    return isAway;
  });
  const spool = await filled(await tempFolder(), names(5));
  const sending = run(spool, backend.url);
  await sending.until(() => sending.events.some(({ kind }) => kind === "waiting"));
  for (const name of names(20, 5)) await spool.put(frame(name), FILE, NEVER);
  expect(spool.counts.waiting).toBe(25);
  isAway = false;
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(backend.memory.held.size).toBe(25);
});

test("patience ends, an interrupt drains: both leave the rest in the spool", async () => {
  const dir = await tempFolder();
  const spool = await filled(dir, names(5));
  const hopeless = run(spool, await nobody(), { giveUpAfterMs: 50 });
  expect(await hopeless.ended).toMatchObject({ code: "unreachable" });
  expect(spool.counts.waiting).toBe(5);
  const backend = await uploadBackend(async ({ name }) => {
    if (name === "f1") interrupted.stop();
    await new Promise((resolve) => setTimeout(resolve, 30));
    return false;
  });
  const interrupted = run(spool, backend.url, { inFlight: 2 });
  expect(await interrupted.ended).toBeNull();
  expect(backend.memory.held.size).toBe(2);
  expect(spool.counts).toEqual({ waiting: 3, accepted: 0, failed: 0 });
  await spool.close();
  expect((await open(dir)).spool.counts.waiting).toBe(3);
});

test("a backend whose list cannot be had ends the run with its reason", async () => {
  const server = await serveHttp((_request, response) => {
    answer(response, 401, {
      success: false,
      session_id: "s",
      error: { code: "unauthorized", message: "no" },
    });
  });
  onTestFinished(() => server.close());
  const spool = await filled(await tempFolder(), ["a"]);
  const sending = run(spool, server.url, { giveUpAfterMs: Infinity });
  expect(await sending.ended).toMatchObject({ code: "not_configured" });
  expect(spool.counts.waiting).toBe(1);
});
