import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { JointWatch, STALE_JOINTS_S } from "../../src/backend/joint-watch.ts";
import type { Placement } from "../../src/backend/pose.ts";
import { Warnings } from "../../src/backend/warnings.ts";
import { createLog } from "../../src/log.ts";
import { nowS } from "../../src/time.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watching(): { watch: JointWatch; warnings: Warnings; logged: string[] } {
  const logged: string[] = [];
  const log = createLog("normal", (line) => logged.push(line));
  const warnings = new Warnings({ log, publish: () => undefined, statusChanged: () => undefined });
  return { watch: new JointWatch(warnings), warnings, logged };
}

function placed(source: Placement["source"], jointsAgeS: number | null): Placement {
  return { source, jointsAgeS, cameraToWorld: [], anglesRad: null, speedDegS: null };
}

const STALE = /^no joint reading for a while: frames are placed where the arm was last known to be$/;

it("warns of stale joints once, and no longer when they stream again", () => {
  const { watch, warnings, logged } = watching();
  const readings = (count: number): void => {
    for (let i = 0; i < count; i++) {
      watch.came();
      vi.advanceTimersByTime(10);
    }
  };
  readings(3);
  watch.placed(placed("latest", STALE_JOINTS_S));
  watch.placed(placed("default", null));
  expect(warnings.messages).toEqual([]);
  vi.advanceTimersByTime(3000);
  for (let i = 0; i < 5; i++) watch.placed(placed("latest", STALE_JOINTS_S + 0.01));
  expect(warnings.messages).toEqual([expect.stringMatching(STALE)]);
  readings(2);
  watch.placed(placed("latest", 0.01));
  expect(warnings.messages).toEqual([]);
  expect(logged).toHaveLength(1);
});

it("keeps warning of joints that come now and then, without telling it each time", () => {
  const { watch, warnings, logged } = watching();
  for (let i = 0; i < 5; i++) {
    watch.came();
    vi.advanceTimersByTime(10);
    watch.placed(placed("latest", 0.01));
    vi.advanceTimersByTime(2990);
    watch.placed(placed("latest", 2.99));
  }
  expect(warnings.messages).toHaveLength(1);
  expect(logged).toHaveLength(1);
});

it.each(["interpolated", "samples", "meta"] as const)("takes %s joints for fresh", (source) => {
  const { watch, warnings } = watching();
  watch.placed(placed("latest", 9));
  watch.placed(placed("camera_to_world", null));
  expect(warnings.messages).toHaveLength(1);
  watch.placed(placed(source, 0.05));
  expect(warnings.messages).toEqual([]);
});

it("tells a reading's age by the older of its time and its coming", () => {
  const { watch } = watching();
  expect(watch.ageOf({ timeS: nowS() - 5 })).toBeCloseTo(5, 3);
  watch.came();
  vi.advanceTimersByTime(2000);
  expect(watch.ageOf({ timeS: nowS() - 2 })).toBeCloseTo(2, 3);
  expect(watch.ageOf({ timeS: nowS() - 9 })).toBeCloseTo(9, 3);
  // Its sender's clock runs ahead: the stream would look alive for half an hour after it stopped.
  expect(watch.ageOf({ timeS: nowS() + 1800 })).toBeCloseTo(2, 3);
});
