import { expect, it } from "vitest";
import {
  availableBytes,
  memoryBudget,
  mostGaussians,
  peakGaussianBytes,
  withinMemory,
} from "../../src/backend/memory-budget.ts";
import { PictureMemory } from "../../src/backend/picture-memory.ts";
import { sizeOf } from "../../src/trainer/memory.ts";
import { openTestBackend, json, jpeg, poseAt, temporaryFolder } from "../helpers/backend-fixture.ts";

const MIB = 2 ** 20;

it("gives pictures a quarter of what is available, within bounds, or what it is told", () => {
  expect(memoryBudget(undefined, 2048 * MIB).frameBytes).toBe(512 * MIB);
  expect(memoryBudget(undefined, 100 * MIB).frameBytes).toBe(64 * MIB);
  expect(memoryBudget(undefined, 64_000 * MIB).frameBytes).toBe(1024 * MIB);
  expect(memoryBudget(5 * MIB, 2048 * MIB).frameBytes).toBe(5 * MIB);
  expect(availableBytes()).toBeGreaterThan(10 * MIB);
});

it("has room for Gaussians by the layout of their arrays and the copies made of them", () => {
  const one = (gaussians: number) => sizeOf({ gaussians, shCount: 16, pixels: 1, pairs: 1, threads: 1 });
  const arrays = (one(2_000_000) - one(1_000_000)) / 1e6;
  expect(peakGaussianBytes(3)).toBeCloseTo(arrays + 5 * 236, 0);
  const budget = memoryBudget(undefined, 1024 * MIB);
  const most = mostGaussians(budget, 3);
  expect(most * peakGaussianBytes(3)).toBeLessThanOrEqual(384 * MIB);
  expect(mostGaussians(budget, 0)).toBeGreaterThan(2 * most);
  expect(mostGaussians(memoryBudget(1e9, 10 * MIB), 3)).toBe(1000);
});

it("says what was asked, what there is and what will be, once there is too little", () => {
  const told: string[] = [];
  const settings = { maxGaussians: 1_000_000, shDegree: 3, background: "black" };
  const within = (available: number) =>
    withinMemory(settings, memoryBudget(undefined, available), (message) => told.push(message));
  expect(within(16_000 * MIB)).toBe(settings);
  expect(told).toEqual([]);
  const most = mostGaussians(memoryBudget(undefined, 512 * MIB), 3);
  expect(within(512 * MIB)).toEqual({ ...settings, maxGaussians: most });
  expect(told.length).toBe(1);
  expect(told[0]).toMatch(/^1000000 Gaussians of SH degree 3 may need \d+ MiB .*512 MiB .*at most \d+$/);
});

it("is kept by a backend, at its start, for a change of settings and after a restart", async () => {
  const dataDir = await temporaryFolder();
  // So much for pictures that nothing is left.
  const frameBytes = 1e15;
  const options = { dataDir, frameBytes, settings: { max_gaussians: 5000 } };
  const backend = await openTestBackend(options);
  expect(backend.training.settings).toMatchObject({ maxGaussians: 1000, frameBytes });
  expect(backend.scene.status().warnings[0]).toMatch(/^5000 Gaussians .*at most 1000$/);
  await backend.send("/scene", json("PUT", { max_gaussians: 7000 }));
  expect(backend.training.settings.maxGaussians).toBe(1000);
  expect(backend.scene.status().warnings[1]).toMatch(/^7000 Gaussians/);
  // What was asked for stays asked for: another start may have room.
  expect(backend.scene.session.settings.max_gaussians).toBe(7000);
  await backend.upload(await jpeg(1), { camera_to_world: poseAt(0) });
  await backend.until(({ gaussian_count }) => gaussian_count > 0);
  await backend.scene.close();
  const again = await openTestBackend(options);
  await again.until(() => again.training.restored !== null);
  expect(again.training.settings.maxGaussians).toBe(1000);
});

it("uses the memory of pictures again for others of the same size", () => {
  const memory = new PictureMemory();
  const [rgba, mask] = [memory.take(40), memory.take(10)];
  memory.give({ rgba, mask });
  expect(memory.take(41).buffer).not.toBe(rgba.buffer);
  expect(memory.take(10).buffer).toBe(mask.buffer);
  expect(memory.take(40).buffer).toBe(rgba.buffer);
  expect(memory.take(40).buffer).not.toBe(rgba.buffer);
  // Nothing is kept that is not shared, and not more than a few.
  const own = new Uint8Array(7);
  memory.give({ rgba: own, mask: null });
  expect(memory.take(7).buffer).not.toBe(own.buffer);
  const many = Array.from({ length: 20 }, () => memory.take(99));
  for (const one of many) memory.give({ rgba: one, mask: null });
  const again = many.map(() => memory.take(99).buffer);
  expect(again.filter((buffer) => many.some((one) => one.buffer === buffer)).length).toBe(8);
});
