import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, it } from "vitest";
import type { FrameRecord } from "../../src/api/schema.ts";
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
  expect(second.scene.session.settings).toMatchObject({ max_gaussians: 777, finish_seconds: 3 });
  expect(second.training.mask?.values).toHaveLength(48);
  await second.until(() => second.training.frames.size === 3);
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

it("begins a new session when the old one cannot be read, and keeps its folder", async () => {
  const dataDir = await temporaryFolder();
  const first = await withFrames(dataDir, 1);
  const { session_id } = first.scene.status();
  await first.scene.close();
  await writeFile(join(dataDir, "state/main/session.json"), "{}");
  const second = await openTestBackend({ dataDir });
  expect(second.scene.status()).toMatchObject({ frame_count: 0, state: "idle" });
  expect(second.scene.status().session_id).not.toBe(session_id);
  expect(await readdir(join(dataDir, "state/main.damaged/frames"))).toContain("000001.jpg");
});

it("trains anew when only the Gaussians are damaged", async () => {
  const dataDir = await temporaryFolder();
  await (await withFrames(dataDir, 1)).scene.close();
  await writeFile(join(dataDir, "state/main/scene.ply"), "ply\nnonsense");
  const second = await openTestBackend({ dataDir });
  await second.until(({ gaussian_count }) => gaussian_count > 0);
  expect(second.scene.status().warnings.join()).toContain("scene.ply");
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
