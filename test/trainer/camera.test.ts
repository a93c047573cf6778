import { describe, expect, it } from "vitest";
import { cameraFromPose, centerOf, poseOf, scaleIntrinsics } from "../../src/trainer/camera.ts";
import { lookAt } from "./scenes.ts";

const lens = { width: 64, height: 48, fx: 60, fy: 61, cx: 31, cy: 25 };

describe("cameraFromPose", () => {
  it("turns OpenGL axes (looks along −z, y up) into OpenCV axes (looks along +z, y down)", () => {
    const camera = cameraFromPose(lens, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    const { rotation: r, translation: t } = camera;
    const seen = (p: number[]): number[] =>
      [0, 1, 2].map((row) => r[row * 3] * p[0] + r[row * 3 + 1] * p[1] + r[row * 3 + 2] * p[2] + t[row]);
    expect(seen([0, 0, -2])).toEqual([0, 0, 2]);
    expect(seen([1, 3, -2])).toEqual([1, -3, 2]);
  });

  it("puts the centre where the pose says", () => {
    const pose = poseOf(lookAt([1, 2, 3], [0, 0.5, 0], { width: 64, height: 48, f: 60 }));
    const center = centerOf(cameraFromPose(lens, pose));
    [1, 2, 3].forEach((value, axis) => expect(center[axis]).toBeCloseTo(value, 12));
  });

  it("is undone by poseOf", () => {
    const camera = lookAt([0.4, -1.2, 0.7], [0.1, 0.2, 0], { width: 64, height: 48, f: 60 });
    const back = cameraFromPose(camera, poseOf(camera));
    camera.rotation.forEach((value, i) => expect(back.rotation[i]).toBeCloseTo(value, 12));
    camera.translation.forEach((value, i) => expect(back.translation[i]).toBeCloseTo(value, 12));
    expect(poseOf(back).slice(12)).toEqual([0, 0, 0, 1]);
  });

  it("keeps the lens", () => {
    expect(
      cameraFromPose(lens, poseOf(lookAt([1, 0, 1], [0, 0, 0], { width: 9, height: 9, f: 9 }))),
    ).toMatchObject(lens);
  });
});

describe("scaleIntrinsics", () => {
  it("keeps every ray: a pixel's share of the width and height sees the same direction", () => {
    const half = scaleIntrinsics(lens, 32, 12);
    expect(half).toEqual({ width: 32, height: 12, fx: 30, fy: 15.25, cx: 15.5, cy: 6.25 });
    for (const share of [0, 0.25, 1]) {
      expect((share * 32 - half.cx) / half.fx).toBeCloseTo((share * 64 - lens.cx) / lens.fx, 12);
      expect((share * 12 - half.cy) / half.fy).toBeCloseTo((share * 48 - lens.cy) / lens.fy, 12);
    }
  });
});
