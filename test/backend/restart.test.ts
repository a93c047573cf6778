import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { FrameRecord } from "../../src/api/schema.ts";
import { decodeCheckpoint } from "../../src/backend/checkpoint.ts";
import {
  jpeg,
  json,
  openTestBackend,
  refusalOf,
  temporaryFolder,
  type TestBackend,
} from "../helpers/backend-fixture.ts";

async function withFrames(dataDir: string, count: number): Promise<TestBackend> {
  const backend = await openTestBackend({ dataDir });
  for (let seed = 1; seed <= count; seed++) {
    await backend.upload(await jpeg(seed), {
      frame_id: `f${seed}`,
      joint_angles: [seed / 10, 0, 0, 0, 0, 0],
    });
  }
  await backend.until(({ gaussian_count }) => gaussian_count > 0);
  return backend;
}

async function frames(backend: TestBackend): Promise<FrameRecord[]> {
  return ((await (await backend.send("/frames")).json()) as { frames: FrameRecord[] }).frames;
}

it("goes on where it stood: session, settings, mask, frames, Gaussians, version", async () => {
  const dataDir = await temporaryFolder();
  const first = await withFrames(dataDir, 3);
  await first.send("/scene", json("PUT", { max_gaussians: 777, finish_seconds: 3 }));
  const mask = await sharp({ create: { width: 8, height: 6, channels: 3, background: "white" } })
    .png()
    .toBuffer();
  await first.send("/scene/mask", { method: "PUT", body: mask });
  await first.send("/update-joint-angles", json("POST", { joint_angles: [0.5, 0, 0, 0, 0, 0.1] }));
  const before = first.scene.status();
  const framesBefore = await frames(first);
  await first.scene.close();

  const second = await openTestBackend({ dataDir });
  const after = second.scene.status();
  expect(after.session_id).toBe(before.session_id);
  expect(after.boot_id).not.toBe(before.boot_id);
  expect(after).toMatchObject({ frame_count: 3, durable_through: 3, gaussian_count: before.gaussian_count });
  expect(after.version).toBeGreaterThan(before.version);
  expect(after.step).toBeGreaterThanOrEqual(before.step);
  expect(after.joint_angles).toEqual([0.5, 0, 0, 0, 0, 0.1]);
  expect(second.scene.session.settings).toMatchObject({ max_gaussians: 777, finish_seconds: 3 });
  expect(second.training.mask?.values).toHaveLength(48);
  await second.until(() => second.training.restored !== null);
  expect(second.training.frames.size).toBe(3);
  expect(second.training.restored?.step).toBe(after.step);
  expect(second.training.settings.live).toBe(true);
  const strip = (list: FrameRecord[]) => list.map(({ psnr: _psnr, ...record }) => record);
  expect(strip(await frames(second))).toEqual(strip(framesBefore));
  expect(await (await second.upload(await jpeg(2), { frame_id: "f2" })).json()).toMatchObject({
    duplicate: true,
  });
  expect(await (await second.upload(await jpeg(9), { frame_id: "f9" })).json()).toMatchObject({
    frame_count: 4,
  });
});

it("finishes after a restart what was being finished, and stays finished after another", async () => {
  const dataDir = await temporaryFolder();
  const first = await withFrames(dataDir, 2);
  first.training.paused = true;
  void first.scene.session.stop(0.05);
  await first.until(({ state }) => state === "finishing");
  await first.scene.close();
  const second = await openTestBackend({ dataDir });
  const done = await second.until(({ state }) => state === "complete");
  expect(done).toMatchObject({ progress: 1, chunks_uploaded: 1, frame_count: 2 });
  await second.scene.close();
  const third = await openTestBackend({ dataDir });
  expect(third.scene.status()).toMatchObject({ state: "complete", progress: 1, chunks: done.chunks });
  expect(third.scene.status().gaussian_count).toBe(done.gaussian_count);
  expect(await refusalOf(await third.upload(await jpeg(5)))).toMatchObject({ code: "stopped" });
});

it("sets a damaged frame aside, says so and goes on with the others", async () => {
  const dataDir = await temporaryFolder();
  await (await withFrames(dataDir, 3)).scene.close();
  const folder = join(dataDir, "state/main/frames");
  await writeFile(join(folder, "000001.json"), "{");
  await writeFile(join(folder, "000002.jpg"), "rotten");
  const second = await openTestBackend({ dataDir });
  await second.until(() => second.training.frames.has(3) && second.scene.status().frame_count === 1);
  expect((await frames(second)).map(({ frame_id }) => frame_id)).toEqual(["f3"]);
  expect((await readdir(folder)).filter((name) => name.endsWith(".damaged")).sort()).toEqual([
    "000001.jpg.damaged",
    "000001.json.damaged",
    "000002.jpg.damaged",
    "000002.json.damaged",
  ]);
  expect(second.scene.status().warnings.filter((warning) => warning.includes("set aside"))).toHaveLength(2);
  expect(await (await second.upload(await jpeg(2), { frame_id: "f2" })).json()).toMatchObject({
    duplicate: false,
  });
  expect((await frames(second)).map(({ index }) => index)).toEqual([3, 4]);
});

it("places frames by the settings in force, changed after they were recorded", async () => {
  const dataDir = await temporaryFolder();
  const first = await withFrames(dataDir, 2);
  await first.send("/scene", json("PUT", { joint_zero_offsets_rad: [0.2, 0, 0, 0, 0] }));
  const before = await frames(first);
  await first.scene.close();
  const second = await openTestBackend({ dataDir });
  const poses = (list: FrameRecord[]) => list.map(({ camera_to_world }) => camera_to_world);
  expect(poses(await frames(second))).toEqual(poses(before));
});

it("removes what was half written of a frame that was never accepted", async () => {
  const dataDir = await temporaryFolder();
  await (await withFrames(dataDir, 3)).scene.close();
  const folder = join(dataDir, "state/main/frames");
  await writeFile(join(folder, "000004.jpg"), await jpeg(4));
  await writeFile(join(folder, "000005.json.part"), "{");
  await rm(join(folder, "000002.jpg"));
  const second = await openTestBackend({ dataDir });
  expect(second.scene.status()).toMatchObject({ frame_count: 2, durable_through: 3 });
  expect(second.scene.status().warnings.join()).toContain("its image is missing");
  expect((await readdir(folder)).sort()).toEqual([
    "000001.jpg",
    "000001.json",
    "000002.json.damaged",
    "000003.jpg",
    "000003.json",
  ]);
  await second.upload(await jpeg(4), { frame_id: "f4" });
  expect((await frames(second)).map(({ frame_id, index }) => [frame_id, index])).toEqual([
    ["f1", 1],
    ["f3", 3],
    ["f4", 4],
  ]);
});

it("takes what a damaged session record said from the newest checkpoint", async () => {
  const dataDir = await temporaryFolder();
  const first = await withFrames(dataDir, 2);
  await first.send("/scene", json("PUT", { max_gaussians: 777 }));
  const { session_id } = first.scene.status();
  await first.scene.close();
  await writeFile(join(dataDir, "state/main/session.json"), "{}");
  const second = await openTestBackend({ dataDir });
  expect(second.scene.status()).toMatchObject({ frame_count: 2, session_id });
  expect(second.scene.session.settings.max_gaussians).toBe(777);
  expect(second.scene.status().warnings.join()).toContain("session.json");
});

it("begins a new session when nothing tells of the old one, and keeps its folder", async () => {
  const dataDir = await temporaryFolder();
  const first = await withFrames(dataDir, 1);
  const { session_id } = first.scene.status();
  await first.scene.close();
  await writeFile(join(dataDir, "state/main/session.json"), "{}");
  await rm(join(dataDir, "state/main/checkpoints"), { recursive: true });
  const second = await openTestBackend({ dataDir });
  expect(second.scene.status()).toMatchObject({ frame_count: 0, state: "idle" });
  expect(second.scene.status().session_id).not.toBe(session_id);
  expect(await readdir(join(dataDir, "state/main.damaged/frames"))).toContain("000001.jpg");
});

describe("checkpoints that cannot be used", () => {
  /** Stop twice, so that there are two; the newer one has more steps. */
  async function withTwo(): Promise<{ dataDir: string; folder: string; names: string[]; steps: number[] }> {
    const dataDir = await temporaryFolder();
    const first = await withFrames(dataDir, 1);
    await first.scene.close();
    const second = await openTestBackend({ dataDir });
    await second.until(({ step }) => step > first.training.step);
    await second.scene.close();
    const folder = join(dataDir, "state/main/checkpoints");
    const names = (await readdir(folder)).sort();
    const steps = await Promise.all(
      names.map(async (name) => decodeCheckpoint(await readFile(join(folder, name))).trainer.step),
    );
    expect(steps[1]).toBeGreaterThan(steps[0]);
    return { dataDir, folder, names, steps };
  }

  it("falls back on the one before, and says so", async () => {
    const { dataDir, folder, names, steps } = await withTwo();
    await truncate(join(folder, names[1]), 100);
    const third = await openTestBackend({ dataDir });
    await third.until(() => third.training.restored !== null);
    expect(third.training.restored?.step).toBe(steps[0]);
    expect(third.scene.status().warnings.join()).toContain(`${names[1]}.damaged`);
    expect(third.scene.status().gaussian_count).toBeGreaterThan(0);
    expect((await readdir(folder)).sort()).toEqual([names[0], `${names[1]}.damaged`]);
  });

  it("leaves one of a newer release to that release", async () => {
    const { dataDir, folder, names, steps } = await withTwo();
    const bytes = await readFile(join(folder, names[1]));
    bytes.writeUInt32LE(99, 8);
    await writeFile(join(folder, names[1]), bytes);
    const third = await openTestBackend({ dataDir });
    await third.until(() => third.training.restored !== null);
    expect(third.training.restored?.step).toBe(steps[0]);
    expect(third.scene.status().warnings.join()).toMatch(/newer splatctl.*\.newer/);
    expect(await readFile(join(folder, `${names[1]}.newer`))).toEqual(bytes);
  });

  it("trains anew from the frames when none is left, and says that too", async () => {
    const { dataDir, folder, names } = await withTwo();
    for (const name of names) await writeFile(join(folder, name), "rotten");
    const third = await openTestBackend({ dataDir });
    await third.until(({ gaussian_count }) => gaussian_count > 0);
    expect(third.training.restored).toBeNull();
    expect(third.scene.status().frame_count).toBe(1);
    expect(third.scene.status().warnings.join()).toContain("training starts anew");
    await third.scene.close();
    expect((await readdir(folder)).filter((name) => name.endsWith(".bin"))).toEqual([
      "checkpoint-000003.bin",
    ]);
  });
});

it("forgets everything but the settings and the mask at a reset", async () => {
  const dataDir = await temporaryFolder();
  const backend = await withFrames(dataDir, 2);
  await backend.send("/scene", json("PUT", { max_gaussians: 888 }));
  const mask = await sharp({ create: { width: 8, height: 6, channels: 3, background: "black" } })
    .png()
    .toBuffer();
  await backend.send("/scene/mask", { method: "PUT", body: mask });
  const old = backend.scene.status();
  expect((await backend.send("/reset", { method: "POST" })).status).toBe(200);
  const fresh = backend.scene.status();
  expect(fresh.session_id).not.toBe(old.session_id);
  expect(fresh.boot_id).toBe(old.boot_id);
  expect(fresh).toMatchObject({
    state: "idle",
    frame_count: 0,
    gaussian_count: 0,
    step: 0,
    chunks: [],
    warnings: [],
  });
  expect(backend.scene.session.settings.max_gaussians).toBe(888);
  expect(await readdir(join(dataDir, "state/main/frames"))).toEqual([]);
  expect(Buffer.from(await (await backend.send("/scene/mask")).arrayBuffer())).toEqual(mask);
  expect((await backend.upload(await jpeg(1), { frame_id: "f1" })).status).toBe(200);
  await backend.scene.close();
  const saved = JSON.parse(await readFile(join(dataDir, "state/main/session.json"), "utf8")) as {
    session_id: string;
  };
  expect(saved.session_id).toBe(fresh.session_id);
});

it("lets one process have a data folder, and takes over what a dead one left", async () => {
  const dataDir = await temporaryFolder();
  const first = await openTestBackend({ dataDir });
  await expect(openTestBackend({ dataDir })).rejects.toMatchObject({
    code: "bad_input",
    hint: expect.stringContaining(join(dataDir, "lock")) as string,
  });
  await first.scene.close();
  // No process has this id: Linux ends at 2^22, others far below.
  await writeFile(join(dataDir, "lock"), "99999999\n");
  const second = await openTestBackend({ dataDir });
  expect(second.scene.status().session_id).toBe(first.scene.sessionId);
});
