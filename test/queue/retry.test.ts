import { expect, test } from "vitest";
import { SplatError } from "../../src/errors.ts";
import { judge } from "../../src/queue/retry.ts";

const always = () => 1;
const refused = (status: number, retryAfterS?: number): SplatError =>
  new SplatError("refused", "no", { refusal: { status, code: "x", retryAfterS } });
const down = new SplatError("unreachable", "down");

test("an outage is waited for, longer each time, up to 15 s, without end", () => {
  const waits = [0, 1, 2, 3, 4, 5, 6, 7, 5000].map((attempt) => judge(down, attempt, always));
  expect(waits.map((verdict) => verdict.kind === "retry" && verdict.waitMs)).toEqual([
    250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000,
  ]);
  expect(judge(down, 5, () => 0)).toEqual({ kind: "retry", waitMs: 0 });
});

test("Retry-After is honoured, with a little jitter on top, and not for hours", () => {
  expect(judge(refused(429, 2), 0, () => 0)).toEqual({ kind: "retry", waitMs: 2000 });
  expect(judge(refused(503, 2), 9, always)).toEqual({ kind: "retry", waitMs: 2250 });
  expect(judge(refused(503, 86_400), 0, () => 0)).toEqual({ kind: "retry", waitMs: 300_000 });
});

test("each answer is judged by whose fault it is", () => {
  const kinds = (statuses: number[]): string[] => statuses.map((status) => judge(refused(status), 0).kind);
  expect(new Set(kinds([408, 423, 425, 429, 500, 502, 503, 504, 507]))).toEqual(new Set(["retry"]));
  expect(new Set(kinds([400, 413, 415, 422]))).toEqual(new Set(["poison"]));
  expect(new Set(kinds([401, 403, 404, 405, 409]))).toEqual(new Set(["fatal"]));
  expect(new Set(kinds([402, 410, 418]))).toEqual(new Set(["fatal"]));
  expect(judge(new SplatError("internal", "a bug"), 0).kind).toBe("fatal");
  expect(judge(new SplatError("partial", "hopeless"), 0).kind).toBe("fatal");
});

test("an answer that makes no sense or leads elsewhere is asked for again, not for ever", () => {
  for (const error of [new SplatError("refused", "not the contract"), refused(303)]) {
    expect(judge(error, 4).kind).toBe("retry");
    expect(judge(error, 5).kind).toBe("fatal");
  }
});

test("a 500 that goes on is the frame's fault, a 503 is not", () => {
  expect(judge(refused(500), 4).kind).toBe("retry");
  expect(judge(refused(500), 5).kind).toBe("poison");
  expect(judge(refused(503), 50).kind).toBe("retry");
});

test("a 500 of the edge is the frame's fault only after long", () => {
  const refusal = { status: 500, code: "internal", isForeign: true };
  const crashed = new SplatError("refused", "no", { refusal });
  expect(judge(crashed, 18).kind).toBe("retry");
  expect(judge(crashed, 19).kind).toBe("poison");
});
