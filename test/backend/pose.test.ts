import { describe, expect, it } from "vitest";
import { JointHistory, jointsFromSamples } from "../../src/robot/joint-history.ts";
import { placeFrame, poseFromJoints } from "../../src/backend/pose.ts";
import { DEFAULT_SETTINGS } from "../../src/backend/settings.ts";
import type { FrameMeta } from "../../src/api/schema.ts";
import { poseAt } from "../helpers/backend-fixture.ts";

const HOME = [0, 0, 0, 0, 0, 0];
const BENT = [0.4, -0.2, 0.6, 0.2, -0.4, 1];
/** How old the newest reading is now, s. */
const LATEST_AGE_S = 7;
/** [6] rad, a share of the way from home to bent. */
const partway = (share: number): number[] => BENT.map((angle) => angle * share);

function historyOf(...readings: (readonly [number, readonly number[]])[]): JointHistory {
  const history = new JointHistory(30);
  for (const [timeS, anglesRad] of readings) history.add({ timeS, anglesRad });
  return history;
}

function place(meta: FrameMeta, history: JointHistory, settings: Partial<typeof DEFAULT_SETTINGS> = {}) {
  return placeFrame(meta, history, { ...DEFAULT_SETTINGS, ...settings }, true, LATEST_AGE_S);
}

function expectAngles(actual: readonly number[] | null, wanted: readonly number[]): void {
  expect(actual).toHaveLength(6);
  actual?.forEach((angle, i) => expect(angle).toBeCloseTo(wanted[i], 9));
}

describe("the first pose that exists is taken", () => {
  const history = historyOf([9.9, partway(0.2)], [10.1, partway(0.4)]);
  const all: FrameMeta = {
    captured_at: 10,
    camera_to_world: poseAt(3),
    joint_samples: [
      [9.95, partway(0.6)],
      [10.05, partway(0.8)],
    ],
    joint_angles: BENT,
  };
  const { camera_to_world: _pose, ...withoutPose } = all;
  const { joint_samples: _samples, ...withoutSamples } = withoutPose;

  it("the given matrix", () => {
    expect(place(all, history)).toMatchObject({
      source: "camera_to_world",
      cameraToWorld: poseAt(3).flat(),
      anglesRad: null,
    });
  });
  it("the frame's own readings, interpolated", () => {
    const placement = place(withoutPose, history);
    expect(placement.source).toBe("samples");
    expectAngles(placement.anglesRad, partway(0.7));
    expect(placement.cameraToWorld).toEqual(poseFromJoints(placement.anglesRad ?? [], DEFAULT_SETTINGS));
  });
  it("the joints in meta", () => {
    expect(place(withoutSamples, history)).toMatchObject({ source: "meta", anglesRad: BENT });
  });
  it("the updates around the shutter, interpolated", () => {
    const placement = place({ captured_at: 10 }, history);
    expect(placement.source).toBe("interpolated");
    expectAngles(placement.anglesRad, partway(0.3));
  });
  it("the latest joints, without a shutter time", () => {
    expect(place({}, history)).toMatchObject({ source: "latest", anglesRad: partway(0.4) });
  });
  it("zeros", () => {
    expect(place({ captured_at: 10 }, historyOf())).toMatchObject({ source: "default", anglesRad: HOME });
  });
});

describe("updates around the shutter", () => {
  it("further apart than 250 ms say too little", () => {
    expect(place({ captured_at: 10 }, historyOf([9.8, HOME], [10.1, BENT])).source).toBe("latest");
    expect(place({ captured_at: 10 }, historyOf([9.9, HOME], [10.1, BENT])).source).toBe("interpolated");
  });
  it("are waited for while only the later one is missing", () => {
    const history = historyOf([9.9, BENT]);
    expect(place({ captured_at: 10 }, history)).toMatchObject({ source: "pending", anglesRad: BENT });
    expect(placeFrame({ captured_at: 10 }, history, DEFAULT_SETTINGS, false, LATEST_AGE_S).source).toBe(
      "latest",
    );
    expect(place({ captured_at: 12 }, history).source).toBe("latest");
  });
  it("count when they come late and out of order", () => {
    const history = historyOf([10.1, BENT], [9.9, HOME]);
    expectAngles(place({ captured_at: 10 }, history).anglesRad, partway(0.5));
  });
  it("before the first say nothing about the shutter", () => {
    expect(place({ captured_at: 10 }, historyOf([10.1, BENT])).source).toBe("latest");
  });
  it("are forgotten after 30 s", () => {
    const history = historyOf([10, HOME], [10.1, HOME], [40.2, BENT]);
    expect(place({ captured_at: 10.05 }, history).source).toBe("latest");
  });
});

describe("how old the joints are", () => {
  const history = historyOf([9.9, HOME], [9.98, BENT], [10.1, HOME]);
  it.each<[string, FrameMeta, JointHistory, number | null]>([
    ["a given pose has none", { captured_at: 10, camera_to_world: poseAt(1) }, history, null],
    ["interpolated: from the nearer reading", { captured_at: 10 }, history, 0.02],
    ["its own readings", { captured_at: 10, joint_samples: [[9.95, HOME]] }, history, 0.05],
    ["joints in meta are those of the shutter", { captured_at: 10, joint_angles: BENT }, history, 0],
    ["the latest: from the shutter", { captured_at: 14 }, history, 3.9],
    ["the latest, after the shutter", { captured_at: 5 }, history, 5.1],
    ["the latest, without a shutter time: until now", {}, history, LATEST_AGE_S],
    ["while the later reading is awaited", { captured_at: 10.2 }, history, 0.1],
    ["nobody ever sent any", { captured_at: 10 }, historyOf(), null],
  ])("%s", (_, meta, readings, ageS) => {
    const { jointsAgeS } = place(meta, readings);
    if (ageS === null) expect(jointsAgeS).toBeNull();
    else expect(jointsAgeS).toBeCloseTo(ageS, 9);
  });

  it("counts the clock offset", () => {
    expect(place({ captured_at: 12 }, history, { clock_offset_s: -0.9 }).jointsAgeS).toBeCloseTo(1, 9);
  });
});

describe("the clock offset", () => {
  it("moves the moment joints are looked up at", () => {
    const samples: [number, number[]][] = [
      [10, HOME],
      [10.2, BENT],
    ];
    const meta = { captured_at: 10, joint_samples: samples };
    expectAngles(place(meta, historyOf(), { clock_offset_s: 0.05 }).anglesRad, partway(0.25));
  });
});

describe("readings sent with a frame", () => {
  it("stand for a shutter beside them only when near", () => {
    const samples = [{ timeS: 10, anglesRad: BENT }];
    expect(jointsFromSamples(samples, 10.2)?.anglesRad).toEqual(BENT);
    expect(jointsFromSamples(samples, 9.9)?.anglesRad).toEqual(BENT);
    expect(jointsFromSamples(samples, 10.3)).toBeNull();
  });
  it("further apart than 250 ms are not interpolated: the nearer one stands for the shutter", () => {
    const far: FrameMeta["joint_samples"] = [
      [9.9, HOME],
      [10.2, BENT],
    ];
    const placed = place({ captured_at: 10, joint_samples: far }, historyOf());
    expect(placed).toMatchObject({ source: "samples", anglesRad: HOME, speedDegS: null });
    const inAHole: FrameMeta["joint_samples"] = [
      [9.7, HOME],
      [10.3, BENT],
    ];
    expect(place({ captured_at: 10, joint_samples: inAHole }, historyOf()).source).toBe("default");
    const instead = { captured_at: 10, joint_samples: inAHole, joint_angles: BENT };
    expect(place(instead, historyOf())).toMatchObject({ source: "meta", anglesRad: BENT });
  });
  it("need the shutter time they lie around", () => {
    expect(() => place({ joint_samples: [[10, HOME]] }, historyOf())).toThrow(/captured_at/);
  });
  it("tell how fast the arm was, the gripper left out", () => {
    const [from, to] = [HOME, [0, 0.1, 0, 0, 0, 5]];
    const joints = jointsFromSamples(
      [
        { timeS: 10, anglesRad: from },
        { timeS: 10.1, anglesRad: to },
      ],
      10.05,
    );
    expect(joints?.speedDegS).toBeCloseTo(180 / Math.PI, 6);
  });
});
