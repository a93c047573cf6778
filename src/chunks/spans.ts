/** Which bytes of a file are there: spans in order, neither touching nor overlapping. Pure. */

/** Bytes `start` up to, not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** `spans` and one more, which may overlap them. */
export function withSpan(spans: readonly Span[], { start, end }: Span): readonly Span[] {
  if (start >= end) return spans;
  const before = spans.filter((span) => span.end < start);
  const after = spans.filter((span) => span.start > end);
  const joined = spans.slice(before.length, spans.length - after.length);
  const merged = {
    start: Math.min(start, joined[0]?.start ?? start),
    end: Math.max(end, joined.at(-1)?.end ?? end),
  };
  return [...before, merged, ...after];
}

/** What of a file of `sizeBytes` is not there. */
export function missingSpans(spans: readonly Span[], sizeBytes: number): readonly Span[] {
  const starts = [0, ...spans.map(({ end }) => end)];
  const ends = [...spans.map(({ start }) => start), sizeBytes];
  return starts.map((start, i) => ({ start, end: ends[i] })).filter(({ start, end }) => start < end);
}

/** How many bytes from the file's first one on are there without a hole. */
export function prefixBytes(spans: readonly Span[]): number {
  return spans[0]?.start === 0 ? spans[0].end : 0;
}

/** How many bytes are there. */
export function countBytes(spans: readonly Span[]): number {
  return spans.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** Without what lies from `limit` on. */
export function spansBelow(spans: readonly Span[], limit: number): readonly Span[] {
  return spans
    .filter(({ start }) => start < limit)
    .map(({ start, end }) => ({ start, end: Math.min(end, limit) }));
}
