import { expect, test } from "vitest";
import {
  FrameJudge,
  GATE_LIMITS,
  type PictureLook,
  type Verdict,
} from "../../src/capture/frame-gate-judge.ts";

/** A picture that nothing is wrong with, of a camera that has moved. */
const GOOD: PictureLook = {
  capturedAtS: 0,
  sharpness: 0.4,
  brightness: 120,
  exposedShare: 0.95,
  change: 12,
  motion: 0.1,
  travel: null,
};
const RESTING = { motion: 0.001, change: 0.8 };
const FPS = 30;

/** What becomes of a video at 30 fps: each stretch is so many seconds of one look. What passes is sent. */
function judged(...stretches: readonly (readonly [number, Partial<PictureLook>])[]): Verdict[][] {
  const judge = new FrameJudge();
  let frame = 0;
  return stretches.map(([seconds, parts]) =>
    Array.from({ length: Math.max(1, Math.round(seconds * FPS)) }, () => {
      const look = { ...GOOD, ...parts, capturedAtS: 1_780_000_000 + frame++ / FPS };
      const verdict = judge.judge(look);
      if (verdict === "pass") judge.keep(look);
      return verdict;
    }),
  );
}

function shareOf(verdicts: readonly Verdict[], verdict: Verdict): number {
  return verdicts.filter((each) => each === verdict).length / verdicts.length;
}

test.each<[string, Partial<PictureLook>, Verdict]>([
  ["nothing wrong with it", {}, "pass"],
  ["as sharp as most", { sharpness: 0.3 }, "pass"],
  ["half as sharp", { sharpness: 0.15 }, "blurred"],
  ["black", { brightness: 3, exposedShare: 0.01 }, "exposure"],
  ["white", { brightness: 252, exposedShare: 0.02 }, "exposure"],
  ["much darker than before", { brightness: 40 }, "exposure"],
  ["flooded with light", { brightness: 200, exposedShare: 0.4 }, "exposure"],
  ["a little darker", { brightness: 80 }, "pass"],
  ["the same again", { change: 0 }, "duplicate"],
  ["the same again, far from the last one sent", { change: 0.01, motion: 0.4 }, "duplicate"],
  ["hardly moved", { motion: 0.01 }, "still"],
  [
    "hardly moved, as the joints say too",
    { motion: 0.01, travel: { metres: 0.001, radians: 0.001 } },
    "still",
  ],
  [
    "moved by the joints, before a bare wall",
    { motion: 0.001, travel: { metres: 0.02, radians: 0 } },
    "pass",
  ],
  [
    "turned by the joints, before a bare wall",
    { motion: 0.001, travel: { metres: 0, radians: 0.05 } },
    "pass",
  ],
  [
    "moved by the joints, but the camera hangs",
    { change: 0, travel: { metres: 0.1, radians: 0 } },
    "duplicate",
  ],
  ["moved by the picture, though the joints say no", { travel: { metres: 0, radians: 0 } }, "pass"],
  ["blurred while it hardly moves", { sharpness: 0.1, motion: 0.005 }, "still"],
])("after two good seconds, a picture with %s", (_, look, verdict) => {
  expect(judged([2, {}], [0, look])[1]).toEqual([verdict]);
});

test("the first picture passes, unless it is black", () => {
  expect(judged([0, { change: Infinity, motion: Infinity }])).toEqual([["pass"]]);
  const [black, lit] = judged([1, { exposedShare: 0, brightness: 2 }], [0, {}]);
  expect(shareOf(black, "exposure")).toBe(1);
  expect(lit).toEqual(["pass"]);
});

test("a scene without much texture is not refused: what counts is what the video has", () => {
  const [dull] = judged([3, { sharpness: 0.02 }]);
  expect(shareOf(dull, "pass")).toBe(1);
});

test("after a sharp scene, a dull one is refused for two seconds at most, and soon not at all", () => {
  const [, dull] = judged([5, {}], [20, { sharpness: 0.1 }]);
  const firstPass = dull.indexOf("pass") / FPS;
  expect(firstPass).toBeCloseTo(GATE_LIMITS.patienceS, 1);
  expect(shareOf(dull.slice(15 * FPS), "pass")).toBe(1);
});

test("when the light changes for good, pictures pass again within some seconds", () => {
  const [, dim] = judged([5, {}], [10, { brightness: 30 }]);
  expect(dim[0]).toBe("exposure");
  expect(dim.indexOf("pass") / FPS).toBeLessThanOrEqual(GATE_LIMITS.patienceS);
  expect(shareOf(dim.slice(5 * FPS), "pass")).toBe(1);
});

test("what stays dark, as an object on a black cloth does, passes once that is known", () => {
  const cloth = { brightness: 15, exposedShare: 0.05 };
  const [fromTheStart] = judged([10, cloth]);
  expect(fromTheStart[0]).toBe("exposure");
  expect(fromTheStart.indexOf("pass") / FPS).toBeCloseTo(GATE_LIMITS.patienceS, 1);
  expect(shareOf(fromTheStart.slice(3 * FPS), "pass")).toBe(1);
  const [, later, lit] = judged([5, {}], [40, cloth], [10, {}]);
  expect(shareOf(later.slice(30 * FPS), "pass")).toBe(1);
  expect(shareOf(lit.slice(5 * FPS), "pass")).toBe(1);
  const [, capped] = judged([5, {}], [60, { brightness: 1, exposedShare: 0 }]);
  expect(shareOf(capped, "exposure")).toBe(1);
});

test("a camera at rest is seen after 5 s, 10 s, 20 s and so on, at least every 5 minutes; then moves and is seen at once", () => {
  const [, rest, again] = judged([1, {}], [1600, RESTING], [1, {}]);
  const passesS = rest.flatMap((verdict, i) => (verdict === "pass" ? [(i + 1) / FPS] : []));
  const gapsS = passesS.map((timeS, i) => timeS - (passesS[i - 1] ?? 0));
  expect(gapsS.map(Math.round)).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
  expect(again[0]).toBe("pass");
});

test("rest does not use up the patience with blur", () => {
  const [, , start] = judged([1, {}], [4, RESTING], [1, { sharpness: 0.1 }]);
  expect(shareOf(start, "blurred")).toBe(1);
});

test("a camera that hangs gives nothing, however long, and does not change what is normal", () => {
  const [, hangs, blurred] = judged([2, {}], [600, { change: 0, sharpness: 0.1 }], [0, { sharpness: 0.15 }]);
  expect(shareOf(hangs, "duplicate")).toBe(1);
  expect(blurred).toEqual(["blurred"]);
});

test("after a clock was set back or a long gap the video begins anew", () => {
  const judge = new FrameJudge();
  const at = (capturedAtS: number, parts: Partial<PictureLook> = {}): Verdict => {
    const look = { ...GOOD, ...parts, capturedAtS };
    const verdict = judge.judge(look);
    if (verdict === "pass") judge.keep(look);
    return verdict;
  };
  expect([at(1000), at(1000.1, { motion: 0 })]).toEqual(["pass", "still"]);
  expect([at(10, { sharpness: 0.05, motion: 0 }), at(10.1, { motion: 0 })]).toEqual(["pass", "still"]);
  expect(at(500, { sharpness: 0.01, brightness: 20 })).toBe("pass");
});

test("only a picture as sharp as the best of late is sent without waiting for a better one", () => {
  const judge = new FrameJudge();
  for (let i = 0; i < 30; i++) judge.judge({ ...GOOD, capturedAtS: i / FPS });
  expect(judge.isSharpEnough({ ...GOOD, sharpness: 0.39 })).toBe(true);
  expect(judge.isSharpEnough({ ...GOOD, sharpness: 0.33 })).toBe(false);
});
