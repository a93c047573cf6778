import { describe, expect, it } from "vitest";
import { ARM_JOINTS, DEFAULT_CAMERA_MOUNT, GRIPPER_LIMITS_RAD } from "../../src/robot/so101.ts";
import { createSimulatedArm } from "../../src/sim/arm.ts";
import { NO_ERRORS } from "../../src/sim/arm-errors.ts";
import { OBJECTS_CENTER_M } from "../../src/sim/tabletop.ts";
import { wristCamera, wristIntrinsics } from "../../src/sim/wrist-camera.ts";

const DEGREES = 180 / Math.PI;
const START_S = 1_700_000_000;
const scan = createSimulatedArm({ startS: START_S, durationS: 20 });
const wave = createSimulatedArm({ startS: START_S, motion: "wave" });

function times(fromS: number, toS: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => START_S + fromS + ((toS - fromS) * i) / (count - 1));
}

/** [joints] fastest of each, deg/s, by differences of 1 ms. */
function fastest(anglesAt: (timeS: number) => number[], untilS: number): number[] {
  const top = [0, 0, 0, 0, 0, 0];
  for (const timeS of times(0, untilS, 4000)) {
    const [a, b] = [anglesAt(timeS), anglesAt(timeS + 0.001)];
    for (const joint of top.keys()) {
      top[joint] = Math.max(top[joint], (Math.abs(b[joint] - a[joint]) / 0.001) * DEGREES);
    }
  }
  return top;
}

/** Largest change of acceleration from one step to the next, of any joint. */
function roughest(anglesAt: (timeS: number) => number[], stepS: number): number {
  const angles = times(-1, 42, Math.round(43 / stepS) + 1).map(anglesAt);
  let worst = 0;
  for (let i = 3; i < angles.length; i++) {
    for (let joint = 0; joint < 6; joint++) {
      const [a, b, c, d] = [3, 2, 1, 0].map((back) => angles[i - back][joint]);
      worst = Math.max(worst, Math.abs(d - 3 * c + 3 * b - a) / stepS ** 2);
    }
  }
  return worst;
}

describe.each([
  ["scan", scan],
  ["wave", wave],
])("the %s", (_, arm) => {
  it("stays within the joint limits", () => {
    const limits = [...ARM_JOINTS, GRIPPER_LIMITS_RAD];
    for (const timeS of times(-1, 90, 3000)) {
      const angles = arm.anglesAt(timeS);
      expect(angles).toHaveLength(6);
      for (const [i, { lowerRad, upperRad }] of limits.entries()) {
        expect(angles[i]).toBeGreaterThan(lowerRad);
        expect(angles[i]).toBeLessThan(upperRad);
      }
    }
  });

  it("is as fast as it says", () => {
    const top = Math.max(...fastest(arm.anglesAt, 60).slice(0, 5));
    expect(top).toBeLessThan(arm.peakSpeedDegS * 1.01);
    expect(top).toBeGreaterThan(arm.peakSpeedDegS * 0.9);
  });
});

describe("the scan", () => {
  it("changes its speed without a jerk, at the turning points too", () => {
    // Where acceleration jumped, the largest change would not shrink with the step.
    expect(roughest(scan.anglesAt, 0.005)).toBeLessThan(0.7 * roughest(scan.anglesAt, 0.01));
  });

  it("stands still before it starts, then goes back and forth", () => {
    expect(scan.anglesAt(START_S - 5)).toEqual(scan.anglesAt(START_S));
    expect(scan.durationS).toBe(20);
    for (const awayS of [0, 0.3, 7]) {
      const [before, after, later] = [20 - awayS, 20 + awayS, 60 + awayS].map((s) =>
        scan.anglesAt(START_S + s),
      );
      for (let joint = 0; joint < 6; joint++) {
        expect(after[joint]).toBeCloseTo(before[joint], 6);
        expect(later[joint]).toBeCloseTo(before[joint], 6);
      }
    }
  });

  it("keeps looking at the objects between the poses it is drawn through", () => {
    for (const timeS of times(0, 20, 500)) {
      const camera = wristCamera(scan.anglesAt(timeS), wristIntrinsics(64, 48), DEFAULT_CAMERA_MOUNT);
      const { rotation: r, translation: t } = camera;
      const [x, y, z] = [0, 3, 6].map(
        (row) =>
          r[row] * OBJECTS_CENTER_M[0] +
          r[row + 1] * OBJECTS_CENTER_M[1] +
          r[row + 2] * OBJECTS_CENTER_M[2] +
          t[row / 3],
      );
      expect(Math.atan2(Math.hypot(x, y), z) * DEGREES).toBeLessThan(12);
    }
  });

  it("takes as long as the wanted speed asks for", () => {
    const quick = createSimulatedArm({ startS: 0, maxSpeedDegS: 100 });
    expect(quick.peakSpeedDegS).toBeCloseTo(100);
    expect(quick.durationS).toBeCloseTo((scan.durationS * scan.peakSpeedDegS) / 100);
  });
});

describe("the wave", () => {
  it("turns every joint of the arm, each at its own 30…90 deg/s", () => {
    const speeds = fastest(wave.anglesAt, 60).slice(0, 5);
    expect(Math.min(...speeds)).toBeGreaterThan(30);
    expect(Math.max(...speeds)).toBeLessThan(90.1);
    expect(new Set(speeds.map((speed) => Math.round(speed))).size).toBe(5);
  });
});

it("hides errors of the joints' zeros: true angle = reading + offset, and the gripper has none", () => {
  const jointZerosRad = [0.01, -0.02, 0.03, 0.04, -0.05];
  const errors = { ...NO_ERRORS, jointZerosRad };
  const off = createSimulatedArm({ startS: START_S, motion: "wave", errors });
  const [reading, truth] = [off.anglesAt(START_S + 3), off.trueAnglesAt(START_S + 3)];
  expect(reading).toEqual(wave.anglesAt(START_S + 3));
  expect(truth).toEqual(reading.map((angle, joint) => angle + (jointZerosRad[joint] ?? 0)));
  expect(wave.trueAnglesAt(START_S + 3)).toEqual(reading);
});
