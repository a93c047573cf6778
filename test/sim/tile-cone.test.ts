import { expect, it } from "vitest";
import { intersect, placeSolid } from "../../src/sim/solids.ts";
import { coneAround, withinCone } from "../../src/sim/tile-cone.ts";
import { seededRandom } from "../helpers/random.ts";

const ORIGIN = [0.1, -0.2, 0.3];

function unit(x: number, y: number, z: number): number[] {
  const length = Math.hypot(x, y, z);
  return [x / length, y / length, z / length];
}

it("leaves out solids, but none that a ray of the tile meets", () => {
  const random = seededRandom(5);
  const solids = Array.from({ length: 3000 }, () =>
    placeSolid(
      { kind: "sphere", radiusM: 0.005 + 0.1 * random() },
      [random() * 2 - 1, random() * 2 - 1, random() * 2 - 1],
      () => [1, 1, 1],
    ),
  );
  const [low, high] = [-0.2, 0.3];
  const corners = [unit(low, low, 1), unit(high, low, 1), unit(low, high, 1), unit(high, high, 1)];
  const middle = unit((low + high) / 2, (low + high) / 2, 1);
  const kept = new Set(withinCone(solids, coneAround(ORIGIN, middle, corners)));
  let met = 0;
  for (const solid of solids) {
    const hit = Array.from({ length: 121 }, (_, i) => {
      const [u, v] = [i % 11, Math.floor(i / 11)].map((step) => low + ((high - low) * step) / 10);
      return intersect(solid, Float64Array.from([...ORIGIN, ...unit(u, v, 1)])) < Infinity;
    }).includes(true);
    if (hit) met++;
    if (hit) expect(kept.has(solid)).toBe(true);
  }
  expect(met).toBeGreaterThan(10);
  expect(kept.size).toBeLessThan(3 * met);
});

it("leaves out nothing where a corner sees nothing", () => {
  const solids = [placeSolid({ kind: "sphere", radiusM: 0.01 }, [5, 5, -5], () => [1, 1, 1])];
  const cone = coneAround(
    ORIGIN,
    [0, 0, 1],
    [
      [0, 0, 1],
      [Number.NaN, Number.NaN, Number.NaN],
    ],
  );
  expect(withinCone(solids, cone)).toEqual(solids);
});
