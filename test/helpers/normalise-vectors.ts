/** What LeRobot's own bus class (commit 7427f318) made of raw positions, and the ranges it was calibrated with. */
import { readFileSync } from "node:fs";
import { JOINT_NAMES } from "../../src/robot/so101.ts";
import type { JointRange } from "../../src/robot/units.ts";

interface Golden {
  readonly calibration_file_example: Readonly<
    Record<string, { readonly range_min: number; readonly range_max: number }>
  >;
  readonly vectors: readonly {
    readonly raw: readonly number[];
    readonly degrees: readonly number[];
    readonly range_m100_100: readonly number[];
  }[];
}

const file = new URL("../robot/lerobot-normalise-vectors.json", import.meta.url);

export const normaliseVectors = JSON.parse(readFileSync(file, "utf8")) as Golden;

/** [6] in motor order, ticks. */
export const normaliseRanges: readonly JointRange[] = JOINT_NAMES.map((name) => {
  const { range_min, range_max } = normaliseVectors.calibration_file_example[name];
  return { minTicks: range_min, maxTicks: range_max };
});
