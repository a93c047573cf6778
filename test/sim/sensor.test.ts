import { expect, it } from "vitest";
import { develop, driftingGain, WEBCAM_NOISE } from "../../src/sim/sensor.ts";

const grey = new Float64Array(3000).fill(0.2);

function mean(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length;
}

it("codes light as sRGB, and clips what is too bright", () => {
  expect([...develop(Float64Array.of(0, 0.2140411, 1, 7))]).toEqual([0, 127, 255, 255]);
  expect([...develop(Float64Array.of(0.5, 0.1), { gain: 3 })]).toEqual([
    255,
    develop(Float64Array.of(0.3))[0],
  ]);
});

it("adds noise about the true light, the same for the same seed", () => {
  const noisy = develop(grey, { gain: 1, noise: WEBCAM_NOISE });
  const [plain] = develop(grey);
  expect(develop(grey, { gain: 1, noise: WEBCAM_NOISE })).toEqual(noisy);
  expect(develop(grey, { gain: 1, noise: { ...WEBCAM_NOISE, seed: 2 } })).not.toEqual(noisy);
  expect(Math.abs(mean(noisy) - plain)).toBeLessThan(1);
  expect(new Set(noisy).size).toBeGreaterThan(5);
});

it("lets the gain swing about 1 by as much as told, slowly", () => {
  const drift = { swing: 0.2, periodS: 8 };
  const gains = Array.from({ length: 2000 }, (_, i) => driftingGain(drift, 1_700_000_000 + i / 10));
  expect(Math.max(...gains)).toBeLessThanOrEqual(1.2);
  expect(Math.max(...gains)).toBeGreaterThan(1.15);
  expect(Math.min(...gains)).toBeGreaterThanOrEqual(0.8);
  expect(Math.min(...gains)).toBeLessThan(0.85);
  const steps = gains.slice(1).map((gain, i) => Math.abs(gain - gains[i]));
  expect(Math.max(...steps)).toBeLessThan(0.025);
});
