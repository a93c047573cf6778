/** Spans against a row of booleans. */
import { expect, it } from "vitest";
import {
  countBytes,
  missingSpans,
  prefixBytes,
  spansBelow,
  withSpan,
  type Span,
} from "../../src/chunks/spans.ts";
import { seededRandom } from "../helpers/random.ts";

const SIZE = 40;

it("says the same as bytes that are looked at one by one", () => {
  const random = seededRandom(7);
  const upTo = (limit: number): number => Math.floor(random() * limit);
  for (let round = 0; round < 300; round++) {
    const there = Array<boolean>(SIZE).fill(false);
    let spans: readonly Span[] = [];
    for (let i = 0; i < 8; i++) {
      const start = upTo(SIZE);
      const end = start + upTo(SIZE - start + 1);
      there.fill(true, start, end);
      spans = withSpan(spans, { start, end });
      expect(bytesOf(spans)).toEqual(indices(there, true));
      expect(bytesOf(missingSpans(spans, SIZE))).toEqual(indices(there, false));
      expect(countBytes(spans)).toBe(indices(there, true).length);
      expect(prefixBytes(spans)).toBe(there.includes(false) ? there.indexOf(false) : SIZE);
      const limit = upTo(SIZE);
      expect(bytesOf(spansBelow(spans, limit))).toEqual(indices(there, true).filter((at) => at < limit));
      for (const [k, span] of spans.entries())
        if (k > 0) expect(span.start).toBeGreaterThan(spans[k - 1].end);
    }
  }
});

function bytesOf(spans: readonly Span[]): number[] {
  return spans.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
}

function indices(there: readonly boolean[], value: boolean): number[] {
  return [...there.keys()].filter((at) => there[at] === value);
}
