import { expect, test } from "vitest";
import { chart, gauge, sparkline } from "../../src/tui/dashboard-graph.ts";
import { Series } from "../../src/tui/dashboard-history.ts";

test("days of a figure take no more room than an hour of it, and keep its shape", () => {
  const series = new Series();
  const days = 1_000_000;
  for (let i = 0; i < days; i++) series.add(i);
  const { points } = series;
  expect(points.length).toBeLessThanOrEqual(512);
  expect(points.length).toBeGreaterThanOrEqual(256);
  expect(points[0]).toBeLessThan(days / 200);
  expect(points.at(-1)).toBeGreaterThan(days * 0.99);
  expect(points.toSorted((a, b) => a - b)).toEqual(points);
  series.clear();
  expect(series.points).toEqual([]);
});

test("what is not known is no point", () => {
  const series = new Series();
  for (const value of [1, null, Number.NaN, 2]) series.add(value);
  expect(series.points).toEqual([1, 2]);
});

test("a sparkline goes from the lowest to the highest, whatever they are", () => {
  expect(sparkline([1, 2, 3], 10, true)).toBe("▁▅█");
  expect(sparkline([5, 5], 10, true)).toBe("▅▅");
  expect(sparkline([1, 2, 3], 10, false)).toBe("_+#");
  expect(sparkline([], 10, true)).toBe("");
  expect(
    sparkline(
      Array.from({ length: 100 }, (_, i) => i),
      8,
      true,
    ),
  ).toBe("▁▂▃▄▅▆▇█");
});

test("a gauge ends where its range ends", () => {
  expect(gauge(0, -1, 1, 5)).toBe("──●──");
  expect(gauge(-9, -1, 1, 5)).toBe("●────");
  expect(gauge(9, -1, 1, 5)).toBe("────●");
});

test("a chart of several rows is a sparkline with more steps", () => {
  expect(chart([0, 1, 2, 3], 10, 2, true)).toEqual(["  ▃█", "▁▆██"]);
  expect(chart([1, 2, 3], 10, 1, true)).toEqual([sparkline([1, 2, 3], 10, true)]);
});
