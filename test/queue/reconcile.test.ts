import { expect, test } from "vitest";
import { changeOf, judgeFrame, judgeMemory, type Change, type Look } from "../../src/queue/reconcile.ts";

const before = { sessionId: "s1", bootId: "b1" };
const look = (durableThrough: number, isComplete = false): Look => ({
  identity: { sessionId: "s2", bootId: "b2" },
  durableThrough,
  isComplete,
  indexById: new Map([["held", 5]]),
});

test("what has happened is told by who answers", () => {
  expect(changeOf(null, before)).toBe("none");
  expect(changeOf(before, { ...before })).toBe("none");
  expect(changeOf(before, { sessionId: "s1", bootId: "b2" })).toBe("restarted");
  expect(changeOf(before, { sessionId: "s2", bootId: "b1" })).toBe("reset");
  expect(changeOf(before, { sessionId: "s2", bootId: "b2" })).toBe("lost");
});

test("a frame that is there is safe when a checkpoint or a finished session holds it", () => {
  const frame = { frameId: "held", sessionId: "s1" };
  expect(judgeFrame(frame, look(4), "restarted")).toBe("accepted");
  expect(judgeFrame(frame, look(5), "none")).toBe("durable");
  expect(judgeFrame(frame, look(0, true), "none")).toBe("durable");
});

test("a frame that is not there is sent again, unless the user ended its session", () => {
  const verdicts = (sessionId: string): string[] =>
    (["none", "restarted", "lost", "reset"] as const).map((change) =>
      judgeFrame({ frameId: "gone", sessionId }, look(9), change),
    );
  expect(verdicts("s1")).toEqual(["again", "again", "again", "over"]);
  expect(verdicts("s2")).toEqual(["again", "again", "again", "again"]);
});

test("the memory of a file", () => {
  const judge = (frameId: string, change: Change, isFirst: boolean, isOver = false): string =>
    judgeMemory({ frameId, isOver }, look(9), { change, isFirst });
  expect(judge("held", "lost", true)).toBe("keep");
  // A run that begins in a new session takes the folder from the start.
  expect(judge("gone", "reset", true, true)).toBe("forget");
  expect(judge("gone", "lost", true)).toBe("forget");
  // One that sees the reset does not, and neither does the next in the same session.
  expect(judge("gone", "reset", false)).toBe("over");
  expect(judge("gone", "none", true, true)).toBe("keep");
  expect(judge("gone", "restarted", false, true)).toBe("keep");
  // What the backend lost without being told to is read again.
  expect(judge("gone", "restarted", true)).toBe("forget");
  expect(judge("gone", "lost", false)).toBe("forget");
});
