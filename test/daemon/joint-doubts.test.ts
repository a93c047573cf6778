import { expect, test } from "vitest";
import { doubtsAbout } from "../../src/daemon/joint-doubts.ts";

const at = (anglesRad: number[]) => ({ timeS: 0, anglesRad });
const REST = at([0, -0.6, 0.6, 0.9, 0, 0.3]);
const keys = (reading: typeof REST, lateS: number): string[] =>
  doubtsAbout(reading, lateS, "a test").map(({ key }) => key);

test("readings of now within the arm's reach raise no doubt", () => {
  for (const lateS of [-0.2, 0, 0.05, 0.9]) expect(keys(REST, lateS)).toEqual([]);
  // A badly swept joint is off by some degrees, and a wrist may turn all the way round.
  expect(keys(at([2.3, 0, 0, 0, 3.1, 0]), 0)).toEqual([]);
});

test("a clock that is wrong is named, with by how much", () => {
  expect(keys(REST, -3)).toEqual(["ahead"]);
  expect(keys(REST, 20)).toEqual(["late"]);
  const [{ line }] = doubtsAbout(REST, -3, "a test");
  expect(line).toContain("3.0 s in the future");
});

test("degrees that pass for radians are beyond the arm's reach", () => {
  expect(keys(at([3, -3, 3, 3, 3, 3]), 0)).toEqual(["reach"]);
  const [{ line }] = doubtsAbout(at([0, 0, -3, 0, 0, 0]), 0, "a test");
  expect(line).toContain("elbow_flex from a test is at -172°");
  expect(line).toContain("units");
});
