import { expect, it } from "vitest";
import { createMasking, halvePicture } from "../../src/trainer/picture.ts";
import { plainCamera } from "./scenes.ts";

it("halves a picture: colours weighted by alpha, a pixel counting when all its sources do, the lens to match", () => {
  const camera = plainCamera(128, 130, 100);
  const rgba = new Uint8Array(128 * 130 * 4);
  rgba.set([200, 100, 0, 255, 100, 50, 0, 85], 0);
  rgba.set([9, 9, 9, 0, 9, 9, 9, 0], 128 * 4);
  const mask = new Uint8Array(128 * 130).fill(1);
  mask[2] = 0;
  const half = halvePicture({ camera, rgba, mask });
  expect([...(half?.rgba.subarray(0, 4) ?? [])]).toEqual([175, 88, 0, 85]);
  expect([...(half?.mask?.subarray(0, 3) ?? [])]).toEqual([1, 0, 1]);
  expect(half?.camera).toMatchObject({ width: 64, height: 65, fx: 50, cx: 32, cy: 32.5 });
  expect(halvePicture({ camera: plainCamera(127, 300, 100), rgba, mask: null })).toBeNull();
});

it("samples the scene's mask once for each size, and joins it with a picture's own", () => {
  const masking = createMasking({ width: 2, height: 1, values: Uint8Array.of(0, 1) });
  const picture = { camera: plainCamera(4, 2, 1), rgba: new Uint8Array(32), mask: null };
  const first = masking(picture).mask;
  expect([...(first ?? [])]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
  expect(masking(picture).mask).toBe(first);
  const own = { ...picture, mask: Uint8Array.of(1, 1, 1, 0, 1, 1, 1, 1) };
  const joined = masking(own).mask;
  expect([...(joined ?? [])]).toEqual([0, 0, 1, 0, 0, 0, 1, 1]);
  expect(masking(own).mask).toBe(joined);
  expect([...(first ?? [])]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
  const plain = createMasking(null);
  expect(plain(own)).toBe(own);
});
