import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { explainShort, SplatError } from "../../src/errors.ts";
import { backoffMs, Outage } from "../../src/robot/outage.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function listen(): { told: string[]; outage: Outage } {
  const told: string[] = [];
  const listener = {
    onNote: (line: string): unknown => told.push(`note ${line}`),
    onWarning: (line: string): unknown => told.push(`warning ${line}`),
  };
  return { told, outage: new Outage(listener, "back") };
}

it("tells the first failure at once, each kind once, and the end when it has lasted a second", () => {
  const { told, outage } = listen();
  for (let i = 0; i < 50; i++) outage.failed("gone", "gone", 3);
  outage.failed("bad", "bad", 3);
  outage.worked();
  expect(told).toEqual(["warning gone", "warning bad"]);
  vi.advanceTimersByTime(1000);
  outage.worked();
  outage.worked();
  expect(told).toEqual(["warning gone", "warning bad", "note back"]);
});

it("has patience with a source that has worked", () => {
  const { told, outage } = listen();
  outage.worked();
  outage.failed("bad", "bad", 3);
  expect(outage.failed("bad", "bad", 3)).toBe(2);
  outage.worked();
  outage.failed("bad", "bad", 3);
  expect(told).toEqual([]);
  outage.failed("bad", "bad", 3);
  expect(outage.failed("bad", "bad", 3)).toBe(3);
  expect(told).toEqual(["warning bad"]);
});

it("tells a trouble that flickers for a day once", () => {
  const { told, outage } = listen();
  for (let i = 0; i < 86_400; i++) {
    outage.failed("gone", "gone");
    vi.advanceTimersByTime(500);
    outage.worked();
    vi.advanceTimersByTime(500);
  }
  expect(told).toEqual(["warning gone"]);
});

it("waits longer each time, 2 s at most", () => {
  expect([1, 2, 3, 4, 5, 6, 100_000].map(backoffMs)).toEqual([100, 200, 400, 800, 1600, 2000, 2000]);
});

it("puts what happened and what to do into one line", () => {
  expect(explainShort(new SplatError("bad_input", "x is wrong", { hint: "Send y." }))).toBe(
    "x is wrong. Send y.",
  );
  expect(explainShort(new Error("oh"))).toBe("oh");
});
