/** Frames that are placed by the arm's joints, from the request to the trainer and over a restart. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeEvents } from "../../src/api/events.ts";
import type { FrameRecord, UploadResponse } from "../../src/api/schema.ts";
import { nowS } from "../../src/time.ts";
import {
  jpeg,
  json,
  openTestBackend,
  refusalOf,
  temporaryFolder,
  type TestBackend,
} from "../helpers/backend-fixture.ts";

const HOME = [0, 0, 0, 0, 0, 0];

async function joints(backend: TestBackend, captured_at: number, pan = 0): Promise<void> {
  const joint_angles = [pan, 0, 0, 0, 0, 0];
  const answer = await backend.send("/update-joint-angles", json("POST", { joint_angles, captured_at }));
  expect(answer.status).toBe(200);
}

async function upload(backend: TestBackend, seed: number, meta: object): Promise<UploadResponse> {
  const answer = await backend.upload(await jpeg(seed), { frame_id: `f${seed}`, ...meta });
  const body = (await answer.json()) as UploadResponse;
  expect([answer.status, body]).toEqual([200, body]);
  return body;
}

async function frames(backend: TestBackend): Promise<FrameRecord[]> {
  return ((await (await backend.send("/frames")).json()) as { frames: FrameRecord[] }).frames;
}

describe("the age of a frame's joints", () => {
  it("is kept over a restart, and unknown for frames of before it was kept", async () => {
    const dataDir = await temporaryFolder();
    const first = await openTestBackend({ dataDir });
    const t = nowS();
    await joints(first, t - 0.04);
    await joints(first, t + 0.06);
    await upload(first, 1, { captured_at: t });
    await upload(first, 2, { captured_at: t + 7.06 });
    await upload(first, 3, { captured_at: t, joint_angles: HOME });
    const ages = async (backend: TestBackend) => (await frames(backend)).map((frame) => frame.joints_age_s);
    const before = await ages(first);
    expect(before).toEqual([expect.closeTo(0.04, 3), expect.closeTo(7, 3), 0]);
    await first.scene.close();
    const record = join(dataDir, "state/main/frames/000003.json");
    const old = JSON.parse(await readFile(record, "utf8")) as Record<string, unknown>;
    delete old["joints_age_s"];
    await writeFile(record, JSON.stringify(old));
    const second = await openTestBackend({ dataDir });
    expect(await ages(second)).toEqual([...before.slice(0, 2), null]);
    expect(second.scene.status().joints_age_s).not.toBeNull();
  });

  it("stands in the frame's events, and follows the clock offset", async () => {
    const backend = await openTestBackend();
    const answer = await backend.send("/events");
    const events = decodeEvents(answer.body as ReadableStream<Uint8Array>);
    const samples = [9.9, 10.1].map((timeS) => [timeS, HOME]);
    const sent = await upload(backend, 1, { captured_at: 10, joint_samples: samples });
    expect(sent.joints_age_s).toBeCloseTo(0.1, 6);
    for await (const event of events) {
      if (event.event !== "frame") continue;
      expect(event.data.joints_age_s).toBeCloseTo(0.1, 6);
      break;
    }
    await backend.send("/scene", json("PUT", { clock_offset_s: 0.07 }));
    expect((await frames(backend))[0].joints_age_s).toBeCloseTo(0.03, 6);
  });

  it("is that of the joints it ends up with, when it had to wait", async () => {
    const backend = await openTestBackend();
    const t = nowS();
    await joints(backend, t - 0.1);
    const sent = await upload(backend, 1, { captured_at: t });
    expect(sent).toMatchObject({ pose_source: "pending", joints_age_s: expect.closeTo(0.1, 3) as number });
    await joints(backend, t + 0.02);
    const [frame] = await frames(backend);
    expect(frame.pose_source).toBe("interpolated");
    expect(frame.joints_age_s).toBeCloseTo(0.02, 3);
  });
});

it("a sender whose clock keeps local time is matched with itself", async () => {
  const backend = await openTestBackend();
  const t = nowS() + 14 * 3600;
  await joints(backend, t - 0.05);
  await joints(backend, t + 0.05);
  expect(await upload(backend, 1, { captured_at: t })).toMatchObject({ pose_source: "interpolated" });
  expect(backend.scene.status().joints_age_s).toBeLessThan(60);
});

describe("the joint-speed gate", () => {
  it("holds for joints interpolated from updates, those that were awaited included", async () => {
    const backend = await openTestBackend();
    await backend.send("/scene", json("PUT", { max_joint_speed_deg_s: 30 }));
    const t = nowS();
    // 57 °/s, then at rest.
    for (const [timeS, pan] of [
      [-0.2, 0],
      [-0.1, 0.1],
      [0, 0.1],
    ]) {
      await joints(backend, t + timeS, pan);
    }
    await upload(backend, 1, { captured_at: t - 0.15 });
    await upload(backend, 2, { captured_at: t - 0.05 });
    expect(await upload(backend, 3, { captured_at: t + 0.02 })).toMatchObject({ pose_source: "pending" });
    await joints(backend, t + 0.05, 0.3);
    await backend.until(() => backend.training.frames.has(2));
    const sources = (await frames(backend)).map(({ pose_source }) => pose_source);
    expect(sources).toEqual(["interpolated", "interpolated", "interpolated"]);
    expect([...backend.training.frames.keys()]).toEqual([2]);
    expect(backend.scene.session.frames.trainableCount).toBe(1);
  });

  it("lets frames be of which nobody knows how fast the arm was", async () => {
    const backend = await openTestBackend();
    await backend.send("/scene", json("PUT", { max_joint_speed_deg_s: 1 }));
    await upload(backend, 1, { joint_angles: HOME });
    await upload(backend, 2, { captured_at: 10, joint_samples: [[10, HOME]] });
    await joints(backend, nowS() - 20);
    await upload(backend, 3, { captured_at: nowS() });
    expect([...backend.training.frames.keys()]).toEqual([1, 2, 3]);
  });
});

describe("a mask over what moves with the camera", () => {
  const maskOf = (width: number, height: number): Promise<Buffer> =>
    sharp({ create: { width, height, channels: 3, background: "black" } })
      .png()
      .toBuffer();
  const put = (body: Buffer): RequestInit => ({ method: "PUT", body: new Uint8Array(body) });

  it("goes to the trainer for frames placed by joints, before and after it, and stays over a reset", async () => {
    const backend = await openTestBackend();
    await upload(backend, 1, { joint_angles: HOME });
    expect((await backend.send("/scene/mask", put(await maskOf(8, 6)))).status).toBe(200);
    await upload(backend, 2, { joint_angles: HOME });
    expect(backend.training.mask).toMatchObject({ width: 8, height: 6 });
    expect(Math.max(...(backend.training.mask?.values ?? [1]))).toBe(0);
    const first = backend.training;
    await backend.send("/reset", { method: "POST" });
    expect(backend.training).not.toBe(first);
    expect(backend.training.mask).toMatchObject({ width: 8, height: 6 });
    await backend.send("/scene/mask", { method: "DELETE" });
    expect(backend.training.mask).toBeNull();
  });

  it("must have the camera's aspect", async () => {
    const backend = await openTestBackend();
    const camera = { model: "PINHOLE", w: 32, h: 24, fl_x: 30, fl_y: 30, cx: 16, cy: 12 };
    await backend.send("/scene", json("PUT", { camera }));
    const refused = await backend.send("/scene/mask", put(await maskOf(16, 16)));
    expect(await refusalOf(refused)).toMatchObject({ status: 400, code: "bad_request" });
    expect(backend.training.mask).toBeNull();
  });
});

describe("joint updates that are not as they should be", () => {
  it("in degrees are refused with a hint, five or seven with the joints' names", async () => {
    const backend = await openTestBackend();
    const update = async (joint_angles: unknown, captured_at?: number) => {
      const answer = await backend.send("/update-joint-angles", json("POST", { joint_angles, captured_at }));
      expect(answer.status).toBe(400);
      return ((await answer.json()) as { error: { message: string; hint?: string } }).error;
    };
    expect((await update([0, -90, 90, 0, 0, 50])).hint).toBe("Angles are in radians: are these degrees?");
    // Also where other things are wrong with it.
    expect((await update([null, null, null, "0", 90, 0])).hint).toMatch(/degrees/);
    for (const count of [5, 7]) {
      expect((await update(Array(count).fill(0))).message).toMatch(/six angles wanted: pan, lift/);
    }
    expect((await update(HOME, Date.now())).hint).toBe("It is in Unix seconds, not ms.");
    expect(backend.scene.status().joints_age_s).toBeNull();
  });

  it("a flood of them delays no frame and grows nothing", async () => {
    const backend = await openTestBackend();
    const t = nowS();
    const pictures = await Promise.all([1, 2, 3, 4, 5, 6].map(jpeg));
    const sent: Promise<Response>[] = [];
    for (let i = 0; i < 3000; i++) {
      const update = { joint_angles: HOME, captured_at: t - 3 + i / 1000 };
      sent.push(backend.send("/update-joint-angles", json("POST", update)));
      if (i % 500 === 0) {
        const meta = { frame_id: `f${i}`, captured_at: t - 2 };
        sent.push(backend.upload(pictures[i / 500], meta));
      }
    }
    const codes = (await Promise.all(sent)).map(({ status }) => status);
    expect(new Set(codes)).toEqual(new Set([200]));
    expect(backend.scene.status()).toMatchObject({ frame_count: 6, joint_angles: HOME });
    expect(backend.scene.session.intake.joints.size).toBe(3000);
    // The same again, dated as before: nothing is kept twice.
    for (let i = 0; i < 3000; i++) backend.scene.session.updateJoints(HOME, t - 3 + i / 1000);
    expect(backend.scene.session.intake.joints.size).toBeLessThanOrEqual(3000);
    expect(await upload(backend, 9, { captured_at: t - 1 })).toMatchObject({ pose_source: "interpolated" });
  });
});
