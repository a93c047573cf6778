import { expect, test } from "vitest";
import { allocateGaussians } from "../../src/splat/gaussians.ts";
import { finiteGaussians, selectGaussians } from "../../src/splat/select.ts";
import { randomGaussians } from "../helpers/random.ts";

test("a sound scene passes as it is, and a broken value in any array removes its Gaussian", () => {
  const scene = randomGaussians(5, 1);
  expect(finiteGaussians(scene)).toBe(scene);
  scene.means[0] = NaN;
  scene.logScales[3] = Infinity;
  scene.sh[4 * 12 + 11] = -Infinity;
  const sound = finiteGaussians(scene);
  expect(sound.count).toBe(2);
  expect([...sound.quats]).toEqual([...scene.quats.subarray(8, 16)]);
  expect([...sound.sh]).toEqual([...scene.sh.subarray(24, 48)]);
});

test("the most opaque and largest are kept, in their order", () => {
  const scene = allocateGaussians(4, 0);
  // Area counts the two longest axes: a needle is not a wall, however long its third side is short.
  scene.logScales.set([-9, -1, -1, -4, -4, -4, -1, -9, -9, -2, -2, -2]);
  scene.opacities.set([-1, 5, 5, 5]);
  scene.means.set([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
  expect([...selectGaussians(scene, 2).means]).toEqual([0, 0, 0, 3, 3, 3]);
  expect([...selectGaussians(scene, 1).means]).toEqual([0, 0, 0]);
  expect(selectGaussians(scene, 4)).toBe(scene);
  expect(selectGaussians(scene, 0).count).toBe(0);
});

test("equals are kept from the front, and unusable or enormous values rank without harm", () => {
  const scene = allocateGaussians(5, 0);
  scene.means.forEach((_, i) => (scene.means[i] = Math.floor(i / 3)));
  expect([...selectGaussians(scene, 2).means]).toEqual([0, 0, 0, 1, 1, 1]);
  scene.opacities[0] = NaN;
  scene.logScales.fill(300, 12, 15);
  expect([...selectGaussians(scene, 2).means]).toEqual([1, 1, 1, 4, 4, 4]);
});
