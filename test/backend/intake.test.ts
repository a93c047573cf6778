import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it, onTestFinished } from "vitest";
import type { FrameRecord, UploadResponse } from "../../src/api/schema.ts";
import { poseFromJoints } from "../../src/backend/pose.ts";
import { nowS, sleep } from "../../src/time.ts";
import { centerOf } from "../../src/trainer/camera.ts";
import {
  jpeg,
  json,
  openTestBackend,
  poseAt,
  refusalOf,
  type TestBackend,
} from "../helpers/backend-fixture.ts";
import { smallDisk } from "../helpers/small-disk.ts";

async function accepted(response: Response): Promise<UploadResponse> {
  const text = await response.text();
  expect([response.status, text]).toEqual([200, text]);
  return JSON.parse(text) as UploadResponse;
}

async function frames(backend: TestBackend): Promise<FrameRecord[]> {
  return ((await (await backend.send("/frames")).json()) as { frames: FrameRecord[] }).frames;
}

describe("order and identity", () => {
  it("numbers frames from 1 as they are accepted, without gaps for the refused", async () => {
    const backend = await openTestBackend();
    for (const seed of [1, 2])
      await accepted(await backend.upload(await jpeg(seed), { frame_id: `f${seed}` }));
    await backend.upload((await jpeg(3)).subarray(0, 100), { frame_id: "torn" });
    await accepted(await backend.upload(await jpeg(4), { frame_id: "f4" }));
    const records = await frames(backend);
    expect(records.map((r) => [r.frame_id, r.index, r.accepted])).toEqual([
      ["f1", 1, true],
      ["f2", 2, true],
      ["f4", 3, true],
      ["torn", 0, false],
    ]);
    expect(backend.scene.status()).toMatchObject({ frame_count: 3, rejected_count: 1, durable_through: 3 });
  });

  it("counts a frame once, however often and however concurrently it is sent", async () => {
    const backend = await openTestBackend();
    const bytes = await jpeg(1);
    const send = async () => accepted(await backend.upload(bytes, { frame_id: "same" }));
    const answers = [...(await Promise.all([send(), send(), send()])), await send()];
    expect(answers.filter(({ duplicate }) => duplicate)).toHaveLength(3);
    expect(backend.scene.status().frame_count).toBe(1);
    expect(await refusalOf(await backend.upload(await jpeg(2), { frame_id: "same" }))).toMatchObject({
      code: "conflict",
    });
  });

  it("acknowledges a duplicate even after the capture is finished", async () => {
    const backend = await openTestBackend();
    await backend.upload(await jpeg(1), { frame_id: "a" });
    await backend.send("/stop-training", json("POST", { finish_seconds: 0 }));
    expect(await accepted(await backend.upload(await jpeg(1), { frame_id: "a" }))).toMatchObject({
      duplicate: true,
    });
    expect(await refusalOf(await backend.upload(await jpeg(2)))).toMatchObject({
      status: 409,
      code: "stopped",
    });
  });

  it("refuses to mix given poses with the arm's", async () => {
    const backend = await openTestBackend();
    await accepted(await backend.upload(await jpeg(1), { camera_to_world: poseAt(0) }));
    expect(await refusalOf(await backend.upload(await jpeg(2)))).toMatchObject({
      status: 409,
      code: "conflict",
    });
  });
});

describe("back-pressure", () => {
  it("says busy beyond its limits, and takes the same frames later", async () => {
    const backend = await openTestBackend({ ingest: { running: 1, waiting: 2 } });
    const pictures = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(jpeg));
    const send = (seed: number) => backend.upload(pictures[seed], { frame_id: `f${seed}` });
    const answers = await Promise.all(pictures.map((_, i) => send(i)));
    const busy = answers.filter(({ status }) => status === 429);
    expect(answers.every(({ status }) => status === 200 || status === 429)).toBe(true);
    expect(busy.length).toBeGreaterThan(0);
    expect(Number(busy[0].headers.get("retry-after"))).toBeGreaterThan(0);
    expect(backend.scene.status().rejected_count).toBe(0);
    for (let i = 0; i < pictures.length; i++) expect((await send(i)).status).toBe(200);
    expect(backend.scene.status().frame_count).toBe(pictures.length);
  });
});

describe("poses that come late", () => {
  it("make a frame wait for the reading after its shutter", async () => {
    const backend = await openTestBackend();
    const shutterS = nowS();
    await backend.send(
      "/update-joint-angles",
      json("POST", { joint_angles: [0, 0, 0, 0, 0, 0], captured_at: shutterS - 0.1 }),
    );
    const meta = { frame_id: "late", captured_at: shutterS };
    expect(await accepted(await backend.upload(await jpeg(1), meta))).toMatchObject({
      pose_source: "pending",
    });
    await backend.send(
      "/update-joint-angles",
      json("POST", { joint_angles: [0.2, 0, 0, 0, 0, 0], captured_at: shutterS + 0.1 }),
    );
    const [record] = await frames(backend);
    expect(record.pose_source).toBe("interpolated");
    const wanted = poseFromJoints([0.1, 0, 0, 0, 0, 0], backend.scene.session.settings);
    record.camera_to_world?.flat().forEach((value, i) => expect(value).toBeCloseTo(wanted[i], 6));
    await backend.until(() => backend.training.frames.has(1));
  });

  it("are given up after a moment", async () => {
    const backend = await openTestBackend();
    const shutterS = nowS();
    await backend.send(
      "/update-joint-angles",
      json("POST", { joint_angles: [0, 0, 0, 0, 0, 0], captured_at: shutterS - 0.1 }),
    );
    await backend.upload(await jpeg(1), { captured_at: shutterS });
    await backend.until(() => backend.training.frames.has(1));
    expect((await frames(backend))[0].pose_source).toBe("latest");
  });
});

describe("what the trainer is given", () => {
  it("leaves out frames taken while the arm was too fast, and keeps them", async () => {
    const backend = await openTestBackend();
    await backend.send("/scene", json("PUT", { max_joint_speed_deg_s: 30, chunk_every: 2 }));
    const at = (speedRadS: number) => ({
      captured_at: 10,
      joint_samples: [-0.1, 0.1].map((t): [number, number[]] => [10 + t, [t * speedRadS, 0, 0, 0, 0, 0]]),
    });
    await accepted(await backend.upload(await jpeg(1), at(0.2)));
    await accepted(await backend.upload(await jpeg(2), at(2)));
    await backend.until(({ chunks_uploaded }) => chunks_uploaded === 1);
    expect([...backend.training.frames.keys()]).toEqual([1]);
    expect(backend.scene.status()).toMatchObject({ frame_count: 2, durable_through: 2 });
    expect(backend.scene.session.frames.trainableCount).toBe(1);
  });

  it("holds out what the sender or holdout_every says", async () => {
    const backend = await openTestBackend();
    await backend.send("/scene", json("PUT", { holdout_every: 2 }));
    for (const [seed, meta] of [
      [1, {}],
      [2, {}],
      [3, { holdout: true }],
      [4, { holdout: false }],
    ] as const) {
      await accepted(await backend.upload(await jpeg(seed), meta));
    }
    expect([...backend.training.frames.values()].map(({ holdout }) => holdout)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it("moves with the mount, the joint zeros and the clock when those are changed", async () => {
    const backend = await openTestBackend();
    const samples = [9.9, 10.1].map((t): [number, number[]] => [t, [t - 10, 0, 0, 0, 0, 0]]);
    await accepted(await backend.upload(await jpeg(1), { captured_at: 10, joint_samples: samples }));
    const mount = { parent: "gripper_link", translation_m: [0, 0, 0.1], rotation_wxyz: [1, 0, 0, 0] };
    await backend.send(
      "/scene",
      json("PUT", { camera_mount: mount, joint_zero_offsets_rad: [0, 0.1, 0, 0, 0], clock_offset_s: 0.05 }),
    );
    const pose = poseFromJoints([0.05, 0, 0, 0, 0, 0], backend.scene.session.settings);
    const camera = backend.training.frames.get(1)?.camera;
    expect(camera).toBeDefined();
    if (camera !== undefined)
      centerOf(camera).forEach((value, i) => expect(value).toBeCloseTo(pose[i * 4 + 3], 6));
  });
});

describe("a full disk", () => {
  it("refuses the frame, keeps nothing of it, and takes it when there is room again", async (context) => {
    context.skip(!existsSync("/dev/full"), "only Linux has a device that is full");
    const disk = await smallDisk(200_000);
    onTestFinished(() => disk.close());
    const backend = await openTestBackend({ dataDir: join(disk.folder, "data") });
    const folder = join(backend.dataDir, "state/main/frames");
    const raw = { width: 600, height: 400, channels: 3 } as const;
    const large = await sharp(randomBytes(600 * 400 * 3), { raw })
      .png()
      .toBuffer();
    expect(large.length).toBeGreaterThan(200_000);
    const answer = await backend.upload(large, { frame_id: "large" });
    expect(answer.headers.get("retry-after")).not.toBeNull();
    expect(await refusalOf(answer)).toMatchObject({ status: 507, code: "storage_full" });
    expect(await readdir(folder)).toEqual([]);
    expect(backend.scene.status()).toMatchObject({ frame_count: 0, rejected_count: 0, durable_through: 0 });
    // Room for the image, and none for what is known of it.
    await symlink("/dev/full", join(folder, "000001.json.part"));
    expect(await refusalOf(await backend.upload(await jpeg(1), { frame_id: "a" }))).toMatchObject({
      status: 507,
    });
    expect(await readdir(folder)).toEqual([]);
    expect(await accepted(await backend.upload(await jpeg(1), { frame_id: "a" }))).toMatchObject({
      frame_count: 1,
    });
  });
});

it("warns at the fifth frame in a row without any pose, until one has a pose", async () => {
  const backend = await openTestBackend();
  for (let seed = 1; seed <= 5; seed++) {
    expect(backend.scene.status().warnings.join()).not.toContain("no pose");
    await backend.upload(await jpeg(seed));
  }
  expect(backend.scene.status().warnings.join()).toContain("no pose: every frame is placed at the same spot");
  await backend.upload(await jpeg(6), { joint_angles: [0.1, 0, 0, 0, 0, 0] });
  expect(backend.scene.status().warnings.join()).not.toContain("no pose");
  await sleep(0);
});
