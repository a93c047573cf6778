/** The real backend, killed without warning, again and again. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createClient, type Client } from "../../src/api/client.ts";
import type { Status } from "../../src/api/schema.ts";
import { sleep } from "../../src/time.ts";
import { jpeg, temporaryFolder } from "../helpers/backend-fixture.ts";
import { inspect, killAtRandom, startVictim, type Remains, type Victim } from "../helpers/kill-at-random.ts";
import { seededRandom } from "../helpers/random.ts";

const KILLS = 5;
const WITHIN_MS = 1200;

async function serve(data: string): Promise<{ victim: Victim; client: Client }> {
  const flags = [
    "--port",
    "0",
    "--data",
    data,
    "--threads",
    "1",
    "--max-gaussians",
    "300",
    "--max-pixels",
    "800",
  ];
  const victim = startVictim(["serve", ...flags], data);
  onTestFinished(() => victim.kill());
  const [, url] = await victim.saying(/listening on (http:\S+)/);
  return { victim, client: createClient({ url }) };
}

/** What was seen before a kill must still hold after it. */
function expectContinued(now: Status, before: Status | null, remains: Remains): void {
  if (before === null) return;
  expect(now.session_id).toBe(before.session_id);
  expect(now.boot_id).not.toBe(before.boot_id);
  expect(now.version).toBeGreaterThan(before.version);
  expect(now.step).toBeGreaterThanOrEqual(remains.checkpointStep ?? 0);
  expect(now.chunks.slice(0, remains.chunks.length)).toEqual(remains.chunks);
  expect(now.warnings.filter((warning) => warning.includes("aside"))).toEqual([]);
}

it("loses no frame, doubles none and goes on training, whenever it is killed", async () => {
  const data = await temporaryFolder();
  const random = seededRandom(20);
  const answered: string[] = [];
  let sent = 0;
  let before: Status | null = null;
  let remains: Remains = { frames: [], torn: [], checkpointStep: null, chunks: [] };
  for (let kill = 0; kill < KILLS; kill++) {
    const { victim, client } = await serve(data);
    expectContinued(await client.status(), before, remains);
    const listed = (await client.frames()).map(({ frame_id }) => frame_id);
    expect(listed).toHaveLength(remains.frames.length);
    expect(listed).toEqual(expect.arrayContaining(answered));
    if (kill === 0) await client.putScene({ chunk_every: 5 });
    // The first may not come before there is a checkpoint; the others come when they like.
    let killing = kill === 0 ? null : killAtRandom([victim], WITHIN_MS, random);
    // Until it is gone; the frame without an answer is sent again with the same id, as the uploader does.
    for (; ; sent++) {
      const frame = { bytes: await jpeg(sent), mediaType: "image/jpeg", name: "f.jpg" } as const;
      const frame_id = `f${sent}`;
      const meta = { frame_id, joint_angles: [sent / 50, 0, 0, 0, 0, 0] };
      const answer = await client.uploadFrame(frame, meta).catch(() => null);
      if (answer === null) break;
      answered.push(frame_id);
      before = (await client.status().catch(() => null)) ?? before;
      await sleep(20);
      if (killing === null && (await inspect(data)).checkpointStep !== null) {
        killing = killAtRandom([victim], WITHIN_MS, random);
      }
    }
    await killing;
    remains = await inspect(data);
    expect(remains.torn).toEqual([]);
  }
  expect(answered.length).toBeGreaterThanOrEqual(5);
  expect(remains.checkpointStep).not.toBeNull();

  // A stop that was under way is under way again, and comes to its end.
  const stopped = await serve(data);
  expectContinued(await stopped.client.status(), before, remains);
  await stopped.client.putScene({ finish_seconds: 2 });
  const stopping = stopped.client.stop().catch(() => null);
  // Before it is on disk a stop is only asked for: whoever asked has no answer, and asks again.
  const record = join(data, "state/main/session.json");
  while (!(await readFile(record, "utf8")).includes('"phase": "stopped"')) await sleep(5);
  await killAtRandom([stopped.victim], 300, random);
  await stopping;
  const last = await serve(data);
  let status = await last.client.status();
  expect(["finishing", "complete"]).toContain(status.state);
  while (status.state !== "complete") {
    await sleep(50);
    status = await last.client.status();
  }
  const ids = (await last.client.frames()).map(({ frame_id }) => frame_id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining(answered));
  expect(status).toMatchObject({ progress: 1, frame_count: ids.length });
  expect(status.chunks.at(-1)?.last_frame).toBe(ids.length);
  await last.victim.kill();
  expect((await inspect(data)).torn).toEqual([]);

  const { state, step, gaussian_count, psnr_train } = status;
  const finished = await (await serve(data)).client.status();
  expect(finished).toMatchObject({ state, step, gaussian_count, psnr_train });
  expect(psnr_train).not.toBeNull();
}, 60_000);
