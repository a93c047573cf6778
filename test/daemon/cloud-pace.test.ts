import { expect, test } from "vitest";
import { CloudPace } from "../../src/daemon/cloud-pace.ts";

const MINUTE_MS = 60_000;
const DEGREE = Math.PI / 180;

/** Give readings at 100 Hz from `fromMs` to `toMs`; how many pass in each minute of them. */
function passed(
  { pace, clock }: { pace: CloudPace; clock: { nowMs: number } },
  toMs: number,
  angleAt: (nowMs: number) => number,
): number {
  let count = 0;
  for (; clock.nowMs < toMs; clock.nowMs += 10) {
    if (pace.passes([0, angleAt(clock.nowMs), 0, 0, 0, 0])) count++;
  }
  return count;
}

function newPace(): { pace: CloudPace; clock: { nowMs: number } } {
  const clock = { nowMs: 0 };
  return { pace: new CloudPace(() => clock.nowMs), clock };
}

test("all that a moving arm says passes", () => {
  expect(passed(newPace(), MINUTE_MS, (nowMs) => (nowMs / 1000) * DEGREE)).toBe(6000);
});

test("a resting arm says where it is every five seconds, after a quarter of an hour nothing", () => {
  const run = newPace();
  const rest = () => 0.3;
  // The first ten seconds are not yet rest.
  expect(passed(run, 10_010, rest)).toBe(1001);
  expect(passed(run, 15 * MINUTE_MS, rest)).toBeLessThanOrEqual(178);
  expect(passed(run, 15 * MINUTE_MS + 20, rest)).toBeLessThanOrEqual(1);
  expect(passed(run, 60 * MINUTE_MS, rest)).toBe(0);
  // At once when it moves again.
  expect(run.pace.passes([0, 0.3 + 0.3 * DEGREE, 0, 0, 0, 0])).toBe(true);
});

test("a servo's own noise is no movement, a slow drift is one", () => {
  const run = newPace();
  passed(run, 20_000, () => 0);
  const noise = (nowMs: number): number => (nowMs % 20 === 0 ? 0.088 * DEGREE : -0.088 * DEGREE);
  expect(passed(run, 20_000 + MINUTE_MS, noise)).toBeLessThanOrEqual(13);
  const drift = (nowMs: number): number => ((nowMs - 80_000) / 5000) * 0.3 * DEGREE;
  expect(passed(run, 80_000 + MINUTE_MS, drift)).toBeGreaterThan(5000);
});
