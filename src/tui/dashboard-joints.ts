/** The arm on the screen: how old its joints are, each angle in its range, the arm from its side. */
import { ARM_JOINTS, GRIPPER_LIMITS_RAD } from "../robot/so101.ts";
import { labelled, type Width } from "./dashboard-blocks.ts";
import { drawArm, gauge } from "./dashboard-graph.ts";
import { foreign, span, type Row } from "./dashboard-text.ts";
import type { View } from "./dashboard-view.ts";
import { age } from "./dashboard-words.ts";

const NAMES = ["pan", "lift", "elbow", "wrist", "roll", "gripper"];
const LIMITS = [...ARM_JOINTS, GRIPPER_LIMITS_RAD];
const NAME_COLUMNS = 8;
const ANGLE_COLUMNS = 6;
/** Joints older than this place frames where the arm was. */
const STALE_S = 1;

/** The newest angles that are known, and their age in seconds; null where there are none. */
function newest({ status, local: { relay }, seenMs, nowMs }: View): {
  readonly anglesRad: readonly number[];
  readonly ageS: number;
} | null {
  if (relay !== null && relay.jointAngles !== null) {
    return { anglesRad: relay.jointAngles, ageS: relay.silentS ?? 0 };
  }
  if (status === null || status.joints_age_s === null) return null;
  return { anglesRad: status.joint_angles, ageS: status.joints_age_s + (nowMs - seenMs) / 1000 };
}

export function jointsBlock(view: View): Row[] {
  const { relay } = view.local;
  const joints = newest(view);
  if (joints === null) {
    return [
      labelled("joints", span(relay === null ? "none received" : `none yet from ${foreign(relay.from)}`)),
    ];
  }
  const rate = relay === null ? "" : `   ${Math.round(relay.perSecond)}/s from ${foreign(relay.from)}`;
  const isStale = joints.ageS > STALE_S;
  const old = isStale ? `${age(joints.ageS)} old` : `${joints.ageS.toFixed(1)} s old`;
  return [
    labelled("joints", span(old, isStale ? "warn" : "plain"), span(rate)),
    ...(relay === null || relay.trouble === null
      ? []
      : [labelled("", span(`the backend takes none: ${foreign(relay.trouble)}`, "bad"))]),
  ];
}

/** Six angles, each in its range: in one column, or in two where there is room. */
export function anglesBlock(view: View, { columns }: Width): Row[] {
  const joints = newest(view);
  if (joints === null) return [];
  const lanes = columns >= 64 ? 2 : 1;
  const room = Math.floor((columns - 2 * lanes) / lanes) - NAME_COLUMNS - ANGLE_COLUMNS;
  const cell = (joint: number): Row => {
    const rad = joints.anglesRad[joint];
    const { lowerRad, upperRad } = LIMITS[joint];
    const degrees = `${Math.round((rad * 180) / Math.PI)}°`;
    return [
      span(`  ${NAMES[joint].padEnd(NAME_COLUMNS)}`, "dim"),
      ...(room < 5 ? [] : [span(gauge(rad, lowerRad, upperRad, Math.min(room, 22)), "graph")]),
      span(degrees.padStart(ANGLE_COLUMNS), rad < lowerRad || rad > upperRad ? "warn" : "plain"),
    ];
  };
  if (lanes === 1) return NAMES.map((_, joint) => cell(joint));
  return [0, 1, 2].map((joint) => [...cell(joint), span("  "), ...cell(joint + 3)]);
}

/** The arm from its side; nothing where braille cannot be shown. */
export function armBlock(view: View, { columns, isUnicode }: Width, rows: number): Row[] {
  const joints = newest(view);
  if (joints === null || !isUnicode || columns < 20 || rows < 6) return [];
  const width = Math.min(columns - 2, rows * 2 + 8);
  return drawArm(joints.anglesRad, width, rows).map((text) => [span("  "), span(text, "graph")]);
}
