/** Readings that are well formed and yet hardly true: dated by a wrong clock, or in other units than was said. */
import type { JointReading } from "../robot/joint-history.ts";
import { ARM_JOINTS } from "../robot/so101.ts";

/** What can be doubted. */
export const DOUBTS = ["ahead", "late", "reach"] as const;

/** Something to tell the user once while it lasts. */
export interface Doubt {
  readonly key: (typeof DOUBTS)[number];
  readonly line: string;
}

/** A clock ahead of this machine's dates readings in the future; networks only make them late. */
const MOST_AHEAD_S = 0.25;
const MOST_LATE_S = 1;
/** A calibration that missed an end stop shifts a joint by some degrees; nothing shifts it by this much, rad. */
const BEYOND_RAD = 0.5;

/** What is doubtful about a reading that arrived `lateS` after the time it carries. `from`: where it came from, in words. */
export function doubtsAbout({ anglesRad }: JointReading, lateS: number, from: string): Doubt[] {
  return [...clockDoubts(lateS, from), ...reachDoubts(anglesRad, from)];
}

function clockDoubts(lateS: number, from: string): Doubt[] {
  if (lateS >= -MOST_AHEAD_S && lateS <= MOST_LATE_S) return [];
  const off = `${Math.abs(lateS).toFixed(1)} s ${lateS < 0 ? "in the future" : "in the past"}`;
  return [
    {
      key: lateS < 0 ? "ahead" : "late",
      line: `joint angles from ${from} are dated ${off}, and frames are paired with them by time: set the sender's clock, or let it send no captured_at`,
    },
  ];
}

function reachDoubts(anglesRad: readonly number[], from: string): Doubt[] {
  const joint = ARM_JOINTS.findIndex(
    ({ name, lowerRad, upperRad }, i) =>
      // The wrist turns all the way round on arms that were calibrated without its end stops.
      name !== "wrist_roll" && (anglesRad[i] < lowerRad - BEYOND_RAD || anglesRad[i] > upperRad + BEYOND_RAD),
  );
  if (joint === -1) return [];
  const { name, lowerRad, upperRad } = ARM_JOINTS[joint];
  const degrees = (rad: number): string => `${Math.round((rad * 180) / Math.PI)}°`;
  const reach = `${degrees(lowerRad)} to ${degrees(upperRad)}`;
  return [
    {
      key: "reach",
      line: `${name} from ${from} is at ${degrees(anglesRad[joint])}, and an SO-101 reaches ${reach}: are the units right, and is the arm calibrated?`,
    },
  ];
}
