import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { Confirmation } from "../../src/queue/confirmation.ts";
import { deliver, type DeliveryEvent } from "../../src/queue/deliver.ts";
import type { Reconciled } from "../../src/queue/reconcile.ts";
import type { Spool } from "../../src/queue/spool.ts";
import { EXIT_CODES } from "../../src/errors.ts";
import { sleep } from "../../src/time.ts";
import { tempFolder } from "../helpers/pictures.ts";
import { FILE, NEVER, filled, frame, open } from "../helpers/spools.ts";
import { MODAL, plain, scriptedCloud, type ScriptedCloud } from "../helpers/scripted-cloud.ts";

const names = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `f${from + i}`);
const ids = (count: number, from = 0): string[] => names(count, from).map((name) => `id-${name}`);

/** Deliver a spool to a cloud, asked every `pauseMs` at first. */
function run(
  spool: Spool,
  cloud: ScriptedCloud,
  { pauseMs = 40, scene = "main", goneAfterMs = 60_000 } = {},
) {
  const [stop, filledUp] = [new AbortController(), new AbortController()];
  onTestFinished(() => stop.abort());
  const events: DeliveryEvent[] = [];
  const looks: Reconciled[] = [];
  const client = createClient({ url: cloud.url, cloud: true, scene });
  const confirmation = new Confirmation(client, spool, (result) => looks.push(result), {
    pauseMs,
    goneAfterMs,
  });
  const delivering = async () => {
    await confirmation.look(NEVER);
    const onEvent = (event: DeliveryEvent): void => void events.push(event);
    const how = { inFlight: 1, minIntervalMs: 0, giveUpAfterMs: Infinity, drainMs: 1000, random: () => 0.02 };
    return await deliver(
      spool,
      { client, confirmation, filled: filledUp.signal, onEvent, ...how },
      stop.signal,
    );
  };
  return { ended: delivering(), events, looks, stop: () => stop.abort(), fill: () => filledUp.abort() };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

/** Wait until nothing has been asked for some time. */
async function asksNoMore(cloud: ScriptedCloud, quietMs = 300): Promise<void> {
  for (let before = -1; before < cloud.asked.length; await sleep(quietMs)) before = cloud.asked.length;
}

test("a container that is taken away with its last seven frames gets them again, once safe nobody asks", async () => {
  const cloud = await scriptedCloud();
  const scene = cloud.scene();
  const spool = await filled(await tempFolder(), names(20));
  const sending = run(spool, cloud);
  await until(() => scene.frames.length === 20);
  scene.durableThrough = 13;
  await until(() => spool.counts.accepted === 7);
  cloud.preempt({ keep: 13, coldStartMs: 50 });
  await until(() => scene.frames.length === 20);
  expect(scene.uploads).toEqual([...ids(20), ...ids(7, 13)]);
  expect(scene.frames).toEqual(ids(20));
  expect(sending.looks.map(({ change }) => change)).toContain("restarted");
  scene.durableThrough = 20;
  await until(() => spool.counts.accepted === 0);
  // A question may be under way.
  await sleep(100);
  const asked = cloud.asked.length;
  await sleep(500);
  expect(cloud.asked).toHaveLength(asked);
  sending.stop();
  await sending.ended;
});

test("a container that comes back below what it had called safe gets that again too", async () => {
  const cloud = await scriptedCloud();
  const scene = cloud.scene();
  const spool = await filled(await tempFolder(), names(6));
  const sending = run(spool, cloud);
  await until(() => scene.frames.length === 6);
  scene.durableThrough = 6;
  await until(() => spool.counts.accepted === 0);
  cloud.preempt({ keep: 2 });
  // Nothing is asked of an idle cloud: the next frame finds out.
  await spool.put(frame("f6"), FILE, NEVER);
  await until(() => scene.frames.length === 7);
  expect(scene.frames.toSorted()).toEqual(ids(7));
  sending.stop();
  await sending.ended;
});

test("frames that no container holds for good outlive the capture, and go again in the next one", async () => {
  const cloud = await scriptedCloud();
  const scene = cloud.scene();
  const folder = await tempFolder();
  const first = await filled(folder, names(5));
  const sending = run(first, cloud, { pauseMs: 60_000 });
  await until(() => scene.frames.length === 5);
  scene.durableThrough = 2;
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(first.counts).toMatchObject({ waiting: 0, accepted: 3 });
  await first.close();
  cloud.preempt({ keep: 2 });
  const { spool } = await open(folder);
  const again = run(spool, cloud);
  await until(() => scene.frames.length === 5);
  expect(scene.uploads.slice(5)).toEqual(ids(3, 2));
  again.stop();
  await again.ended;
});

test("a finished session is safe only as far as it says", async () => {
  const cloud = await scriptedCloud();
  const scene = cloud.scene();
  const spool = await filled(await tempFolder(), names(3));
  const sending = run(spool, cloud);
  await until(() => scene.frames.length === 3);
  [scene.state, scene.durableThrough] = ["complete", 1];
  await until(() => spool.counts.accepted === 2);
  scene.durableThrough = 3;
  await until(() => spool.counts.accepted === 0);
  sending.stop();
  await sending.ended;
});

test("a session that has failed is not asked on and on", async () => {
  const cloud = await scriptedCloud();
  const scene = cloud.scene();
  scene.state = "failed";
  const spool = await filled(await tempFolder(), names(3));
  const sending = run(spool, cloud);
  await until(() => spool.counts.accepted === 3);
  await asksNoMore(cloud, 1000);
  // Two looks, of two questions each, and at most one question for every frame that was accepted.
  expect(cloud.askedFor("/status").length).toBeLessThanOrEqual(7);
  expect(spool.counts.accepted).toBe(3);
  sending.stop();
  await sending.ended;
});

test("a full spool whose frames become safe only after long gets room again", async () => {
  const cloud = await scriptedCloud();
  const scene = cloud.scene();
  const { spool, warnings } = await open(await tempFolder(), { maxBytes: 1000 });
  for (const name of names(2)) await spool.put(frame(name), FILE, NEVER);
  // Nothing more can be expected of it: nobody asks.
  scene.state = "failed";
  const sending = run(spool, cloud, { pauseMs: 2 });
  await until(() => spool.counts.accepted === 2);
  await asksNoMore(cloud);
  const put = spool.put(frame("large", 900), FILE, NEVER);
  await until(() => warnings.length === 1);
  // No frame waits, and none is accepted any more: only who asks finds out.
  [scene.state, scene.durableThrough] = ["training", 2];
  expect(await put).toBe(true);
  await until(() => scene.frames.length === 3);
  sending.stop();
  await sending.ended;
});

test.each([
  { goneAfterMs: 60_000, isAsked: true },
  { goneAfterMs: 0, isAsked: false },
])("an interrupted capture asks a cloud once more, unless it has gone ($goneAfterMs ms)", async (given) => {
  const cloud = await scriptedCloud();
  const spool = await filled(await tempFolder(), names(3));
  const sending = run(spool, cloud, { pauseMs: 60_000, goneAfterMs: given.goneAfterMs });
  await until(() => spool.counts.accepted === 3);
  await sleep(20);
  const before = cloud.asked.length;
  sending.stop();
  expect(await sending.ended).toBeNull();
  expect(cloud.asked.length > before).toBe(given.isAsked);
  expect(spool.counts.accepted).toBe(3);
});

test("whoever is told to end does not wait for a look of another's", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 120_000 });
  const spool = await filled(await tempFolder(), names(1));
  const client = createClient({ url: cloud.url, cloud: true });
  const confirmation = new Confirmation(client, spool, () => undefined);
  const [first, second] = [new AbortController(), new AbortController()];
  const looks = [first, second].map(({ signal }) => confirmation.look(signal));
  const ended = Promise.allSettled(looks);
  second.abort(new Error("told to end"));
  await expect(looks[1]).rejects.toThrow("told to end");
  first.abort();
  await ended;
  cloud.preempt();
  await confirmation.look(NEVER);
});

test("late bodies, too many requests and a broken edge cost time and no frame", async () => {
  const cloud = await scriptedCloud();
  const path = "/upload-frame";
  for (const reply of [MODAL.late, MODAL.tooMany, MODAL.broken, MODAL.broken, MODAL.late]) {
    cloud.edge.next.push({ path, reply });
  }
  cloud.edge.next.push({ path, reply: plain(429, "slow down", { "retry-after": "1" }) });
  const spool = await filled(await tempFolder(), names(8));
  const sending = run(spool, cloud);
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(cloud.scene().uploads).toEqual(ids(8));
  expect(spool.counts.failed).toBe(0);
});

test("an undeployed backend ends the delivery, and every frame is kept", async () => {
  const cloud = await scriptedCloud();
  const spool = await filled(await tempFolder(), names(4));
  const sending = run(spool, cloud);
  await until(() => cloud.scene().frames.length === 4);
  cloud.edge.isStopped = true;
  await spool.put(frame("late"), FILE, NEVER);
  const ended = await sending.ended;
  expect(ended?.message).toContain("was undeployed");
  expect(ended === null ? null : EXIT_CODES[ended.code]).toBe(4);
  expect(spool.counts).toMatchObject({ waiting: 1, accepted: 4 });
});

test("a scene gets its own frames alone", async () => {
  const cloud = await scriptedCloud({ scenes: ["main", "table"] });
  const spool = await filled(await tempFolder(), names(2));
  const sending = run(spool, cloud, { scene: "table" });
  sending.fill();
  expect(await sending.ended).toBeNull();
  expect(cloud.scene("table").frames).toEqual(ids(2));
  expect(cloud.scene().frames).toEqual([]);
});
